// On a page without an image to grade: send what this browser still keeps, and list what was not kept.

import { given, need } from "../../../site/elements.js";
import { Outbox } from "./outbox.js";
import { onRead, showRefusals } from "./refusals.js";

const waiting = need("[data-waiting]", HTMLElement);
const { outbox: owner, csrf_cookie } = given("page");

/** @param {number} count */
function tell(count) {
  waiting.hidden = !count;
  waiting.textContent = `${count} waiting to be saved`;
}

const outbox = await Outbox.open(owner, csrf_cookie, {
  changed: (count) => (document.body.dataset.unsaved = String(count)),
  notKept: showRefusals,
  waiting: tell,
  saved: () => tell(0),
  stored() {},
  refused() {},
  keeping() {},
});
onRead(() => outbox.forgetRefusals());
await outbox.send();
