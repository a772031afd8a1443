// Follows an import. Without this module, reloading shows the same.

const EVERY = 1500; // ms

const live = document.querySelector("[data-live]").dataset.live;
const bar = document.querySelector(".sending progress");
let version = "";

function show(now) {
  for (const cell of document.querySelectorAll("[data-cell]")) cell.textContent = now[cell.dataset.cell];
  Object.assign(bar, { max: now.total || 1, value: now.done });
}

async function follow() {
  const headers = version ? { "If-None-Match": version } : {};
  const response = await fetch(live, { redirect: "manual", cache: "no-store", headers }).catch(() => null);
  if (response?.ok) {
    version = response.headers.get("ETag") ?? "";
    const now = await response.json();
    show(now);
    if (now.is_over) return location.reload(); // with the list of what was refused
  }
  setTimeout(follow, EVERY);
}

if (!document.querySelector("[data-going]").hidden) setTimeout(follow, EVERY);
