  // --- the network of the chosen trial

  function diagram(row) {
    if (row.error) return [element("p", { class: "error" }, `Cannot be drawn: ${row.error}`)];
    const layers = row.layers.map(([stage, block, word, output, params, macs, jump, side, x, y]) =>
      ({ stage, block, word, output, params, macs, jump, side, x, y }));
    const drawn = field(row, layers);
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
  const size = (layer) => `${layer.side}×${layer.side}`;

  function grouped(items, key) {
    const groups = new Map();
    for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
    return groups;
  }

  // What the middle unit of each layer sees, over the input's pixels.
  function field({ input: [, height, width], box }, layers) {
    const picture = shape("svg", { class: "field", viewBox: box.join(" "), role: "img",
      "aria-label": `receptive field of the last map: ${size(layers.at(-1))} pixels over a ${width}×${height} image` });
    picture.append(shape("rect", { class: "image", x: 0, y: 0, width, height }));
    const lines = [];
    for (let x = 1; x < width; x++) lines.push(`M${x} 0V${height}`);
    for (let y = 1; y < height; y++) lines.push(`M0 ${y}H${width}`);
    picture.append(shape("path", { class: "pixel", d: lines.join("") }));
    const drawn = layers.map((layer, i) => {
      const ends = layers[i + 1]?.stage !== layer.stage;
      const made = shape("rect", { class: ends ? "seen" : "seen layer", style: stageStyle(layer.stage), x: layer.x,
        y: layer.y, width: layer.side, height: layer.side });
      picture.append(made);
      return made;
    });
    layers.forEach((layer, i) => {
      if (layers[i + 1]?.stage === layer.stage) return;
      picture.append(shape("text", { style: stageStyle(layer.stage), "data-x": layer.x, "data-y": layer.y }, `C${layer.stage + 1} ${size(layer)}`));
    });
    const caption = element("figcaption", {}, data.caption.replace("{image}", `${width}×${height}`));
    return { figure: element("figure", {}, picture, caption), squares: drawn };
  }

  // Labels of one size on the screen at every width; an inner one moves down where it would cover another.
  function label(picture) {
    if (!picture.clientWidth) return;
    const font = (13 * picture.viewBox.baseVal.width) / picture.clientWidth;
    let free = -Infinity;
    const texts = [...picture.querySelectorAll("text")].sort((a, b) => a.dataset.y - b.dataset.y);
    for (const text of texts) {
      const x = Number(text.dataset.x) + 0.3 * font, y = Math.max(Number(text.dataset.y) + 1.05 * font, free);
      for (const [key, given] of Object.entries({ x, y, "font-size": font, "stroke-width": font / 4 })) text.setAttribute(key, given);
      free = y + 1.15 * font;
    }
  }

  const labelled = new ResizeObserver((changes) => changes.forEach(({ target }) => label(target)));

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

