  // --- the table: order, filter, columns, CSV; a browser lays out the bodies of rows near the window, and finds text in all

  let found = lines;

  function show() {
    const bodies = [];
    for (let i = 0; i < found.length; i += data.slice) {
      const rows = found.slice(i, i + data.slice);
      bodies.push(element("tbody", { style: `--rows: ${rows.length}`, ...(i < data.printed ? {} : { class: "beyond" }) }, ...rows));
    }
    for (const body of [...table.tBodies]) body.remove();
    table.append(...bodies);
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
    filter({ isSorted: true });
  }

  // What a cell holds, as a CSV has it.
  const plain = (cell) => cell.dataset.value ?? (cell.querySelector("code") ?? cell).textContent;

  function filter({ isSorted = false } = {}) {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set([...document.querySelectorAll("#states input:checked")].map((box) => box.value));
    const isFound = (row) => states.has(row.dataset.state) && words.every((word) => textOf(row).includes(word));
    const before = found;
    found = lines.filter(isFound);
    byId("found").textContent = `${number(found.length)} of ${number(lines.length)} trials`;
    if (isSorted || before.length !== found.length || before.some((row, i) => row !== found[i])) show();
  }

  const searchedTexts = new WeakMap(); // of rows, as they are searched
  function textOf(row) {
    if (!searchedTexts.has(row)) searchedTexts.set(row, row.textContent.toLowerCase());
    return searchedTexts.get(row);
  }

  const headings = () => [...table.tHead.rows[0].cells];

  // Which columns are shown, how wide they are, and what heads each cell of a card.
  function layColumns() {
    const off = new Set([...document.querySelectorAll("#columns input:not(:checked)")].map((box) => box.value));
    const on = headings().filter(({ dataset }) => !off.has(dataset.key)).map(({ dataset }) => Number(dataset.rem));
    const tracks = on.map((rem, i) => (i === on.length - 1 && !off.has("architecture") ? `minmax(${rem}rem, 1fr)` : `${rem}rem`));
    table.style.setProperty("--columns", tracks.join(" "));
    table.style.setProperty("--least", `${on.reduce((sum, rem) => sum + rem, 0)}rem`);
    byId("hidden").textContent = headings().map(({ dataset, textContent }, i) => (off.has(dataset.key)
      ? `#trials :is(th, td):nth-child(${i + 1}) { display: none !important; }`
      : `#trials td:nth-child(${i + 1}) { --label: ${JSON.stringify(textContent.trim()).replaceAll("<", "\\3c ")}; }`)).join("\n");
  }

  // A metric that the table has no column of yet, before the architecture.
  function addColumn(name) {
    const last = headings().at(-1);
    const texts = lines.map((line) => shown(name, value(trials.get(Number(line.dataset.trial)), name)));
    const letters = Math.max(name.length + 2, ...texts.map((text) => text.length));
    const heading = element("th", { scope: "col", "data-key": name, "data-rem": (0.62 * letters + 1).toFixed(2) }, element("button", { type: "button" }, name.replaceAll("_", " ")));
    heading.firstElementChild.addEventListener("click", () => sortBy(heading));
    last.before(heading);
    lines.forEach((line, i) => {
      const known = value(trials.get(Number(line.dataset.trial)), name);
      line.lastElementChild.before(element("td", { "data-value": known ?? "" }, texts[i]));
      searchedTexts.delete(line);
    });
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
        layColumns();
      });
      byId("columns").append(element("label", {}, box, text));
    }
  }

  function asCsv() {
    const wanted = headings().map((heading) => getComputedStyle(heading).display !== "none");
    const kept = [headings().map(({ dataset }) => dataset.key), ...found.map((row) => [...row.cells].map(plain))];
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    return kept.map((cells) => `${cells.filter((_, i) => wanted[i]).map(quoted).join(",")}\n`).join("");
  }

  function startTable() {
    for (const heading of headings()) heading.firstElementChild.addEventListener("click", () => sortBy(heading));
    table.addEventListener("click", (event) => {
      const row = event.target.closest("tbody tr");
      if (row && !getSelection().toString()) choose(Number(row.dataset.trial));
    });
    byId("search").addEventListener("input", filter);
    byId("states").addEventListener("change", filter);
    byId("tools").append(
      button("Save as CSV", () => save(`${data.study.replaceAll(/[^\w.-]+/g, "_")}.csv`, asCsv())),
      button("Copy as CSV", () => copy(asCsv())),
    );
    chooseColumns();
    layColumns();
    filter();
  }
