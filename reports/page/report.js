"use strict";
(function () {
  const GAP = 20; // pixels between panels
  const MARGIN = 96; // pixels for the value axis
  const NARROWEST = 300; // pixels of one panel

  /** Fits the panels of a faceted chart into the width of its box. */
  function fitted(spec, width) {
    const room = width - MARGIN;
    const columns = Math.max(1, Math.min(spec.columns, Math.floor(room / NARROWEST)));
    const panel = Math.floor((room - GAP * (columns - 1)) / columns);
    return { ...spec, columns, spec: { ...spec.spec, width: Math.max(180, Math.min(panel, 680)) } };
  }

  function embed(canvas, spec, options) {
    window.vegaEmbed(canvas, spec, options).catch((error) => {
      canvas.textContent = `This chart could not be drawn: ${error.message}`;
    });
  }

  function draw(figure) {
    const canvas = figure.querySelector(".canvas");
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const options = { actions: false, ast: true, renderer: "svg" };
    let width = 0;
    new ResizeObserver(() => {
      if (Math.abs(canvas.clientWidth - width) < 8) return;
      width = canvas.clientWidth;
      requestAnimationFrame(() => embed(canvas, fitted(spec, width), options));
    }).observe(canvas);
  }

  /** Numbers by value, texts by letters, empty cells always last. */
  function compare(a, b, numeric, direction) {
    if (a === "" || b === "") return (a === "") - (b === "");
    return direction * (numeric ? Number(a) - Number(b) : a.localeCompare(b));
  }

  function sortBy(table, heading, index) {
    const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    const numeric = heading.classList.contains("number");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) =>
      compare(a.cells[index].dataset.key, b.cells[index].dataset.key, numeric, direction),
    );
    table.tBodies[0].append(...rows);
  }

  document.querySelectorAll("figure.chart").forEach(draw);
  document.querySelectorAll("table.sortable").forEach((table) => {
    table.querySelectorAll("thead th").forEach((heading, index) => {
      heading.querySelector("button").addEventListener("click", () => sortBy(table, heading, index));
    });
  });
})();
