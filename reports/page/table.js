/* The table of all cells: sorted, searched, its columns chosen, copied as it is shown. */

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

/** Whether each word is part of a name of a row, or one of the numbers that name it. */
function matches(row, words, searched) {
  const has = (cell, word) => {
    const text = cell.textContent.toLowerCase();
    return cell.classList.contains("number") ? text === word : text.includes(word);
  };
  return words.every((word) => searched.some((index) => has(row.cells[index], word)));
}

/** What a table shows: titles, which columns are numbers, and rows of texts. */
function shownOf(table) {
  const shown = (row) => [...row.cells].filter((cell) => !cell.hidden);
  const headings = shown(table.tHead.rows[0]);
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  return {
    titles: headings.map((cell) => [...cell.children].map((part) => part.textContent).join(", ")),
    numeric: headings.map((cell) => cell.classList.contains("number")),
    rows: rows.map((row) => shown(row).map((cell) => cell.textContent)),
  };
}

/** A number as programs read it; nothing for a dash. */
function plain(text) {
  return text === "\u2013" ? "" : text.replaceAll(",", "").replaceAll("\u2212", "-");
}

/** Values and their errors in columns of their own. */
function csv({ titles, numeric, rows }) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const twofold = titles.map((_, i) => numeric[i] && rows.some((row) => row[i].includes(" \u00b1 ")));
  const cells = (text, i) => {
    if (!numeric[i]) return [text];
    const [value, error = ""] = text.split(" \u00b1 ");
    return twofold[i] ? [plain(value), plain(error)] : [plain(value)];
  };
  const head = titles.flatMap((title, i) => (twofold[i] ? [title, `${title}, error`] : [title]));
  const lines = [head, ...rows.map((row) => row.flatMap(cells))];
  return lines.map((line) => line.map(quoted).join(",")).join("\n");
}

function markdown({ titles, numeric, rows }, escaped) {
  const line = (cells) => `| ${cells.map(escaped).join(" | ")} |`;
  const rule = numeric.map((isNumber) => (isNumber ? "---:" : "---"));
  return [titles, rule, ...rows].map(line).join("\n");
}

function latex({ titles, numeric, rows }, escaped) {
  const line = (cells) => `${cells.map(escaped).join(" & ")} \\\\\n`;
  const columns = numeric.map((isNumber) => (isNumber ? "r" : "l")).join("");
  const body = `\\toprule\n${line(titles)}\\midrule\n${rows.map(line).join("")}\\bottomrule`;
  return `\\begin{tabular}{${columns}}\n${body}\n\\end{tabular}`;
}

const FORMS = { csv, markdown, latex };

function equip(table, tools) {
  const rows = [...table.tBodies[0].rows];
  const headings = [...table.tHead.rows[0].cells];
  const searched = headings.flatMap((cell, i) => ("searched" in cell.dataset ? [i] : []));
  const search = () => {
    const text = tools.querySelector("[type=search]").value;
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row) => (row.hidden = !matches(row, words, searched)));
    const count = rows.filter((row) => !row.hidden).length;
    tools.querySelector("output").textContent = `${count} of ${rows.length} cells`;
  };
  tools.querySelector("[type=search]").addEventListener("input", search);
  tools.querySelectorAll("[type=checkbox]").forEach((box, index) => {
    const show = () =>
      [table.tHead.rows[0], ...rows].forEach((row) => (row.cells[index].hidden = !box.checked));
    box.addEventListener("change", show);
    if (box.checked === headings[index].hidden) show(); // a reload keeps what was chosen
  });
  tools.querySelectorAll("[data-form]").forEach((button) => {
    const { form, signs } = button.dataset;
    const known = JSON.parse(signs ?? "{}");
    const escaped = (text) => [...text].map((sign) => known[sign] ?? sign).join("");
    button.addEventListener("click", () => copyText(FORMS[form](shownOf(table), escaped), button));
  });
}

document.querySelectorAll("table.sortable").forEach((table) => {
  table.querySelectorAll("thead th").forEach((heading, index) => {
    heading.querySelector("button").addEventListener("click", () => sortBy(table, heading, index));
  });
});
document.querySelectorAll(".tools").forEach((tools) => {
  equip(tools.parentElement.querySelector("table"), tools);
});
