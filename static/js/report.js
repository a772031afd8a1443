// The report's charts, drawn from the JSON that the page carries. Every number is also in a table on the page.

import { axis, colour } from "./charts.js";

const report = JSON.parse(document.getElementById("report").textContent);
const run = report.machine_run;
const canvas = (name) => document.querySelector(`[data-chart="${name}"]`);

/** A slanted pattern, so that simulated readers differ by more than colour. */
function hatch(tint) {
  const tile = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  pen.strokeStyle = tint;
  pen.lineWidth = 2;
  pen.beginPath();
  for (const start of [-8, 0, 8]) {
    pen.moveTo(start, 8);
    pen.lineTo(start + 8, 0);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

/** Draws each bar's interval and the dashed bar to beat. */
const whiskers = {
  id: "whiskers",
  afterDatasetsDraw({ ctx, scales: { x }, chartArea, _metasets }, _, { intervals, bar }) {
    ctx.save();
    ctx.strokeStyle = colour("ink");
    ctx.lineWidth = 1.5;
    _metasets[0].data.forEach((element, index) => {
      const [low, high] = intervals[index];
      if (low === null) return;
      const [left, right, middle] = [x.getPixelForValue(low), x.getPixelForValue(high), element.y];
      for (const [x1, y1, x2, y2] of [[left, middle, right, middle], [left, middle - 4, left, middle + 4], [right, middle - 4, right, middle + 4]]) {
        ctx.beginPath();
        ctx.moveTo(x1, y1);
        ctx.lineTo(x2, y2);
        ctx.stroke();
      }
    });
    if (bar !== null) {
      ctx.setLineDash([6, 5]);
      ctx.strokeStyle = colour("bad");
      ctx.beginPath();
      ctx.moveTo(x.getPixelForValue(bar), chartArea.top);
      ctx.lineTo(x.getPixelForValue(bar), chartArea.bottom);
      ctx.stroke();
      ctx.fillStyle = colour("bad");
      ctx.font = `600 12px ${Chart.defaults.font.family}`;
      ctx.textAlign = "center";
      ctx.fillText(`the bar ${bar.toFixed(2)}`, x.getPixelForValue(bar), chartArea.top - 6);
    }
    ctx.restore();
  },
};

function rmseRows() {
  const rows = report.readers.map(({ code, is_simulated, rmse }) => ({ label: code, simulated: is_simulated, ...rmse }));
  if (run) rows.push({ label: "Machine", machine: true, ...run.machine.golden_rmse });
  return rows.filter((row) => row.value !== null).sort((one, other) => one.value - other.value);
}

function tint({ machine, simulated }) {
  if (machine) return colour("machine");
  return simulated ? hatch(colour("accent")) : colour("accent");
}

function drawRmse() {
  const rows = rmseRows();
  canvas("rmse").parentElement.style.height = `${rows.length * 34 + 60}px`;
  new Chart(canvas("rmse"), {
    type: "bar",
    plugins: [whiskers],
    data: {
      labels: rows.map((row) => row.label),
      datasets: [
        {
          data: rows.map((row) => row.value),
          backgroundColor: rows.map(tint),
          borderColor: rows.map((row) => colour(row.machine ? "machine" : "accent")),
          borderWidth: 1.5,
          barPercentage: 0.72,
        },
      ],
    },
    options: {
      indexAxis: "y",
      maintainAspectRatio: false,
      layout: { padding: { top: 20 } },
      scales: { x: axis("RMSE, in grades", { min: 0, suggestedMax: Math.max(...rows.map(({ value, high }) => high ?? value)) }), y: { ...axis(), grid: { display: false } } },
      plugins: {
        legend: { display: false },
        whiskers: { intervals: rows.map(({ low, high }) => [low, high]), bar: report.bar?.value ?? null },
        tooltip: { callbacks: { label: ({ dataIndex }) => describe(rows[dataIndex]) } },
      },
    },
  });
}

function drawScatter() {
  const levels = run.machine.levels;
  const ends = [levels[0].value - 0.5, levels.at(-1).value + 0.5];
  const atLevels = (scale) => {
    scale.ticks = levels.map(({ value }) => ({ value }));
  };
  const ticks = { color: colour("ink"), autoSkip: false, maxRotation: 60, callback: levelName };
  const scale = (title) => axis(title, { min: ends[0], max: ends[1], afterBuildTicks: atLevels, ticks });
  new Chart(canvas("scatter"), {
    data: {
      datasets: [
        { type: "scatter", data: run.points.map(({ consensus, score }) => ({ x: consensus, y: score })), backgroundColor: `${colour("machine")}aa`, pointRadius: 5 },
        { type: "line", data: ends.map((end) => ({ x: end, y: end })), borderColor: colour("ink-soft"), borderDash: [6, 5], borderWidth: 1.5, pointRadius: 0 },
      ],
    },
    options: {
      maintainAspectRatio: false,
      scales: { x: { type: "linear", ...scale("Consensus of the readers") }, y: scale("Score of the machine") },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: ({ raw }) => `consensus ${raw.x.toFixed(2)}, score ${raw.y.toFixed(2)}` } },
      },
    },
  });
}

function levelName(value) {
  return run.machine.levels.find((level) => level.value === value)?.name ?? "";
}

function describe({ value, low, high, n }) {
  const interval = low === null ? "" : `, 95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}`;
  return `RMSE ${value.toFixed(3)}${interval}, n = ${n}`;
}

if (rmseRows().length) drawRmse();
if (run) drawScatter();
