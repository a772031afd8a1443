// The sheets over the image: reasons, grading scale, brightness and contrast. One is open at a time.

import { need } from "../../site/elements.js";

const isWide = matchMedia("(width >= 64rem)"); // as in grade.css: there the grading scale stands beside the image

export const sheets = {
  reasons: need("#reasons", HTMLElement),
  help: need("#help", HTMLElement),
  lights: need("#lights", HTMLElement),
};

/** @param {HTMLElement} sheet */
export const isOpen = (sheet) => sheet.matches(":popover-open");

export const hidesImage = () => isOpen(sheets.help) && !isWide.matches;

export function closeSheets() {
  for (const sheet of Object.values(sheets)) if (isOpen(sheet)) sheet.hidePopover();
}

/** @param {HTMLElement} sheet */
export function toggle(sheet) {
  const wasOpen = isOpen(sheet);
  closeSheets();
  if (!wasOpen) sheet.showPopover();
}

/** Beside the image the grading scale stays open until it is closed; over it, a touch elsewhere closes it. */
function layOutHelp() {
  if (!isOpen(sheets.help)) sheets.help.popover = isWide.matches ? "manual" : "auto";
}

/** Begin. A browser without popovers keeps the plain form: this throws before anything has changed. */
export function layOutSheets() {
  if (typeof sheets.help.showPopover !== "function") throw new Error("This browser is too old for the keys.");
  isWide.addEventListener("change", layOutHelp);
  sheets.help.addEventListener("toggle", layOutHelp);
  layOutHelp();
}
