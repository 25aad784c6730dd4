"use strict";

// A click on a column's name sorts the table: numbers first from the largest, text from A, a second click the other way.
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const header = button.closest("th");
    const column = header.cellIndex;
    const body = header.closest("table").tBodies[0];
    const value = (row) => row.cells[column].dataset.value;
    const isNumber = value(body.rows[0]) !== undefined;
    const before = header.ariaSort;
    const ascending = before ? before === "descending" : !isNumber;
    const sign = ascending ? 1 : -1;
    const rows = [...body.rows].sort(
      (a, b) =>
        sign *
        (isNumber ? value(a) - value(b) : a.cells[column].textContent.localeCompare(b.cells[column].textContent)),
    );
    body.append(...rows);
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  });
}

// The cell under the pointer in words.
const { labels, rows } = JSON.parse(document.getElementById("confusion").textContent);
const heat = document.getElementById("heat");
heat.addEventListener("pointermove", (event) => {
  const { left, top, width, height } = heat.getBoundingClientRect();
  const at = (share) => Math.min(labels.length - 1, Math.max(0, Math.floor(share * labels.length)));
  const row = at((event.clientY - top) / height);
  const column = at((event.clientX - left) / width);
  const all = rows[row].reduce((sum, [, n]) => sum + n, 0);
  const count = rows[row].find(([guess]) => guess === column)?.[1] ?? 0;
  const verb = row === column ? "recognised" : `taken for ${labels[column]}`;
  document.getElementById("cell").textContent = `${labels[row]} ${verb}: ${count} of ${all}`;
});
