/* The chart to ask: its controls, its address, and the cell that is pinned below it. */
const ADDRESS = "#explore?";

/** The pictures of the gallery by the key of their cell, each with its prompt. */
function picturesByCell() {
  const tiles = [...document.querySelectorAll("#samples .tile[data-cell]")].map((tile) => ({
    key: tile.dataset.cell,
    picture: tile.querySelector("img"),
    prompt: tile.closest("figure").querySelector("figcaption bdi").textContent,
  }));
  return Map.groupBy(tiles, ({ key }) => key);
}

/** Facts and samples of a pinned cell. */
function factsOf(data, cell, pictures) {
  const { cells, costs, metrics } = data;
  const fact = (title, ...texts) =>
    element("div", [
      element("dt", [title]),
      ...texts.map((text) => element("dd", [`${text ?? "\u2013"}`])),
    ]);
  const scores = Object.values(metrics).filter((metric) => metric.value[cell] !== null);
  const samples = (pictures.get(cells.key[cell]) ?? []).map(({ picture, prompt }) =>
    element("figure", [picture.cloneNode(), element("figcaption", [prompt])]),
  );
  const facts = [
    ...scores.map((metric) => {
      const interval = `95\u00a0% interval: ${metric.interval[cell]}`;
      return fact(metric.label, metric.text[cell], interval, `less the default: ${againstOf(metric, cell)}`);
    }),
    ...Object.values(costs).map(({ name, words }) =>
      fact(words, name === "latency_p50_s" ? cells.latency[cell] : cells[name][cell]),
    ),
    fact("samples", cells.samples[cell]),
  ];
  return { facts, tiles: samples.length ? samples : ["No samples of it are on this page."] };
}

function explore(section) {
  const data = JSON.parse(section.querySelector("script").textContent);
  for (const list of ["costs", "metrics"]) {
    data[list] = Object.fromEntries(data[list].map((one) => [one.name, one]));
  }
  const { cells, costs, metrics, schedulers } = data;
  const [figure, form] = [section.querySelector("figure"), section.querySelector("form")];
  const [canvas, controls] = [figure.querySelector(".canvas"), form.elements];
  const pictures = picturesByCell(); // before the gallery lays them out anew
  const part = (name) => section.querySelector(`.${name}`);
  controls.pin.append(...cells.id.map((id, cell) => new Option(cells.name[cell], id)));
  // An empty axis is that of the metric.
  const usual = { ...Object.fromEntries(new FormData(form)), axis: "", bands: true };
  const drawing = { legend: null, shown: [], view: null };
  let view; // what is chosen
  let rows = []; // what is drawn of it

  /** The view of an address; what is missing or unknown there is as usual. */
  function read(address) {
    const words = new URLSearchParams(address.startsWith(ADDRESS) ? address.slice(ADDRESS.length) : "");
    const names = distinct(words.getAll("s")).filter((name) => schedulers.includes(name));
    if (names.length) chosen = names;
    const known = ([name, value]) => {
      const list = [...(controls[name].options ?? [])].map((option) => option.value);
      return [name, list.includes(words.get(name)) ? words.get(name) : value];
    };
    return { ...Object.fromEntries(Object.entries(usual).map(known)), bands: words.get("bands") !== "0" };
  }

  function write() {
    const changed = Object.entries(view).filter(([name, value]) => value !== usual[name]);
    const words = new URLSearchParams(changed.map(([name, value]) => [name, value || "0"]));
    (chosen ?? []).forEach((name) => words.append("s", name));
    history.replaceState(null, "", `${ADDRESS}${words}`);
  }

  /** Draws the view, with its words and its controls. */
  async function show() {
    const metric = metrics[view.y];
    const axis = view.axis in metric.axes ? view.axis : metric.axis;
    const all = rowsOf(data, view);
    rows = axis === "near" ? nearPlateau(all, metric) : all;
    for (const name of ["x", "y", "panels", "pin"]) controls[name].value = view[name];
    for (const option of controls.axis.options) option.disabled = !(option.value in metric.axes);
    controls.axis.value = axis;
    controls.bands.checked = view.bands;
    figure.querySelector("h3").textContent = `${metric.label} against ${costs[view.x].words}`;
    part("subtitle").textContent = metric.subtitle;
    part("cut").textContent = metric.note;
    const beyond = `${all.length - rows.length} of ${all.length} cells lie beyond this axis`;
    const isPaired = axis === "near" && metric.near !== null;
    [part("own").hidden, part("paired").hidden] = [isPaired, !isPaired];
    part("beyond").textContent =
      axis === "near" ? `${beyond}, and intervals are cut where it ends. ` : "";
    drawing.shown = metric.first;
    tell();
    if (!rows.length) return canvas.replaceChildren("No cell has both numbers.");
    const drawn = await embed(figure, specOf(data, { ...view, axis }, rows));
    drawn?.addEventListener("click", (event, item) => {
      const id = cells.id[item?.datum?.cell];
      if (id !== undefined) choose({ pin: id === view.pin ? "" : id });
    });
    mark();
  }

  /** The sentence of what is shown in full. */
  function tell() {
    part("gains").textContent = sentenceOf(data, view, rows, chosen ?? drawing.shown);
  }

  /** An edge around the marker of the pinned cell. */
  function mark() {
    const fields = [{ type: "E", field: "cell" }];
    const pinned = view.pin ? [{ fields, values: [cells.id.indexOf(view.pin)] }] : [];
    drawing.view?.data("pin_store", pinned).runAsync();
  }

  function pin() {
    part("pinned").hidden = !view.pin;
    controls.pin.value = view.pin;
    if (!view.pin) return;
    const cell = cells.id.indexOf(view.pin);
    const { facts, tiles } = factsOf(data, cell, pictures);
    part("pinned").querySelector("h3").textContent = cells.name[cell];
    part("facts").replaceChildren(...facts);
    part("tiles").replaceChildren(...tiles);
    part("repeat").querySelector("pre").textContent = cells.repeat[cell];
  }

  function choose(change) {
    view = { ...view, ...change };
    write();
    if (!("pin" in change)) return inTurn(show);
    pin();
    mark();
  }

  function restore() {
    view = read(location.hash);
    pin();
    if (location.hash.startsWith(ADDRESS)) (view.pin ? part("pinned") : section).scrollIntoView();
    drawings.forEach(emphasise);
  }

  drawing.legend = legendOf(figure, { datasets: { "": schedulers.map((scheduler) => ({ scheduler })) } });
  drawings.set(figure, drawing);
  form.addEventListener("change", ({ target }) => {
    choose({ [target.name]: target.type === "checkbox" ? target.checked : target.value });
  });
  document.addEventListener("chosen", () => (write(), tell()));
  addEventListener("hashchange", () => (restore(), inTurn(show)));
  restore();
  atEachWidth(canvas, show);
}

document.querySelectorAll("#explore").forEach(explore);
