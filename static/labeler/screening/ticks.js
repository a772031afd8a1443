// Ticking every image of a page at once. Without this module, each is ticked by itself.

const form = document.querySelector("[data-ticks]");
const all = form?.querySelector("[data-tick-all]");

if (all) {
  const boxes = [...form.querySelectorAll('input[type="checkbox"]')];
  const tell = () => (all.textContent = boxes.every((box) => box.checked) ? "Tick none" : "Tick all on this page");
  all.hidden = false;
  all.addEventListener("click", () => {
    const ticked = !boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = ticked;
    tell();
  });
  form.addEventListener("change", tell);
}
