// A slider over the values of a curve: what is shown at once is what the curve's table says; the rest of the answer is
// asked for when the slider rests.
"use strict";

(() => {
  const form = () => document.querySelector("form.dial");
  const slider = () => document.querySelector("form.dial .slider");
  const rows = () => [...document.querySelectorAll("#curve tbody tr")];
  const cell = (row, name) => {
    const heads = [...row.closest("table").tHead.rows[0].cells];
    return row.cells[heads.findIndex((head) => head.dataset.name === name)];
  };
  const written = (row) => {
    const { value } = cell(row, "value").dataset;
    return value === "" ? "null" : String(Number(value));
  };
  const isCurve = (chart) => Boolean(chart.canvas.closest("figure")?.querySelector("#curve"));

  function tell(index) {
    const row = rows()[index];
    for (const figure of document.querySelectorAll("#answer [data-figure]")) {
      const from = cell(row, figure.dataset.figure);
      if (from) figure.textContent = from.textContent.trim();
    }
    slider().setAttribute("aria-valuetext", cell(row, "value").textContent.trim());
    document.querySelector("#answer .replayed")?.classList.add("stale");
    document.querySelector("#curve").closest("figure").drawn?.draw();
  }

  function turn(index) {
    slider().value = index;
    form().elements.value.value = written(rows()[index]);
    tell(index);
    form().dispatchEvent(new Event("rest"));
  }

  function typed(text) {
    const wanted = text.trim();
    const exact = rows().findIndex((row) => written(row) === wanted || (wanted !== "" && Number(wanted) === Number(written(row))));
    if (exact >= 0) { slider().value = exact; tell(exact); }
    form().dispatchEvent(new Event("rest"));
  }

  function line(chart, index, colour, dash) {
    const { ctx, chartArea, scales } = chart;
    const x = scales.x.getPixelForValue(index);
    ctx.save();
    ctx.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue(colour);
    ctx.lineWidth = 2;
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(x, chartArea.top);
    ctx.lineTo(x, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  }

  Chart.register({
    id: "whatif",
    afterLayout(chart) {
      if (!isCurve(chart) || !slider()) return;
      slider().style.marginLeft = `${chart.chartArea.left - 8}px`;  // half of its handle
      slider().style.width = `${chart.chartArea.width + 16}px`;
    },
    afterDatasetsDraw(chart) {
      if (!isCurve(chart) || !slider()) return;
      const now = rows().findIndex((row) => cell(row, "now").textContent.trim());
      if (now >= 0) line(chart, now, "--faint", [4, 4]);
      line(chart, Number(slider().value), "--accent", []);
    },
  });

  document.addEventListener("DOMContentLoaded", () => {
    if (!slider()) return;
    slider().hidden = false;
    slider().addEventListener("input", () => turn(Number(slider().value)));
    form().elements.value.addEventListener("change", (event) => typed(event.target.value));
    document.querySelector("#curve tbody").addEventListener("click", (event) => {
      const row = event.target.closest("a")?.closest("tr");
      if (!row) return;
      event.preventDefault();
      turn(rows().indexOf(row));
    });
  });
})();
