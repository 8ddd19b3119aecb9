// Draws each chart from the table below it, so that what is drawn is what is told; and asks before what cannot be undone.
"use strict";

const SERIES = 6;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function cells(table, name) {
  const index = [...table.tHead.rows[0].cells].findIndex((cell) => cell.dataset.name === name);
  return [...table.tBodies[0].rows].map((row) => row.cells[index]);
}

function value(cell) {
  return cell.dataset.value === "" || cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}

function heading(table, name) {
  return [...table.tHead.rows[0].cells].find((cell) => cell.dataset.name === name).textContent.trim();
}

function draw(figure) {
  const { chart: kind, x, y, unit, step } = figure.dataset;
  const table = figure.querySelector("table");
  const canvas = figure.querySelector("canvas");
  const lies = kind === "bar" || kind === "stacked";
  const isStacked = kind === "stacked";
  const shown = new Map();
  const labels = cells(table, x).map((cell) => cell.textContent.trim());
  const datasets = y.split(" ").map((name, index) => {
    const found = cells(table, name);
    shown.set(index, found.map((cell) => cell.textContent.trim()));
    const tone = colour(`--series-${(index % SERIES) + 1}`);
    return {
      label: heading(table, name), data: found.map(value), backgroundColor: tone, borderColor: tone,
      borderWidth: kind === "line" ? 2 : 0, pointRadius: kind === "line" && labels.length > 40 ? 0 : 3,
      stepped: step === "true" ? "before" : false, maxBarThickness: 26,
    };
  });
  const box = figure.querySelector(".canvas");
  if (lies) box.style.height = `${Math.max(6, 3.5 + labels.length * 1.7 * (isStacked ? 1 : datasets.length))}rem`;
  box.hidden = false;
  figure.querySelector("details").open = false;
  const ink = colour("--faint");
  const grid = { color: colour("--line") };
  const amounts = {
    beginAtZero: true, stacked: isStacked, grid, ticks: { color: ink, maxTicksLimit: 6 },
    title: { display: Boolean(unit), text: unit, color: ink },
  };
  const names = { stacked: isStacked, grid: { display: false }, ticks: { color: ink, autoSkip: !lies } };
  figure.drawn?.destroy();
  figure.drawn = new Chart(canvas, {
    type: kind === "line" ? "line" : "bar",
    data: { labels, datasets },
    options: {
      animation: false, maintainAspectRatio: false, indexAxis: lies ? "y" : "x",
      interaction: { mode: "index", axis: lies ? "y" : "x", intersect: false },
      scales: lies ? { x: amounts, y: names } : { x: names, y: amounts },
      plugins: {
        legend: { display: datasets.length > 1, labels: { color: ink } },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${shown.get(item.datasetIndex)[item.dataIndex]}` } },
      },
      onClick: (_, found) => {
        const link = found.length && cells(table, x)[found[0].index].querySelector("a");
        if (link) link.click();
      },
    },
  });
}

function drawAll(within) {
  if (typeof Chart !== "undefined") within.querySelectorAll("figure[data-chart]").forEach(draw);
}

document.addEventListener("DOMContentLoaded", () => {
  drawAll(document);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
});
document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target));
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
