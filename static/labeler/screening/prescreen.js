// Limits that are dragged, with what they would drop. Without this module, the button shows the same.

import { axis, colour } from "../../training/reports/charts.js";

const PAUSE = 200; // ms after the last movement until the server is asked

const form = document.getElementById("limits");
const bins = JSON.parse(document.getElementById("charts").textContent);
const status = form.querySelector("[data-status]");
let timer = 0;
let asked = null;

/** One measure: its chart, its two number fields and the two sliders that move them. */
class Limits {
  constructor(card) {
    this.name = card.dataset.measure;
    this.bins = bins[this.name];
    this.sliders = card.querySelector(".sliders");
    this.ends = ["min", "max"].map((end) => ({
      end,
      field: form.elements[`${this.name}_${end}`],
      slider: card.querySelector(`[data-end="${end}"]`),
    }));
    this.chart = this.draw(card.querySelector("canvas"));
    this.sliders.hidden = false;
    for (const one of this.ends) {
      one.slider.addEventListener("input", () => this.slide(one));
      one.field.addEventListener("input", () => this.show());
    }
    this.show();
  }

  /** A slider at its own end of the range is no limit. One that meets the other takes it along. */
  slide(moved) {
    const [low, high] = this.ends.map(({ slider }) => Number(slider.value));
    for (const { end, field, slider } of this.ends) {
      if (low > high) slider.value = moved.slider.value;
      if (slider !== moved.slider && low <= high) continue;
      field.value = Number(slider.value) === Number(slider[end]) ? "" : slider.value;
    }
    this.show();
    ask();
  }

  show() {
    for (const { end, field, slider } of this.ends) {
      slider.value = field.value === "" ? slider[end] : field.value;
      document.querySelector(`[data-mirrors="${field.name}"]`).value = field.value;
    }
    this.chart.data.datasets[0].backgroundColor = this.colours();
    this.chart.update();
  }

  colours() {
    const [low, high] = this.ends.map(({ field }) => (field.value === "" ? null : Number(field.value)));
    const [kept, dropped] = [colour("accent"), colour("machine")];
    return this.bins.map(([from, to]) => {
      const middle = (from + to) / 2;
      const value = to - from === 1 ? from : middle; // whole numbers begin their bin
      return (low !== null && value < low) || (high !== null && value > high) ? dropped : kept;
    });
  }

  draw(canvas) {
    const label = (value) => Number(value.toFixed(3)).toString();
    return new Chart(canvas, {
      type: "bar",
      data: {
        labels: this.bins.map(([from]) => label(from)),
        datasets: [{ data: this.bins.map(([, , images]) => images), categoryPercentage: 1, barPercentage: 0.92 }],
      },
      options: {
        maintainAspectRatio: false,
        scales: {
          x: { ...axis(), grid: { display: false }, ticks: { color: colour("ink-soft"), maxRotation: 0, autoSkipPadding: 28 } },
          y: { ...axis(), beginAtZero: true, ticks: { color: colour("ink-soft"), precision: 0, maxTicksLimit: 4 } },
        },
        plugins: {
          legend: { display: false },
          tooltip: { callbacks: { title: ([{ dataIndex }]) => this.bins[dataIndex].slice(0, 2).map(label).join(" to "), label: ({ raw }) => `${raw} images` } },
        },
      },
    });
  }
}

function ask() {
  clearTimeout(timer);
  timer = setTimeout(count, PAUSE);
}

async function count() {
  asked?.abort();
  asked = new AbortController();
  const query = new URLSearchParams(new FormData(form));
  const options = { redirect: "manual", cache: "no-store", signal: asked.signal };
  const response = await fetch(`${form.dataset.counts}?${query}`, options).catch(() => null);
  if (!response) return;
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    status.textContent = "The counts could not be fetched. Use the button.";
    return;
  }
  const answer = await response.json();
  status.textContent = answer.error ?? `Together they would drop ${answer.together}.`;
  if (answer.error) return;
  for (const said of form.querySelectorAll("[data-said]")) {
    said.textContent = answer.alone[said.dataset.said] ?? answer.together;
  }
  for (const link of form.querySelectorAll("[data-which]")) {
    link.href = `${form.dataset.drops}?${answer.query}&which=${link.dataset.which}`;
  }
}

const cards = [...form.querySelectorAll("[data-measure]")].map((card) => new Limits(card));
form.addEventListener("input", (event) => event.target.type === "number" && ask());
form.querySelector("[data-try]").hidden = cards.length > 0;
