// The list of what was not kept: it stands on every page of a reader's list until the reader has read it.

import { need } from "../../../site/elements.js";

/** @typedef {import("./outbox.js").Entry} Entry */

/** @param {() => void} forget is called when the reader has read them */
export function onRead(forget) {
  need("[data-read]", HTMLButtonElement).addEventListener("click", forget);
}

/** @param {Entry[]} refusals */
export function showRefusals(refusals) {
  const section = need("[data-not-kept]", HTMLElement);
  const list = need("ul", HTMLUListElement, section);
  const known = new Map([...list.children].map((item) => [item instanceof HTMLElement ? item.dataset.submission : "", item]));
  // Those that stand there already stay: a screen reader reads out what is new.
  list.replaceChildren(...refusals.map((entry) => known.get(entry.fields.submission) ?? describe(entry)));
  section.hidden = !refusals.length;
}

/** @param {Entry} entry */
function describe({ fields, said, refused }) {
  const item = document.createElement("li");
  item.dataset.submission = fields.submission;
  item.append(said ? `${said.place}, ` : "", named(said?.answer ?? "A grade"), `: ${refused}`);
  return item;
}

/** Return a grade's name for a sentence: a browser that translates pages must leave it. @param {string} name */
export function named(name) {
  const span = document.createElement("span");
  span.translate = false;
  span.textContent = name;
  return span;
}
