  // --- the table: order, filter, columns, CSV

  function sortBy(heading) {
    const index = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => [plain(row.cells[index]), row]);
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // what is not known comes last either way
      const order = Number.isNaN(Number(a)) ? a.localeCompare(b) : Number(a) - Number(b);
      return down * order;
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  // What a cell holds, as a CSV has it.
  const plain = (cell) => cell.dataset.value ?? (cell.querySelector("code") ?? cell).textContent;

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set([...document.querySelectorAll("#states input:checked")].map((box) => box.value));
    let count = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !states.has(row.dataset.state) || !words.every((word) => text.includes(word));
      count += !row.hidden;
    }
    byId("found").textContent = `${number(count)} of ${number(table.tBodies[0].rows.length)} trials`;
  }

  const headings = () => [...table.tHead.rows[0].cells];

  function hideColumns() {
    const off = new Set([...document.querySelectorAll("#columns input:not(:checked)")].map((box) => box.value));
    const rules = headings().map(({ dataset }, i) => (off.has(dataset.key) ? `#trials :is(th, td):nth-child(${i + 1})` : "")).filter(Boolean);
    byId("hidden").textContent = rules.length ? `${rules.join(", ")} { display: none !important; }` : "";
  }

  // A metric that the table has no column of yet, before the architecture.
  function addColumn(name) {
    const last = headings().at(-1);
    const heading = element("th", { scope: "col", "data-key": name }, element("button", { type: "button" }, name.replaceAll("_", " ")));
    heading.firstElementChild.addEventListener("click", () => sortBy(heading));
    last.before(heading);
    for (const line of table.tBodies[0].rows) {
      const known = value(trials.get(Number(line.dataset.trial)), name);
      line.lastElementChild.before(element("td", { "data-value": known ?? "", "data-label": name }, shown(name, known)));
    }
  }

  function chooseColumns() {
    const known = headings().map(({ dataset, textContent }) => [dataset.key, textContent.trim()]);
    const present = new Set(known.map(([key]) => key));
    const more = data.names.filter((name) => !present.has(name) && !name.startsWith("test_"));
    for (const [key, text, isOn] of [...known.map((one) => [...one, true]), ...more.map((name) => [name, name.replaceAll("_", " "), false])]) {
      if (key === "trial") continue; // which chooses
      const box = element("input", { type: "checkbox", value: key, ...(isOn ? { checked: "" } : {}) });
      box.addEventListener("change", () => {
        if (box.checked && !headings().some(({ dataset }) => dataset.key === key)) addColumn(key);
        hideColumns();
      });
      byId("columns").append(element("label", {}, box, text));
    }
  }

  // Each cell of a card is headed by its column.
  function labelCells() {
    const labels = headings().map((heading) => heading.textContent.trim());
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, i) => cell.setAttribute("data-label", labels[i]));
  }

  function asCsv() {
    const wanted = headings().map((heading) => getComputedStyle(heading).display !== "none");
    const lines = [headings().map(({ dataset }) => dataset.key)];
    for (const row of table.tBodies[0].rows) if (!row.hidden) lines.push([...row.cells].map(plain));
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    return lines.map((cells) => `${cells.filter((_, i) => wanted[i]).map(quoted).join(",")}\n`).join("");
  }

  function startTable() {
    for (const heading of headings()) heading.firstElementChild.addEventListener("click", () => sortBy(heading));
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row && !getSelection().toString()) choose(Number(row.dataset.trial));
    });
    byId("search").addEventListener("input", filter);
    byId("states").addEventListener("change", filter);
    byId("tools").append(
      button("Save as CSV", () => save(`${data.study.replaceAll(/[^\w.-]+/g, "_")}.csv`, asCsv())),
      button("Copy as CSV", () => copy(asCsv())),
    );
    labelCells();
    chooseColumns();
    filter();
  }
