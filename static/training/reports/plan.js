// Interval width against the size of the golden set. The page's table has the same numbers.

import { axis, colour } from "./charts.js";

const plan = JSON.parse(document.getElementById("plan").textContent);
const LINES = [
  { name: "machine_minus_reader", label: "Machine minus reader", tint: "ink", point: "triangle", dash: [] },
  { name: "reader_rmse", label: "A reader's RMSE", tint: "accent", point: "circle", dash: [7, 4] },
  { name: "golden_rmse", label: "The machine's golden RMSE", tint: "machine", point: "rect", dash: [2, 3] },
];

/** Draws the dashed line at the design's own size. */
const chosen = {
  id: "chosen",
  afterDatasetsDraw({ ctx, scales: { x }, chartArea: { top, bottom } }) {
    const place = x.getPixelForValue(plan.golden);
    ctx.save();
    ctx.setLineDash([6, 5]);
    ctx.strokeStyle = colour("ink-soft");
    ctx.beginPath();
    ctx.moveTo(place, top);
    ctx.lineTo(place, bottom);
    ctx.stroke();
    ctx.restore();
  },
};

function line({ name, label, tint, point, dash }) {
  return {
    label,
    data: plan.by_golden.map(([size, widths]) => ({ x: size, y: widths[name].width })),
    borderColor: colour(tint),
    backgroundColor: colour(tint),
    borderDash: dash,
    borderWidth: 2,
    pointStyle: point,
    pointRadius: 5,
  };
}

const canvas = document.querySelector('[data-chart="widths"]');
new Chart(canvas, {
  type: "line",
  plugins: [chosen],
  data: { datasets: LINES.map(line) },
  options: {
    maintainAspectRatio: false,
    scales: {
      x: axis("Golden images", { type: "linear", min: 0 }),
      y: axis("Width of the interval, in grades", { min: 0 }),
    },
    plugins: {
      legend: { labels: { color: colour("ink"), usePointStyle: true, boxHeight: 7, padding: 16 } },
      tooltip: { callbacks: { title: ([{ parsed }]) => `${parsed.x} golden images`, label: ({ dataset, parsed }) => `${dataset.label}: ${parsed.y.toFixed(3)} wide` } },
    },
  },
});
