// The page of oversight follows the study while it is open. Without this module, reloading shows the same.

import { all, need } from "../../site/elements.js";

const EVERY = 5000; // ms: most answers are an empty 304

const live = need("[data-live]", HTMLElement).dataset.live ?? "";
let version = "";
let timer = 0;

/** Ask for what changes. A request for a document gives elements; the text that fetch() gives may not become any. */
function follow() {
  const request = new XMLHttpRequest();
  request.open("GET", live);
  request.responseType = "document";
  if (version) request.setRequestHeader("If-None-Match", version);
  request.addEventListener("load", () => show(request));
  request.addEventListener("loadend", wait);
  request.send();
}

/** Put each part that changed in the place of the former one. The page of sign-in has none. @param {XMLHttpRequest} request */
function show(request) {
  if (request.status !== 200) return; // the empty body of a 304 would be read as faulty XML
  const parts = request.responseXML ? all("[data-part]", HTMLElement, request.responseXML) : [];
  if (parts.length) version = request.getResponseHeader("ETag") ?? "";
  for (const part of parts) {
    const former = need(`[data-part="${part.dataset.part}"]`, HTMLElement);
    if (!former.isEqualNode(part)) former.replaceWith(part);
  }
}

function wait() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(follow, EVERY);
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : follow()));
wait();
