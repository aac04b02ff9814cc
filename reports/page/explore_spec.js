/* The chart to ask: rows of one view, and its specification. Numbers and texts are the data's. */
const FLAT = 0.2; // of a value axis that all panels share, which each must fill at least

const distinct = (values) => [...new Set(values)];
const groups = (rows, field) => [...Map.groupBy(rows, (row) => row[field]).values()];
const extent = (values) => [Math.min(...values), Math.max(...values)];
const endsOf = (rows) =>
  extent(rows.flatMap(({ value, low, high }) => [value, low, high]).filter((v) => v !== null));

/** What a cell is beside the default, with the default's name. */
function againstOf({ against, defaults, default: place }, cell) {
  const name = defaults[place[cell]];
  return name === undefined ? against[cell] : `${against[cell]} (${name})`;
}

/** What one view shows: a row for each cell that has both numbers. */
function rowsOf({ cells, metrics, costs, schedulers }, { x, y, panels }) {
  const metric = metrics[y];
  const held = x === "strength" ? cells.across : cells.panel;
  const panel = { all: held, none: [] }[panels] ?? cells[`by_${panels}`];
  const flat = new Set(metric.flat);
  const ends = costs[x].ends.map(Math.log);
  return cells.id.flatMap((_, cell) => {
    if (cells[x][cell] === null || metric.value[cell] === null) return [];
    const of = (columns, names) => names.map((name) => [name, columns[name][cell]]);
    const scheduler = schedulers[cells.scheduler[cell]];
    const share = (Math.log(cells[x][cell]) - ends[0]) / (ends[1] - ends[0] || 1);
    const row = {
      cell,
      scheduler,
      place: cells.scheduler[cell],
      panel: panel[cell] ?? "",
      line: `${cells.scheduler[cell]} ${held[cell]}`,
      order: cells[x === "strength" ? x : "steps"][cell],
      x: cells[x][cell],
      against: againstOf(metric, cell),
      flat: flat.has(cell),
      recommended: cell in metric.recommended,
      default: metric.recommended[cell] ?? "",
      align: share < 0.3 ? "left" : share > 0.7 ? "right" : "center",
      ...Object.fromEntries(of(metric, ["value", "low", "high", "text", "interval"])),
      ...Object.fromEntries(of(cells, ["name", "samples", "latency"])),
    };
    return [row];
  });
}

/** Rows near the best one of their panel, with intervals to the default if there is one, cut. */
function nearPlateau(rows, metric) {
  const { sign, reach: amount, reach_is_share: isShare } = metric;
  const { low, high } = metric.near ?? metric;
  return groups(rows, "panel").flatMap((panel) => {
    const best = Math.max(...panel.map(({ value }) => sign * value));
    const reach = isShare ? amount * Math.abs(best) : amount;
    const near = panel.filter(({ value }) => best - sign * value <= reach);
    const [least, most] = extent(near.map(({ value }) => value));
    const cut = (end) =>
      end === null ? null : Math.min(Math.max(end, least - reach / 4), most + reach / 4);
    return near.map((row) => ({ ...row, low: cut(low[row.cell]), high: cut(high[row.cell]) }));
  });
}

/** Names of curves that end at the right of their panel where no other curve ends. */
function nameEnds(panel, [low, high], at, room) {
  const right = room.right * Math.max(...panel.map(({ x }) => x));
  const last = groups(panel, "line").map((line) => line.reduce((a, b) => (b.order < a.order ? a : b)));
  const y = last.map(({ value }) => (room.height * (at(value) - at(low))) / (at(high) - at(low) || 1));
  last.forEach((row, i) => {
    const isFree = y.every((other, j) => i === j || Math.abs(other - y[i]) >= room.line);
    const fits = row.scheduler.length <= room.longest && row.x >= right;
    if (isFree && fits) row.end = row.scheduler;
  });
}

/** The specification of a view with its rows, without the layers that would show nothing. */
function specOf({ spec, metrics, costs, end_names: room }, { x, y, axis, bands }, rows) {
  const at = axis === "log" ? Math.log : (value) => value;
  const span = (some) => endsOf(some).map(at).reduce((low, high) => high - low);
  const panels = groups(rows, "panel");
  const ownAxes = panels.some((panel) => panel.length > 1 && span(panel) < FLAT * span(rows));
  panels.forEach((panel) => {
    nameEnds(panel, endsOf(ownAxes ? panel : rows), at, room);
    if (ownAxes) Object.assign(panel[0], { unseen: true, end: panel[0].end ?? "" });
  });
  const banded = x !== "latency_p50_s" && groups(rows, "line").every((line) => line.length > 1);
  const known = bands && rows.some(({ low }) => low !== null); // of none the library warns
  const has = {
    bands: known && banded,
    bars: known && !banded,
    ends: rows.some(({ end }) => end),
    rings: rows.some(({ flat }) => flat),
    default: rows.some(({ recommended }) => recommended),
    zero: metrics[y].sign === 0,
  };
  const scales = { x: costs[x].encoding, y: metrics[y].axes[axis] };
  if (ownAxes) scales.y = { ...scales.y, axis: { ...scales.y.axis, values: undefined } };
  const scaled = ([channel, field]) => [channel, field.field ? { ...field, ...scales[channel] } : field];
  const layer = spec.spec.layer
    .filter(({ name }) => has[name.split("_")[0]] ?? true)
    .map((mark) => ({
      ...mark,
      encoding: Object.fromEntries(Object.entries(mark.encoding).map(scaled)),
    }));
  const names = panels.map(([{ panel }]) => panel);
  return {
    ...spec,
    columns: { 1: 1, 2: 2, 4: 2 }[names.length] ?? 3,
    facet: { ...spec.facet, sort: names, ...(names.join("") ? {} : { header: null }) },
    spec: { ...spec.spec, layer },
    ...(ownAxes ? { resolve: { scale: { y: "independent" } } } : {}),
    datasets: { cells: rows },
    usermeta: { beside: room.letter * Math.max(0, ...rows.map(({ end }) => (end ? end.length + 2 : 0))) },
  };
}

/** The sentence of the one curve that is shown in full, or of the default's; none without one. */
function sentenceOf({ metrics }, { x, y }, rows, names) {
  const full = rows.filter(({ scheduler }) => !names.length || names.includes(scheduler));
  const curves = [full, full.filter(({ recommended }) => recommended)].map((some) => groups(some, "line"));
  const one = x === "strength" ? undefined : curves.find(({ length }) => length === 1);
  return (one && metrics[y].sentences[one[0][0].line]) ?? "";
}
