/* The gallery: its rows and columns chosen, a tile enlarged, two tiles compared. */
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const BLINK = 700; // milliseconds that either picture is seen

/** A sample's tiles by their places, each with the input image of its panel. */
function sampleOf(figure) {
  const [box, ...others] = figure.querySelectorAll(".scroll");
  const tiles = new Map();
  [box, ...others].forEach((panel) => {
    const input = panel.querySelector(".given img");
    panel.querySelectorAll("[data-place]").forEach((tile) => {
      tiles.set(tile.dataset.place, { tile, input });
    });
  });
  others.forEach((other) => other.remove());
  const rest = element("div", [], { hidden: true }); // tiles out of sight stay in the page
  box.after(rest);
  return { figure, box, rest, tiles };
}

/** Lays a sample's tiles out along two of the axes, each {title, values, chosen}. */
function layOut({ box, rest, tiles }, axes, [down, across]) {
  const place = (r, c) => axes.map(({ chosen }, i) => (i === down ? r : i === across ? c : chosen));
  const at = (r, c) => tiles.get(place(r, c).join(" "));
  const [allRows, allColumns] = [down, across].map((i) => [...axes[i].values.keys()]);
  const rows = allRows.filter((r) => allColumns.some((c) => at(r, c)));
  const columns = allColumns.filter((c) => rows.some((r) => at(r, c)));
  const inputs = rows.flatMap((r) => columns.map((c) => at(r, c)?.input)).filter(Boolean);
  const distinct = new Map(inputs.map((input) => [input.src, input])).values();
  const header = (axis, numbers, scope) =>
    numbers.map((number) => element("th", [axes[axis].values[number]], { scope }));
  const titles = [down, across].map((i) => axes[i].title.toLowerCase());
  const held = axes.filter(({ values }, i) => i !== down && i !== across && values.length > 1);
  const names = held.map(({ title, values, chosen }) => `${title.toLowerCase()} ${values[chosen]}`);
  const heads = header(down, rows, "row");
  rest.append(...[...tiles.values()].map(({ tile }) => tile));
  if (!rows.length) {
    box.replaceChildren(element("p", ["No cell was run with these settings."], { className: "quiet" }));
    return;
  }
  const lines = rows.map((r) => columns.map((c) => element("td", [at(r, c)?.tile ?? ""])));
  const corner = element("td", [`${titles[0]} \u2193\n${titles[1]} \u2192`]);
  const parts = [
    element("caption", [names.join(", ")]),
    element("thead", [element("tr", [corner, ...header(across, columns, "col")])]),
    element("tbody", lines.map((cells, i) => element("tr", [heads[i], ...cells]))),
  ];
  const given = [...distinct].map((input) => element("div", [input, "input"], { className: "given" }));
  box.replaceChildren(...given, element("table", parts, { className: "grid" }));
}

/** Rows, columns, what is held fixed, and the order of the samples. */
function equipChoices(section, samples) {
  const choices = section.querySelector(".choices");
  const [rows, columns, ...held] = choices.querySelectorAll("select:not([name=order])");
  const order = choices.querySelector("[name=order]");
  const parts = [...section.querySelectorAll(".seen, .folded > div")].map((part) => [part, part.children.length]);
  let before = [];
  const update = () => {
    if (rows.value === columns.value) [rows.value, columns.value] = before.toReversed();
    before = [rows.value, columns.value];
    const axes = held.map((select, i) => {
      select.parentElement.hidden = before.includes(String(i));
      const values = [...select.options].map(({ text }) => text);
      return { title: rows.options[i].text, values, chosen: select.selectedIndex };
    });
    samples.forEach((sample) => layOut(sample, axes, before.map(Number)));
    const change = ({ figure }) => (order?.value ? -figure.dataset.change : 0);
    const figures = [...samples].sort((a, b) => change(a) - change(b)).map(({ figure }) => figure);
    parts.forEach(([part, count]) => part.append(...figures.splice(0, count)));
  };
  choices.addEventListener("change", update);
  choices.hidden = false;
  update();
}

/** The next tile with a picture on the way of an arrow key, or the same. */
function neighbour(tile, [down, right]) {
  const cell = tile.closest("td");
  const lines = cell.closest("tbody").rows;
  for (let row = cell.parentElement.sectionRowIndex, column = cell.cellIndex; ; ) {
    const next = lines[(row += down)]?.cells[(column += right)];
    if (!next) return tile;
    if (next.querySelector("button")) return next.querySelector("button");
  }
}

/** A tile enlarged, and left of the wipe another one of its sample. */
function equipDialog(section) {
  const dialog = section.querySelector("dialog");
  const [name, which] = dialog.querySelectorAll("p");
  const [other, wipe, swap, blink, close] = dialog.querySelectorAll("[name]");
  const nameOf = (shown) => shown.querySelector("img").alt;
  let tile, rival, timer;
  const turn = (share) => {
    wipe.value = share;
    dialog.style.setProperty("--wipe", `${share}%`);
    const seen = [...(share > 0 ? [rival] : []), ...(share < 100 ? [tile] : [])];
    name.textContent = seen.map(nameOf).join(" | ");
  };
  const toggle = () => turn(wipe.value < 50 ? 100 : 0);
  const setBlinking = (isOn) => {
    clearInterval(timer);
    timer = isOn && setInterval(toggle, BLINK);
    blink.setAttribute("aria-pressed", isOn);
  };
  const show = () => {
    const chosen = tile.closest("figure").querySelector(`.tile[data-place="${other.value}"]`);
    rival = chosen === tile ? null : chosen;
    const pictures = [tile, rival].map((shown) => shown?.querySelector("img").cloneNode() ?? "");
    dialog.querySelector(".stage").replaceChildren(...pictures);
    [wipe, swap, blink].forEach((control) => (control.disabled = !rival));
    if (!rival) setBlinking(false);
    turn(rival ? Number(wipe.value) : 0);
  };
  const open = (opened) => {
    tile = opened;
    const tiles = [...tile.closest("figure").querySelectorAll(".tile")];
    const usual = tiles.find((one) => one.matches(".default"))?.dataset.place ?? "";
    const chosen = other.options.length ? other.value : usual;
    const options = tiles.map((one) => new Option(nameOf(one), one.dataset.place));
    other.replaceChildren(new Option("nothing", ""), ...options);
    other.value = chosen;
    which.textContent = tile.closest("figure").querySelector("figcaption").textContent;
    show();
    if (!dialog.open) dialog.showModal();
  };
  other.addEventListener("change", show);
  wipe.addEventListener("input", () => turn(Number(wipe.value)));
  swap.addEventListener("click", toggle);
  blink.addEventListener("click", () => setBlinking(!timer));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    setBlinking(false);
    tile.focus();
  });
  section.addEventListener("click", ({ target }) => {
    if (target.closest(".tile")) open(target.closest(".tile"));
  });
  section.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (target.matches("select, input")) return;
    if (key === "b" && dialog.open && rival) toggle();
    const from = dialog.open ? tile : target.closest(".tile");
    if (!from || !ARROWS[key]) return;
    event.preventDefault();
    const next = neighbour(from, ARROWS[key]);
    if (dialog.open) open(next);
    else next.focus();
  });
}

document.querySelectorAll("#samples").forEach((section) => {
  equipChoices(section, [...section.querySelectorAll("figure.samples")].map(sampleOf));
  equipDialog(section);
});
