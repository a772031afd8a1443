// Say on the page, and not in the console, that the browser gave no passkey.

import { need } from "../../site/elements.js";

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  need("[data-passkey-problem]", HTMLElement).hidden = false;
});
