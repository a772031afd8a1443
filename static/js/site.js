// On every page: keep the page that tells of a lost network at hand. Browsers without service workers do without.

navigator.serviceWorker?.register("/service-worker.js").catch(() => {});
