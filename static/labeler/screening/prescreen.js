// Limits that are dragged, with what they would drop. Without this module, the button shows the same.

import { all, given, need } from "../../site/elements.js";

const PAUSE = 200; // ms after the last movement until the server is asked

const form = need("#limits", HTMLFormElement);
/** @type {{[measure: string]: number[]}} */
const values = given("values");
const status = need("[data-status]", HTMLElement, form);
let timer = 0;
/** @type {AbortController | null} */
let asked = null;

/** @typedef {{end: "min" | "max", field: HTMLInputElement, slider: HTMLInputElement}} End */
/** @type {End["end"][]} */
const ENDS = ["min", "max"];

/** One measure: the bars of its histogram, its two number fields and the two sliders that move them. */
class Limits {
  /** @param {HTMLElement} card */
  constructor(card) {
    this.name = card.dataset.measure ?? "";
    this.bars = all(".histogram rect", SVGRectElement, card);
    /** @type {End[]} */
    this.ends = ENDS.map((end) => ({
      end,
      field: need(`[name="${this.name}_${end}"]`, HTMLInputElement, form),
      slider: need(`[data-end="${end}"]`, HTMLInputElement, card),
    }));
    need(".sliders", HTMLElement, card).hidden = false;
    for (const one of this.ends) {
      one.slider.addEventListener("input", () => this.slide(one));
      one.field.addEventListener("input", () => this.show());
    }
    this.show();
  }

  /** A slider at its own end of the range is no limit. One that meets the other takes it along. @param {End} moved */
  slide(moved) {
    const [low, high] = this.ends.map(({ slider }) => Number(slider.value));
    for (const { end, field, slider } of this.ends) {
      if (low > high) slider.value = moved.slider.value;
      if (slider !== moved.slider && low <= high) continue;
      field.value = Number(slider.value) === Number(slider[end]) ? "" : slider.value;
    }
    this.show();
    ask();
  }

  show() {
    for (const { end, field, slider } of this.ends) {
      slider.value = field.value === "" ? slider[end] : field.value;
      need(`[data-mirrors="${field.name}"]`, HTMLInputElement).value = field.value;
    }
    const [low, high] = this.ends.map(({ field }) => (field.value === "" ? null : Number(field.value)));
    for (const [place, value] of values[this.name].entries()) {
      const isDropped = (low !== null && value < low) || (high !== null && value > high);
      this.bars[place].setAttribute("class", isDropped ? "c-dropped" : "c-kept");
    }
  }
}

function ask() {
  clearTimeout(timer);
  timer = setTimeout(count, PAUSE);
}

async function count() {
  asked?.abort();
  asked = new AbortController();
  const query = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  /** @type {RequestInit} */
  const options = { redirect: "manual", cache: "no-store", signal: asked.signal };
  const response = await fetch(`${form.dataset.counts}?${query}`, options).catch(() => null);
  if (!response) return;
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    status.textContent = "The counts could not be fetched. Use the button.";
    return;
  }
  const answer = await response.json();
  status.textContent = answer.error ?? `Together they would drop ${answer.together}.`;
  if (answer.error) return;
  for (const said of all("[data-said]", HTMLElement, form)) {
    said.textContent = answer.alone[said.dataset.said ?? ""] ?? answer.together;
  }
  for (const link of all("[data-which]", HTMLAnchorElement, form)) {
    link.href = `${form.dataset.drops}?${answer.query}&which=${link.dataset.which}`;
  }
}

const cards = all("[data-measure]", HTMLElement, form).map((card) => new Limits(card));
form.addEventListener("input", ({ target }) => target instanceof HTMLInputElement && target.type === "number" && ask());
need("[data-try]", HTMLElement, form).hidden = cards.length > 0;
