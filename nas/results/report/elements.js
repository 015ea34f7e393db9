  // --- elements; every text becomes a text node, so that no name is ever read as markup

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function shape(name, attributes = {}, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const trials = new Map(); // number -> what is drawn of it, once it is unpacked
  const table = byId("trials");
  const lines = table ? [...table.tBodies].flatMap((body) => [...body.rows]) : []; // of the table, in its order
  const lineOf = new Map(lines.map((line) => [Number(line.dataset.trial), line]));
  const place = new Map(data.names.map((name, i) => [name, i]));
  const value = (row, name) => row.values[place.get(name)] ?? null;
  const accuracy = (row) => row.values[0];

  const number = (given) => given.toLocaleString("en", { maximumSignificantDigits: Number.isInteger(given) ? 21 : 6 });
  const percent = (share) => (share === null ? "unknown" : `${(100 * share).toFixed(2)}%`);
  const isShare = (name) => name.endsWith("accuracy");
  const shown = (name, given) => (given === null ? "–" : isShare(name) ? percent(given) : number(given));
  const TITLES = new Map([["params", "parameters"], ["macs", "multiply-accumulates"], ["seconds", "seconds of training"]]);
  const title = (name) => TITLES.get(name) ?? name.replace(/^val_/, "validation ").replaceAll("_", " ");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const isPrint = () => matchMedia("print").matches;
  const stageStyle = (stage) => `--stage: var(--s${(stage % 6) + 1})`;

  // --- what is taken away

  function announce(text) {
    byId("said").textContent = text;
    setTimeout(() => (byId("said").textContent = ""), 4000);
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element("textarea"); // where the browser gives no clipboard to files
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    announce("Copied.");
  }

  function save(name, text) {
    const link = element("a", { download: name, href: URL.createObjectURL(new Blob([text], { type: "text/csv" })) });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function button(text, action, attributes = {}) {
    const made = element("button", { type: "button", class: "tool", ...attributes }, text);
    made.addEventListener("click", action);
    return made;
  }
