// On every page: keep the page that tells of a lost network at hand. Browsers without service workers do without.

// The one address of a script that is given to the browser as text, under the one name that the policy allows.
const WORKER = "/service-worker.js";
const policy = window.trustedTypes?.createPolicy("service-worker", { createScriptURL: () => WORKER });

navigator.serviceWorker?.register(policy?.createScriptURL("") ?? WORKER).catch(() => {});
