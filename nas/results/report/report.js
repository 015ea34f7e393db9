"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const trials = new Map(data.rows.map((row) => [row.trial, row]));
  const table = document.getElementById("trials");
  const COSTS = { params: "parameters", macs: "multiply-accumulates" };
  const STATES = {
    complete: { symbol: "circle" }, pruned: { symbol: "x-thin-open" },
    running: { symbol: "circle-open" }, failed: { symbol: "triangle-down" },
  };
  let chosen = null;

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

  const number = (value) => value.toLocaleString("en");
  const percent = (value) => (value === null ? "unknown" : `${(100 * value).toFixed(2)} %`);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const isPrint = () => matchMedia("print").matches;
  const stageStyle = (stage) => `--stage: var(--s${(stage % 6) + 1})`;

  // --- the table

  function sortBy(heading) {
    const index = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
    const value = (row) => row.cells[index].dataset.value ?? row.cells[index].textContent;
    const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // what is not known stands last either way
      const order = Number.isNaN(Number(a)) ? a.localeCompare(b) : Number(a) - Number(b);
      return down * order;
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  function choose(trial, remember = true) {
    const row = trials.get(trial);
    if (!row) return;
    chosen = row;
    let text = [];
    for (const line of table.tBodies[0].rows) {
      const is = Number(line.dataset.trial) === trial;
      line.classList.toggle("chosen", is);
      line.querySelector("button").setAttribute("aria-pressed", String(is));
      if (is) text = [...line.cells[line.cells.length - 1].children].map((part) => element("p", {}, part.cloneNode(true)));
    }
    if (remember) history.replaceState(null, "", `#trial-${trial}`);
    document.getElementById("chosen-title").textContent = `Trial ${trial}: ${row.state}, ${data.accuracy.replace(/^(validation) accuracy$/, "$1")} ${percent(row.accuracy)}`;
    document.getElementById("diagram").replaceChildren(...text, ...diagram(row));
    if (window.Plotly) drawChosen();
  }

  // --- the network of the chosen trial

  function diagram(row) {
    if (row.error) return [element("p", { class: "error" }, `Cannot be drawn: ${row.error}`)];
    const layers = row.layers.map(([stage, block, word, output, params, macs, jump, low, high]) =>
      ({ stage, block, word, output, params, macs, jump, low, high }));
    const drawn = field(row.input, layers);
    const views = element("div", { class: "views" }, drawn.figure, layerTable(layers, drawn.squares));
    return [network(row, layers), views];
  }

  function network(row, layers) {
    const list = element("ol", { class: "network", "aria-label": "the network, stage by stage" });
    list.append(element("li", {}, element("strong", {}, "input"), figures(row.input.join("×"))));
    const residual = new Set(row.residual.map(String));
    for (const [stage, members] of grouped(layers, (layer) => layer.stage)) {
      const item = element("li", { style: stageStyle(stage) }, element("strong", {}, `C${stage + 1}`));
      for (const [block, units] of grouped(members, (layer) => layer.block)) {
        const is = residual.has(String([stage, block]));
        const title = is ? { title: "residual: the block's input is added to its result" } : {};
        const words = units.map((unit) => element("code", {}, unit.word));
        item.append(element("div", { class: is ? "block residual" : "block", ...title }, ...words));
      }
      const last = members.at(-1);
      const sum = (key) => members.reduce((total, layer) => total + layer[key], 0);
      item.append(figures(`${last.output.join("×")}, sees ${size(last)}`), figures(`${number(sum("params"))} params`),
        figures(`${(sum("macs") / 1e6).toFixed(1)}M MACs`));
      list.append(item);
    }
    const [head, params] = row.head;
    const after = { gap: "nothing after it", conv: "1×1 convolution", fc: "linear layer" }[head];
    list.append(element("li", {}, element("strong", {}, "global average pool"), figures(after),
      figures(`${number(params)} params`), figures(`${row.classes} classes`)));
    return list;
  }

  const figures = (text) => element("div", { class: "figures" }, text);
  const size = (layer) => `${layer.high - layer.low + 1}×${layer.high - layer.low + 1}`;

  function grouped(items, key) {
    const groups = new Map();
    for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
    return groups;
  }

  // What the middle unit of each layer sees, over the input's pixels.
  function field(input, layers) {
    const [, height, width] = input;
    const squares = layers.map((layer) => {
      const [, rows, columns] = layer.output;
      const side = layer.high - layer.low + 1;
      return { side, x: layer.jump * Math.floor(columns / 2) + layer.low, y: layer.jump * Math.floor(rows / 2) + layer.low };
    });
    const left = Math.min(0, ...squares.map((s) => s.x)), top = Math.min(0, ...squares.map((s) => s.y));
    const right = Math.max(width, ...squares.map((s) => s.x + s.side)), bottom = Math.max(height, ...squares.map((s) => s.y + s.side));
    const extent = Math.max(right - left, bottom - top), margin = extent * 0.04, thin = extent / 500;
    const box = [left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin];
    const picture = shape("svg", { class: "field", viewBox: box.join(" "), role: "img",
      "aria-label": `receptive field of the last map: ${size(layers.at(-1))} pixels over a ${width}×${height} image` });
    picture.append(shape("rect", { class: "image", x: 0, y: 0, width, height, "stroke-width": 3 * thin }));
    const lines = [];
    for (let x = 1; x < width; x++) lines.push(`M${x} 0V${height}`);
    for (let y = 1; y < height; y++) lines.push(`M0 ${y}H${width}`);
    picture.append(shape("path", { class: "pixel", d: lines.join(""), "stroke-width": thin }));
    const drawn = squares.map((square, i) => {
      const ends = layers[i + 1]?.stage !== layers[i].stage;
      const made = shape("rect", { class: ends ? "seen" : "seen layer", style: stageStyle(layers[i].stage), x: square.x,
        y: square.y, width: square.side, height: square.side, "stroke-width": (ends ? 3 : 1.5) * thin });
      picture.append(made);
      return made;
    });
    layers.forEach((layer, i) => {
      if (layers[i + 1]?.stage === layer.stage) return;
      const font = Math.min(extent / 24, Math.max(extent / 40, squares[i].side / 4));
      picture.append(shape("text", { style: stageStyle(layer.stage), x: squares[i].x + 0.3 * font, y: squares[i].y + 1.05 * font,
        "font-size": font, "stroke-width": font / 6 }, `C${layer.stage + 1} ${size(layer)}`));
    });
    const caption = element("figcaption", {}, `What the middle unit after each stage sees, over the ${width}×${height} image; thin: after each layer.`);
    return { figure: element("figure", {}, picture, caption), squares: drawn };
  }

  function layerTable(layers, squares) {
    const headings = ["layer", "output", "params", "MACs", "sees", "jump"];
    const body = element("tbody");
    layers.forEach((layer, i) => {
      const name = element("th", { scope: "row", style: stageStyle(layer.stage) },
        element("span", {}, `C${layer.stage + 1}`), element("code", {}, layer.word));
      const cells = [layer.output.join("×"), number(layer.params), number(layer.macs), size(layer), String(layer.jump)];
      const row = element("tr", { tabindex: "0" }, name, ...cells.map((text) => element("td", {}, text)));
      for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) {
        row.addEventListener(event, () => squares[i].classList.toggle("lit", on));
      }
      body.append(row);
    });
    const head = element("thead", {}, element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text))));
    return element("table", { class: "plain layers" }, element("caption", {}, "Layers"), head, body);
  }

  // --- figures

  function draw(id, traces, layout) {
    const place = document.getElementById(id);
    const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), automargin: true };
    const whole = {
      paper_bgcolor: "rgba(0,0,0,0)", font: { color: colour("text"), family: "inherit", size: 12 },
      margin: { l: 56, r: 16, t: 16, b: 48 }, hovermode: "closest", legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      hoverlabel: { bgcolor: colour("panel"), font: { color: colour("text") }, bordercolor: colour("line") },
      ...(isPrint() ? { width: 660 } : { autosize: true }), // paper is narrower than what is laid out when it is asked for
      ...layout, plot_bgcolor: "rgba(0,0,0,0)", xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
    };
    const isNew = !place.classList.contains("js-plotly-plot");
    Plotly.react(place, traces, whole, { displaylogo: false, responsive: true, displayModeBar: false });
    if (isNew) place.on("plotly_click", (event) => choose(event.points[0].customdata));
  }

  function drawCosts() {
    for (const [cost, name] of Object.entries(COSTS)) {
      const front = data.fronts[cost].map((trial) => trials.get(trial)).filter(Boolean);
      const traces = [...scatters(cost), {
        x: front.map((row) => row[cost]), y: front.map((row) => row.accuracy), customdata: front.map((row) => row.trial),
        name: "Pareto front", mode: "lines", line: { color: colour("front"), shape: "vh", width: 1.5 }, hoverinfo: "skip",
      }];
      if (chosen && chosen.accuracy !== null) {
        traces.push({ x: [chosen[cost]], y: [chosen.accuracy], customdata: [chosen.trial], name: `trial ${chosen.trial}`, mode: "markers",
          marker: { symbol: "circle-open", size: 18, color: colour("text"), line: { width: 2 } }, hoverinfo: "skip" });
      }
      draw(`plot-${cost}`, traces, { ...limits(cost), xaxis: { title: { text: name }, tickformat: "~s", rangemode: "tozero" },
        yaxis: { title: { text: data.accuracy }, tickformat: ".0%" } });
    }
  }

  function scatters(cost) {
    return Object.entries(STATES).map(([state, { symbol }]) => {
      const rows = data.rows.filter((row) => row.state === state && row.accuracy !== null);
      return { x: rows.map((row) => row[cost]), y: rows.map((row) => row.accuracy), customdata: rows.map((row) => row.trial),
        name: state, mode: "markers", marker: { symbol, size: 9, color: colour(state), line: { color: colour(state), width: 1.5 } },
        hovertemplate: "trial %{customdata}: %{y:.2%}, %{x:,}<extra></extra>" };
    }).filter((trace) => trace.x.length);
  }

  function limits(cost) {
    const dash = { color: colour("failed"), width: 1.5, dash: "dash" };
    const lines = data.limits[cost].map(({ at }) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, yref: "paper", line: dash }));
    const texts = data.limits[cost].map(({ at, text }) => ({ x: at, y: 0.02, yref: "paper", text: text.replaceAll("<", "&lt;"),
      showarrow: false, xanchor: "right", yanchor: "bottom", font: { color: colour("failed"), size: 11 } }));
    if (data.target !== null) {
      const good = { color: colour("good"), width: 1.5, dash: "dash" };
      lines.push({ type: "line", x0: 0, x1: 1, xref: "paper", y0: data.target, y1: data.target, line: good });
      texts.push({ x: 0, xref: "paper", y: data.target, text: `target ${percent(data.target)}`, showarrow: false,
        xanchor: "left", yanchor: "bottom", font: { color: colour("good"), size: 11 } });
    }
    return { shapes: lines, annotations: texts };
  }

  function drawCurves() {
    const traces = Object.keys(STATES).map((state) => {
      const rows = data.rows.filter((one) => one.state === state && one.curve.length);
      const mode = rows.length > 50 ? "lines" : "lines+markers";
      const trace = { x: [], y: [], customdata: [], name: state, mode, opacity: 0.55, line: { color: colour(state), width: 1.2 },
        marker: { size: 3 }, hovertemplate: "trial %{customdata}, epoch %{x}: %{y:.2%}<extra></extra>" };
      for (const row of rows) {
        trace.x.push(...row.curve.map((_, i) => i + 1), null);
        trace.y.push(...row.curve, null);
        trace.customdata.push(...row.curve.map(() => row.trial), null);
      }
      return trace;
    }).filter((trace) => trace.x.length);
    if (chosen && chosen.curve.length) {
      traces.push({ x: chosen.curve.map((_, i) => i + 1), y: chosen.curve, customdata: chosen.curve.map(() => chosen.trial),
        name: `trial ${chosen.trial}`, mode: "lines+markers", line: { color: colour("front"), width: 3 }, marker: { size: 6 },
        hovertemplate: "trial %{customdata}, epoch %{x}: %{y:.2%}<extra></extra>" });
    }
    const mark = limits("params");
    draw("plot-curves", traces, { shapes: mark.shapes.slice(data.limits.params.length), annotations: mark.annotations.slice(data.limits.params.length),
      xaxis: { title: { text: "epoch" }, dtick: traces.some((t) => Math.max(...t.x) > 20) ? undefined : 1 },
      yaxis: { title: { text: data.accuracy }, tickformat: ".0%" } });
  }

  // Optuna's own figures, in the colours of the page.
  function drawOptuna() {
    for (const [name, figure] of Object.entries(data.figures)) {
      const place = document.getElementById(`plot-${name}`);
      if (!figure) { place.classList.add("empty"); continue; }
      const copy = structuredClone(figure);
      if (name === "importance") copy.data[0].marker = { color: colour("complete") };
      else recolour(place, copy);
      draw(`plot-${name}`, copy.data, copy.layout);
    }
  }

  // Parallel coordinates: a line is the stronger the more accurate its trial, whatever the background.
  function recolour(place, figure) {
    const [weak, strong] = [colour("pruned"), colour("accent")];
    for (const trace of figure.data) {
      if (trace.mode === "lines") trace.line.color = between(weak, strong, trace.y[0]);
      else Object.assign(trace.marker, { colorscale: [[0, weak], [1, strong]], reversescale: false });
    }
    for (const note of figure.layout.annotations ?? []) {
      Object.assign(note, { font: { color: colour("text"), size: isPrint() ? 5 : 10 }, bgcolor: colour("page"), borderpad: 0, opacity: 0.85 });
    }
    figure.layout.xaxis = { ...figure.layout.xaxis, tickangle: isPrint() ? -90 : 0, tickfont: { size: isPrint() ? 8 : 11 } };
    place.style.setProperty("--axes", figure.layout.xaxis.tickvals?.length ?? 0);
  }

  // The colour that lies at ``share`` between two of the form #rrggbb.
  function between(from, to, share) {
    const parts = [1, 3, 5].map((i) => [from, to].map((text) => parseInt(text.slice(i, i + 2), 16)));
    return `rgb(${parts.map(([a, b]) => Math.round(a + (b - a) * share)).join(",")})`;
  }

  function drawChosen() {
    drawCosts();
    drawCurves();
  }

  function drawAll() {
    drawChosen();
    drawOptuna();
    document.body.dataset.drawn = ""; // what a test waits for
  }

  // --- start

  async function unpack(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    document.head.append(element("script", {}, await new Response(stream).text()));
  }

  function drawIfReady() {
    if (window.Plotly) drawAll();
  }

  function choosePlace() {
    const match = /^#trial-(\d+)$/.exec(location.hash);
    choose(match && trials.has(Number(match[1])) ? Number(match[1]) : data.rows[0].trial, false);
  }

  if (table) {
    for (const heading of table.tHead.rows[0].cells) heading.firstElementChild.addEventListener("click", () => sortBy(heading));
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) choose(Number(row.dataset.trial));
    });
    choosePlace();
    unpack("plotly").then(drawAll);
    window.addEventListener("hashchange", choosePlace);
    for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", drawIfReady);
    for (const event of ["beforeprint", "afterprint"]) window.addEventListener(event, drawIfReady);
  }
})();
