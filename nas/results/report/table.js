  // --- the table: order, filter, columns, CSV; of the rows that are found only so many are in the page

  let found = lines, count = data.slice;

  function show(most = data.slice) {
    count = Math.min(Math.max(most, data.slice), found.length);
    const first = found.slice(0, count);
    labelCells(first);
    table.tBodies[0].replaceChildren(...first);
    tellRest();
  }

  function more() {
    const next = found.slice(count, count + data.slice);
    labelCells(next);
    table.tBodies[0].append(...next);
    count += next.length;
    tellRest();
  }

  function tellRest() {
    const rest = byId("rest");
    if (!rest) return;
    rest.hidden = count >= found.length;
    rest.textContent = `Show more: ${number(found.length - count)} rows are left`;
  }

  // Rows come as the table is scrolled to its end; the button is for the keyboard, and for where nothing scrolls.
  function watchEnd() {
    byId("rest")?.addEventListener("click", more);
    const end = new IntersectionObserver((changes) => { if (changes.some((change) => change.isIntersecting)) more(); }, { root: table.parentElement, rootMargin: "600px" });
    if (byId("rest")) end.observe(byId("rest"));
  }

  function sortBy(heading) {
    const index = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
    const rows = lines.map((row) => [plain(row.cells[index]), row]);
    const { compare } = new Intl.Collator(); // of which each localeCompare would make one
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // what is not known comes last either way
      const order = Number.isNaN(Number(a)) ? compare(a, b) : Number(a) - Number(b);
      return down * order;
    });
    lines.splice(0, lines.length, ...rows.map(([, row]) => row));
    filter();
  }

  // What a cell holds, as a CSV has it.
  const plain = (cell) => cell.dataset.value ?? (cell.querySelector("code") ?? cell).textContent;

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set([...document.querySelectorAll("#states input:checked")].map((box) => box.value));
    const isFound = (row) => states.has(row.dataset.state) && words.every((word) => textOf(row).includes(word));
    found = lines.filter(isFound);
    byId("found").textContent = `${number(found.length)} of ${number(lines.length)} trials`;
    show();
  }

  const searchedTexts = new WeakMap(); // of rows, as they are searched
  function textOf(row) {
    if (!searchedTexts.has(row)) searchedTexts.set(row, row.textContent.toLowerCase());
    return searchedTexts.get(row);
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
    for (const line of lines) {
      const known = value(trials.get(Number(line.dataset.trial)), name);
      line.lastElementChild.before(element("td", { "data-value": known ?? "", "data-label": name }, shown(name, known)));
      searchedTexts.delete(line);
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
  function labelCells(rows) {
    const labels = headings().map((heading) => heading.textContent.trim());
    for (const row of rows) [...row.cells].forEach((cell, i) => cell.setAttribute("data-label", labels[i]));
  }

  function asCsv() {
    const wanted = headings().map((heading) => getComputedStyle(heading).display !== "none");
    const kept = [headings().map(({ dataset }) => dataset.key), ...found.map((row) => [...row.cells].map(plain))];
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    return kept.map((cells) => `${cells.filter((_, i) => wanted[i]).map(quoted).join(",")}\n`).join("");
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
    chooseColumns();
    filter();
    watchEnd();
  }
