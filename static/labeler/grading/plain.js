// No module: this runs before the modules, and where they never come. Until one of them takes over, the page is a plain
// form, and its buttons take a grade once the image that the server wrote into the page is there to be seen.
(function () {
  var LONG = 4000; // ms after the page is there
  var image = document.querySelector("[data-plain]");
  var buttons = document.querySelectorAll("[data-act] button[name]");
  var missing = document.querySelector("[data-missing]");

  function isOver() {
    return document.body.getAttribute("data-keys") === "on";
  }

  /** @param {boolean} isThere @param {string} sentence */
  function tell(isThere, sentence) {
    if (isOver() || !missing) return;
    for (var i = 0; i < buttons.length; i++) buttons[i].toggleAttribute("disabled", !isThere);
    missing.textContent = sentence;
    missing.toggleAttribute("hidden", !sentence);
  }

  if (image instanceof HTMLImageElement) {
    var isThere = image.complete && image.naturalWidth > 0;
    tell(isThere, isThere ? "" : "Fetching the image…");
    if (image.complete && !isThere) fail();
    image.addEventListener("load", tell.bind(null, true, ""));
    image.addEventListener("error", fail);
  }

  function fail() {
    tell(false, "The image can't be fetched, so it takes no grade. Load this page again.");
  }

  window.addEventListener("load", function () {
    setTimeout(function () {
      var notice = document.querySelector("[data-plain-notice]");
      if (isOver() || !notice) return;
      notice.removeAttribute("hidden");
      document.body.setAttribute("data-keys", "off");
    }, LONG);
  });
})();
