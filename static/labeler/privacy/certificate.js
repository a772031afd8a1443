// The certificate's button that prints it.

document.querySelector("[data-print]")?.addEventListener("click", () => print());
