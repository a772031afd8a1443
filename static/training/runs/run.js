// The page of a run follows it until it is over. Without this module, reloading shows the same.

import { need } from "../../site/elements.js";

const EVERY = 1500; // ms

const live = need("[data-live]", HTMLElement);
const address = live.dataset.live ?? "";
const isOver = () => !["queued", "running"].includes(need("[data-state]", HTMLElement, live).dataset.state ?? "");

// The browser itself makes a document of the answer: no text of ours becomes a page (Trusted Types).
function follow() {
  const request = new XMLHttpRequest();
  request.open("GET", address);
  request.responseType = "document";
  request.onloadend = () => {
    const fragment = request.status === 200 && request.responseURL.endsWith(address) && request.responseXML;
    if (fragment) live.replaceChildren(...fragment.body.children);
    if (isOver()) location.reload(); // for what stands beside: the gate, what it was made with
    else setTimeout(follow, EVERY);
  };
  request.send();
}

if (!isOver()) setTimeout(follow, EVERY);
