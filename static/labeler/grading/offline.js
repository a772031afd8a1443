// Without a connection: say how many grades wait in this browser, and come back by itself.

import { need } from "../../site/elements.js";
import { waitingInThisBrowser } from "./saving/outbox.js";

const AGAIN = 10_000; // ms between looks at the server

const count = await waitingInThisBrowser();
const notice = need("[data-waiting]", HTMLElement);
notice.hidden = !count;
notice.textContent = `${count} ${count === 1 ? "grade is" : "grades are"} kept in this browser and will be saved when you open your list again.`;

async function comeBack() {
  const response = await fetch("/offline/", { cache: "no-store" }).catch(() => null);
  if (response?.ok) location.reload();
}

addEventListener("online", comeBack);
setInterval(comeBack, AGAIN);
