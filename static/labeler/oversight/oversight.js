// The page of oversight follows the study while somebody looks. Without this module, reloading shows the same.

import { axis, colour } from "../../training/reports/charts.js";

const EVERY = 5000; // ms: most answers are an empty 304

const live = document.querySelector("[data-live]").dataset.live;
let now = JSON.parse(document.getElementById("now").textContent);
let version = "";
let chart = null;
let timer = 0;

function put(where, cells) {
  for (const cell of where.querySelectorAll("[data-cell]")) cell.textContent = cells[cell.dataset.cell];
}

function rows(body, pairs, none) {
  body.replaceChildren(
    ...pairs.map(([name, count]) => {
      const row = document.createElement("tr");
      const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
      row.append(head, Object.assign(document.createElement("td"), { className: "number", textContent: count }));
      return row;
    }),
  );
  if (!pairs.length && none) body.replaceChildren(none);
}

const noReason = document.querySelector("[data-reasons] .empty")?.parentElement;

function show() {
  for (const totals of document.querySelectorAll("[data-totals]")) put(totals, now.totals);
  for (const reader of now.readers) {
    const row = document.querySelector(`[data-reader="${CSS.escape(reader.code)}"]`);
    if (!row) return location.reload(); // a reader joined
    put(row, reader);
    Object.assign(row.querySelector("progress"), { max: reader.bar_max, value: reader.bar });
  }
  rows(document.querySelector("[data-reasons]"), now.reasons, noReason);
  rows(document.querySelector("[data-days]"), now.days);
  draw();
}

function draw() {
  const data = { labels: now.days.map(([day]) => day), counts: now.days.map(([, count]) => count) };
  if (chart) {
    chart.data.labels = data.labels;
    chart.data.datasets[0].data = data.counts;
    chart.update();
    return;
  }
  chart = new Chart(document.querySelector('[data-chart="days"]'), {
    type: "bar",
    data: { labels: data.labels, datasets: [{ data: data.counts, backgroundColor: colour("accent"), maxBarThickness: 40 }] },
    options: {
      maintainAspectRatio: false,
      scales: {
        x: { ...axis(), grid: { display: false }, ticks: { color: colour("ink"), maxRotation: 0, autoSkipPadding: 24 } },
        y: axis("Labels", { beginAtZero: true, ticks: { color: colour("ink"), precision: 0 } }),
      },
      plugins: { legend: { display: false } },
    },
  });
}

async function follow() {
  const headers = version ? { "If-None-Match": version } : {};
  const response = await fetch(live, { redirect: "manual", cache: "no-store", headers }).catch(() => null);
  if (response?.ok) {
    version = response.headers.get("ETag") ?? "";
    now = await response.json();
    show();
  }
  wait();
}

function wait() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(follow, EVERY);
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : follow()));
draw();
wait();
