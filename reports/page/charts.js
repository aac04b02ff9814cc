/* Charts: drawn in the width of their box, and again when it changes; the legend beside them. */
const GAP = 20; // pixels between panels
const AXIS = 96; // pixels for the value axis
const LETTER = 7.5; // pixels of a panel's heading
const NARROW = 640; // pixels of a box that has no room for names beside the curves

/** A new element: its name, what is in it, its properties. */
function element(name, content, properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
}

/** Fits the panels of a faceted chart into the width of its box. */
function fitted(spec, width) {
  const { narrowest = 300, widest = 680, beside = 0 } = spec.usermeta ?? {}; // pixels of one panel
  const free = width < NARROW ? 0 : beside;
  const room = width - AXIS;
  const fit = Math.floor((room + GAP) / (narrowest + GAP + free));
  const columns = Math.max(1, Math.min(spec.columns, fit));
  const panel = Math.floor((room + GAP) / columns) - GAP - free;
  const inside = Math.max(120, Math.min(panel, widest));
  const layer = spec.spec.layer.filter(({ name }) => free || name !== "ends");
  return {
    ...spec,
    columns,
    spacing: { column: GAP + free, row: GAP },
    facet: { ...spec.facet, ...heading(spec.facet, inside) },
    spec: { ...spec.spec, layer, width: inside },
  };
}

/** Headings of panels that are too long for a line are broken at their commas. */
function heading(facet, width) {
  const longest = Math.max(0, ...(facet.sort ?? []).map((name) => name.length));
  return longest * LETTER < width ? {} : { header: { labelExpr: "split(datum.label, ', ')" } };
}

const drawings = new Map(); // from figure to {view, legend, shown}
let chosen = null; // schedulers that all figures show in full, once a reader chose

/** Shows some schedulers of a chart in full and the others pale; all of them in full for none. */
function emphasise({ view, legend, shown }) {
  const names = chosen ?? shown;
  legend.classList.toggle("chosen", names.length > 0);
  legend.querySelectorAll("button").forEach((button) => {
    button.setAttribute("aria-pressed", names.includes(button.dataset.name));
  });
  const fields = [{ type: "E", field: "scheduler" }];
  view?.data("pick_store", names.map((name) => ({ fields, values: [name] }))).runAsync();
}

/** The legend of a figure, of the schedulers that it has. */
function legendOf(figure, spec) {
  const legend = document.querySelector("#legend").content.firstElementChild.cloneNode(true);
  const present = new Set(Object.values(spec.datasets)[0].map(({ scheduler }) => scheduler));
  legend.querySelectorAll("button").forEach((button) => {
    if (!present.has(button.dataset.name)) button.remove();
  });
  legend.addEventListener("click", ({ target }) => {
    const name = target.closest("button")?.dataset.name;
    if (name === undefined) return;
    const names = chosen ?? drawings.get(figure).shown;
    chosen = names.includes(name) ? names.filter((other) => other !== name) : [...names, name];
    drawings.forEach(emphasise);
    document.dispatchEvent(new Event("chosen"));
  });
  figure.querySelector(".canvas").before(legend);
  return legend;
}

/** Draws a figure; gives its view, and none where that fails, as the page then says. */
async function embed(figure, spec) {
  const canvas = figure.querySelector(".canvas");
  const options = { actions: false, ast: true, renderer: "svg" };
  try {
    const width = canvas.clientWidth || figure.closest("section").clientWidth;
    const { view } = await window.vegaEmbed(canvas, fitted(spec, width), options);
    const drawing = drawings.get(figure);
    drawing?.view?.finalize();
    if (drawing) emphasise(Object.assign(drawing, { view }));
    return view;
  } catch (error) {
    canvas.textContent = `This chart could not be drawn: ${error.message}`;
  }
}

/** Rows of what a page holds as columns, by field. */
function rowsOfColumns(columns) {
  const fields = Object.entries(columns);
  return fields[0][1].map((_, i) => Object.fromEntries(fields.map(([name, values]) => [name, values[i]])));
}

function draw(figure) {
  const canvas = figure.querySelector(".canvas");
  const spec = JSON.parse(figure.querySelector("script").textContent);
  for (const [name, columns] of Object.entries(spec.datasets)) {
    spec.datasets[name] = rowsOfColumns(columns);
  }
  const shown = spec.usermeta?.shown;
  if (shown) drawings.set(figure, { legend: legendOf(figure, spec), shown });
  atEachWidth(canvas, () => embed(figure, spec));
}

let turns = Promise.resolve();

/** One drawing after the other: in between the page answers. */
function inTurn(redraw) {
  turns = turns.then(() => new Promise((go) => setTimeout(go))).then(redraw);
}

/** Draws in the width of a box, and again when that changes; what is folded too, as it is printed. */
function atEachWidth(canvas, redraw) {
  let width = 0;
  if (canvas.closest("details:not([open])")) inTurn(redraw);
  new ResizeObserver(() => {
    if (Math.abs(canvas.clientWidth - width) < 8) return;
    width = canvas.clientWidth;
    inTurn(redraw);
  }).observe(canvas);
}

document.querySelectorAll("figure.chart:has(> script)").forEach(draw);
