"""What a library of charts costs on a page: its bytes, its start, one redraw of 1,000 points.

    npm pack uplot @observablehq/plot d3         # in FOLDER, and unpack each beside its archive
    python -m benchmarks.chart_libraries FOLDER

Ten panels of five curves with 20 points each, an interval band, a line and a marker of every point,
in headless Chromium. A redraw is a new chart from new data, to the frame after which it is seen.
"""

import json
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from denoisebench.reports.charts import javascript_bundle

REDRAWS = 15
_DATA = """
const rows = [];
const fill = (shift) => {
  rows.length = 0;
  for (let p = 0; p < 10; p++) for (let c = 0; c < 5; c++) for (let s = 2; s < 22; s++) {
    const value = 2 + (30 + 5 * c + p + shift) / s;
    const [low, high] = [value - 1, value + 1];
    rows.push({ panel: `panel ${p}`, curve: `curve ${c}`, x: s, value, low, high });
  }
};
const frame = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
async function measure(draw, count) {
  const times = [];
  for (let i = 0; i < count; i++) {
    fill(i);
    const start = performance.now();
    await draw(document.querySelector("#chart"));
    await frame();
    times.push(performance.now() - start);
  }
  return times;
}
"""
_DRAW = {
    "Vega-Lite": """async (box) => {
      const y = (field) => ({ field, type: "quantitative" });
      const x = y("x"), color = { field: "curve" }, encoding = { x, y: y("value"), color };
      const band = { x, y: y("low"), y2: { field: "high" }, color };
      await vegaEmbed(box, {
        data: { values: rows }, facet: { field: "panel" }, columns: 3,
        spec: { width: 270, height: 300, layer: [
          { mark: { type: "area", opacity: 0.1 }, encoding: band },
          { mark: "line", encoding },
          { mark: { type: "point", filled: true }, encoding },
        ] },
      }, { actions: false, ast: true, renderer: "svg" });
    }""",
    "Observable Plot": """async (box) => {
      const number = (row) => Number(row.panel.slice(6));
      const fx = (row) => number(row) % 3, fy = (row) => Math.floor(number(row) / 3);
      const of = { x: "x", fx, fy };
      box.replaceChildren(Plot.plot({ width: 1000, height: 1300, marks: [
        Plot.areaY(rows, { ...of, y1: "low", y2: "high", fill: "curve", fillOpacity: 0.1 }),
        Plot.line(rows, { ...of, y: "value", stroke: "curve" }),
        Plot.dot(rows, { ...of, y: "value", fill: "curve" }),
      ] }));
    }""",
    "uPlot": """async (box) => {
      box.replaceChildren();
      for (let p = 0; p < 10; p++) {
        const panel = rows.filter((row) => row.panel === `panel ${p}`);
        const data = [panel.slice(0, 20).map((row) => row.x)], series = [{}], bands = [];
        for (let c = 0; c < 5; c++) {
          const curve = panel.slice(20 * c, 20 * c + 20);
          for (const name of ["value", "low", "high"]) {
            data.push(curve.map((row) => row[name]));
            const show = name === "value";
            series.push({ stroke: "navy", width: show ? 2 : 0, points: { show } });
          }
          bands.push({ series: [3 * c + 3, 3 * c + 2], fill: "#0001" });
        }
        const scales = { x: { time: false } };
        new uPlot({ width: 270, height: 300, scales, series, bands }, data, box);
      }
    }""",
}


def main(folder: Path) -> None:
    """Prints a line of a table for each library."""
    unpacked = {path.parent.parent.name: path for path in folder.glob("*/package/dist")}

    def code(start: str, *files: str) -> tuple[str, str]:
        (name,) = [name for name in unpacked if name.startswith(start)]
        return name, "".join((unpacked[name] / file).read_text() for file in files)

    d3, plot = code("d3-", "d3.min.js"), code("observablehq-plot", "plot.umd.min.js")
    uplot = code("uplot", "uPlot.iife.min.js", "uPlot.min.css")
    scripts = {
        "Vega-Lite": ("as in the page", javascript_bundle()),
        "Observable Plot": (f"{plot[0]} {d3[0]}", d3[1] + plot[1]),
        "uPlot": (uplot[0], uplot[1].partition(".uplot,")[0]),
    }
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, (version, script) in scripts.items():
            start, first, *later = _times(browser, script, _DRAW[name])
            ends = f"{min(later):.0f} to {max(later):.0f}"
            size = f"{len(script) / 1e6:.2f} MB"
            median = f"{statistics.median(later):.0f} ms ({ends})"
            print(f"| {name} | {version} | {size} | {start:.0f} ms | {first:.0f} ms | {median} |")
        browser.close()


def _times(browser: Browser, script: str, draw: str) -> list[float]:
    """Milliseconds that the script took to start, and those of each drawing."""
    page = browser.new_page()
    page.set_content('<div id="chart"></div>')
    source = json.dumps(script)
    start = page.evaluate(
        f"""() => {{
          const element = document.createElement("script");
          element.textContent = {source};
          const start = performance.now();
          document.head.append(element);
          return performance.now() - start;
        }}"""
    )
    page.add_script_tag(content=_DATA)
    times = page.evaluate(f"measure({draw}, {REDRAWS + 1})")
    page.close()
    return [start, *times]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
