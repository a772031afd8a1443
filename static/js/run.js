// The page of a run follows it until it is over. Without this module, reloading shows the same.

const EVERY = 1500; // ms

const live = document.querySelector("[data-live]");
const isOver = () => !["queued", "running"].includes(live.querySelector("[data-state]").dataset.state);

async function follow() {
  const response = await fetch(live.dataset.live, { redirect: "manual" }).catch(() => null);
  if (response?.ok) {
    const fragment = new DOMParser().parseFromString(await response.text(), "text/html");
    live.replaceChildren(...fragment.body.children);
  }
  if (isOver()) location.reload(); // for what stands beside: the gate, what it was made with
  else setTimeout(follow, EVERY);
}

if (!isOver()) setTimeout(follow, EVERY);
