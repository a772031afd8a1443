// Follows an import. Without this module, reloading shows the same.

import { all, need } from "../../site/elements.js";

const EVERY = 1500; // ms

const live = need("[data-live]", HTMLElement).dataset.live ?? "";
const bar = need(".sending progress", HTMLProgressElement);
let version = "";

/** @param {{[cell: string]: number}} now */
function show(now) {
  for (const cell of all("[data-cell]", HTMLElement)) cell.textContent = String(now[cell.dataset.cell ?? ""]);
  Object.assign(bar, { max: now.total || 1, value: now.done });
}

async function follow() {
  const headers = new Headers(version ? { "If-None-Match": version } : undefined);
  const response = await fetch(live, { redirect: "manual", cache: "no-store", headers }).catch(() => null);
  if (response?.ok) {
    version = response.headers.get("ETag") ?? "";
    const now = await response.json();
    show(now);
    if (now.is_over) return location.reload(); // with the list of what was refused
  }
  setTimeout(follow, EVERY);
}

if (!need("[data-going]", HTMLElement).hidden) setTimeout(follow, EVERY);
