  // --- the chosen trial, and another one beside it

  let chosen = null, beside = null;

  function choose(trial, { other = beside?.trial ?? null, remember = true } = {}) {
    const row = trials.get(trial);
    if (!row) return;
    chosen = row;
    beside = other === trial ? null : trials.get(other) ?? null;
    mark();
    if (remember) history.replaceState(null, "", beside ? `#trial-${trial}-beside-${beside.trial}` : `#trial-${trial}`);
    byId("chosen-title").textContent = heading(row) + (beside ? ` – beside trial ${beside.trial}` : "");
    const pair = beside ? [row, beside] : [row];
    const drawn = drawings(pair);
    byId("diagram").replaceChildren(tools(row), element("div", { class: "pair" }, comparison(pair), rulesTable(pair)), ...drawn);
    for (const picture of document.querySelectorAll("svg.field")) labelled.observe(picture);
    refresh(OF_CHOSEN);
  }

  let pointed = []; // the lines of the two

  function mark() {
    for (const line of pointed) {
      line.classList.remove("chosen", "beside");
      line.querySelector("button").setAttribute("aria-pressed", "false");
    }
    pointed = [chosen, beside].filter(Boolean).map((row) => lineOf.get(row.trial));
    pointed[0].classList.add("chosen");
    pointed[0].querySelector("button").setAttribute("aria-pressed", "true");
    pointed[1]?.classList.add("beside");
  }

  const heading = (row) => `Trial ${row.trial}: ${row.state}, ${data.accuracy.replace(/^(validation) accuracy$/, "$1")} ${percent(accuracy(row))}`;

  function tools(row) {
    const made = element("div", { class: "tools" });
    if (row.text) made.append(button("Copy architecture", () => copy(row.text)));
    if (beside) {
      made.append(button(`Leave trial ${beside.trial} out`, () => { choose(row.trial, { other: null }); focusTools(); }));
      made.append(button("Swap", () => { choose(beside.trial, { other: row.trial }); focusTools(); }));
    } else {
      made.append(button("Compare", () => { choose(row.trial, { other: nearest(row) }); focusTools(); }, { title: "side by side with the next trial of the table" }));
    }
    const box = element("input", { type: "number", min: 0, value: beside?.trial ?? "", "aria-label": "number of the trial beside it", placeholder: "trial" });
    box.addEventListener("change", () => {
      if (box.value === "" || trials.has(Number(box.value))) choose(row.trial, { other: box.value === "" ? null : Number(box.value) });
      else announce(`There is no trial ${box.value} on this page.`);
    });
    made.append(element("label", {}, "with trial ", box));
    return made;
  }

  const focusTools = () => document.querySelector("#diagram .tools button")?.focus();

  // The trial of the row below in the table, or above the last one.
  function nearest(row) {
    const own = lineOf.get(row.trial);
    const kept = new Set(found), rows = lines.filter((line) => line === own || kept.has(line));
    const at = rows.indexOf(own);
    const other = rows[at + 1] ?? rows[at - 1];
    return other ? Number(other.dataset.trial) : null;
  }

  function plainTable(caption, columns, rows, kind = "") {
    const head = element("thead", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col" }, text))));
    const body = element("tbody", {}, ...rows.map(([name, ...cells]) => {
      const row = element("tr", {}, element("th", { scope: "row" }, name));
      for (const cell of cells) row.append(cell instanceof Node ? cell : element("td", {}, cell));
      return row;
    }));
    return element("table", { class: `plain ${kind}` }, element("caption", {}, caption), head, body);
  }

  // The metrics of two trials and what the second has more; nothing of one alone.
  function comparison(pair) {
    if (pair.length < 2) return "";
    const rows = data.names.filter((name) => pair.some((row) => value(row, name) !== null)).map((name) => {
      const [a, b] = pair.map((row) => value(row, name));
      const gap = a === null || b === null ? "" : difference(name, b - a);
      return [title(name), shown(name, a), shown(name, b), gap];
    });
    return plainTable("Metrics", ["", ...pair.map((row) => `trial ${row.trial}`), "difference"], rows, "figures-table");
  }

  function difference(name, gap) {
    if (gap === 0) return "0";
    const sign = gap > 0 ? "+" : "−";
    return sign + (isShare(name) ? `${(100 * Math.abs(gap)).toFixed(2)} points` : number(Math.abs(gap)));
  }

  // How far each rule's value is from its limit.
  function rulesTable(pair) {
    if (!data.rules.length) return "";
    const rows = data.rules.map((rule, i) => [
      element("code", {}, rule.text),
      ...pair.map((row) => {
        const [known, holds] = row.rules[i];
        const mark = holds === null ? "unknown" : holds ? "ok" : "broken";
        return element("td", { class: `verdict ${mark}` }, element("b", {}, mark), ` ${holds === null ? "its value is not known" : distance(known, rule.limit)}`);
      }),
    ]);
    return plainTable("Rules", ["rule", ...pair.map((row) => `trial ${row.trial}`)], rows, "rules");
  }

  function distance(known, limit) {
    const gap = known - limit;
    return gap === 0 ? `${number(known)}, at the limit` : `${number(known)}: ${number(Math.abs(gap))} ${gap > 0 ? "above" : "below"} ${number(limit)}`;
  }

  function drawings(pair) {
    const made = pair.map((row) => element("div", { class: "drawing" },
      ...(beside ? [element("h3", {}, heading(row))] : []), ...texts(row), ...diagram(row)));
    return beside ? [element("div", { class: "pair" }, ...made)] : made;
  }

  // Its text, the rules that it breaks and why it ended, as the table has them.
  function texts(row) {
    const cell = lineOf.get(row.trial).lastElementChild;
    row.text = cell.querySelector("code").textContent;
    return [...cell.children].map((part) => element("p", {}, part.cloneNode(true)));
  }
