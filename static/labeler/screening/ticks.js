// Ticking every image of a page at once. Without this module, each is ticked by itself.

import { all, need } from "../../site/elements.js";

const form = document.querySelector("[data-ticks]");

if (form?.querySelector("[data-tick-all]")) {
  const button = need("[data-tick-all]", HTMLButtonElement, form);
  const boxes = all('input[type="checkbox"]', HTMLInputElement, form);
  const tell = () => (button.textContent = boxes.every((box) => box.checked) ? "Tick none" : "Tick all on this page");
  button.hidden = false;
  button.addEventListener("click", () => {
    const ticked = !boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = ticked;
    tell();
  });
  form.addEventListener("change", tell);
}
