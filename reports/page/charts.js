/* Charts: drawn in the width of their box, and again when it changes. */
const GAP = 20; // pixels between panels
const AXIS = 96; // pixels for the value axis

/** Fits the panels of a faceted chart into the width of its box. */
function fitted(spec, width) {
  const { narrowest = 300, widest = 680 } = spec.usermeta ?? {}; // pixels of one panel
  const room = width - AXIS;
  const columns = Math.max(1, Math.min(spec.columns, Math.floor((room + GAP) / (narrowest + GAP))));
  const panel = Math.floor((room - GAP * (columns - 1)) / columns);
  const inside = Math.max(120, Math.min(panel, widest));
  return { ...spec, columns, spec: { ...spec.spec, width: inside } };
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

document.querySelectorAll("figure.chart").forEach(draw);
