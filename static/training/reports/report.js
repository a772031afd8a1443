// Charts as PNG: an SVG, drawn on a canvas large enough to print. The charts themselves need no script.

import { all } from "../../site/elements.js";

const SHARPNESS = 3; // pixels per unit: legible in print

/**
 * @param {string} address
 * @returns {Promise<HTMLImageElement>}
 */
function load(address) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = reject;
    picture.src = address;
  });
}

/**
 * @param {string} address
 * @returns {Promise<Blob>}
 */
async function toPng(address) {
  const picture = await load(address);
  const canvas = new OffscreenCanvas(picture.naturalWidth * SHARPNESS, picture.naturalHeight * SHARPNESS);
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("This browser has no room for so large a picture.");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/png" });
}

/** @param {HTMLButtonElement} button */
async function download(button) {
  const address = URL.createObjectURL(await toPng(button.dataset.png ?? ""));
  const link = Object.assign(document.createElement("a"), { href: address, download: button.dataset.name ?? "" });
  link.click();
  URL.revokeObjectURL(address);
}

for (const button of all("[data-png]", HTMLButtonElement)) {
  button.hidden = false;
  button.addEventListener("click", () => download(button));
}

for (const button of all("[data-print]", HTMLButtonElement)) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
