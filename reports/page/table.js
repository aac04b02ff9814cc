/* Tables that are sorted by a click on a heading. */

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

document.querySelectorAll("table.sortable").forEach((table) => {
  table.querySelectorAll("thead th").forEach((heading, index) => {
    heading.querySelector("button").addEventListener("click", () => sortBy(table, heading, index));
  });
});
