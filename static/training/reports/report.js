// Charts as PNG: an SVG, drawn on a canvas large enough to print. The charts themselves need no script.

const SHARPNESS = 3; // pixels per unit: legible in print

function load(address) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = reject;
    picture.src = address;
  });
}

async function toPng(address) {
  const picture = await load(address);
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth * SHARPNESS;
  canvas.height = picture.naturalHeight * SHARPNESS;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

async function download(button) {
  const address = URL.createObjectURL(await toPng(button.dataset.png));
  const link = Object.assign(document.createElement("a"), { href: address, download: button.dataset.name });
  link.click();
  URL.revokeObjectURL(address);
}

for (const button of document.querySelectorAll("[data-png]")) {
  button.hidden = false;
  button.addEventListener("click", () => download(button));
}

const printing = document.querySelector("[data-print]");
if (printing) {
  printing.hidden = false;
  printing.addEventListener("click", () => window.print());
}
