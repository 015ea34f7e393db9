  // --- figures

  const STATES = {
    complete: { symbol: "circle" }, pruned: { symbol: "x-thin-open" }, running: { symbol: "circle-open" },
    unfinished: { symbol: "diamond-open" }, failed: { symbol: "triangle-down" },
  };
  const MOST_CURVES = 300; // of a state; more hide one another

  function draw(id, traces, layout) {
    const place = byId(id);
    const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), automargin: true };
    const whole = {
      paper_bgcolor: "rgba(0,0,0,0)", font: { color: colour("text"), family: "inherit", size: 12 },
      margin: { l: 56, r: 16, t: 16, b: 48 }, hovermode: "closest", legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      hoverlabel: { bgcolor: colour("panel"), font: { color: colour("text") }, bordercolor: colour("line") },
      ...(isPrint() ? { width: 660, height: place.clientHeight } : { autosize: true }), // paper is narrower than what is laid out when it is asked for
      ...layout, plot_bgcolor: "rgba(0,0,0,0)", xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
    };
    const isNew = !place.classList.contains("js-plotly-plot");
    Plotly.react(place, traces, whole, { displaylogo: false, responsive: true, displayModeBar: false });
    if (isNew) place.on("plotly_click", (event) => choose(event.points[0].customdata));
  }

  const safe = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;"); // plotly reads tags
  const counted = (text, most) => ({ title: { text }, dtick: most > 10 ? undefined : 1 });
  const axisOf = (name, { range }) => ({ title: { text: safe(title(name)) }, range, tickformat: isShare(name) ? "~%" : range[1] < 10_000 ? "" : "~s" });

  // An axis that fits its points; a mark near them is drawn, and of one far away an arrow says where it is.
  function fit(values, marks) {
    let low = Math.min(...values), high = Math.max(...values);
    if (low > high) [low, high] = [0, 1];
    const span = high - low || Math.abs(high) / 2 || 1;
    const near = marks.filter(({ at }) => at >= low - span / 2 && at <= high + span / 2);
    const far = marks.filter((mark) => !near.includes(mark)).map((mark) => ({ ...mark, isAbove: mark.at > high }));
    const ends = [low, high, ...near.map(({ at }) => at)];
    const [least, most] = [Math.min(...ends), Math.max(...ends)], room = (most - least || span) * 0.07;
    return { range: [least >= 0 ? Math.max(least - room, -room / 3) : least - room, most + room], near, far };
  }

  function marks(name) {
    const limits = data.rules.filter(({ metric }) => metric === name).map(({ limit, text }) => ({ at: limit, text, kind: "failed" }));
    if (name === data.names[0] && data.target !== null) limits.push({ at: data.target, text: `target ${percent(data.target)}`, kind: "good" });
    return limits;
  }

  // Lines and texts of the marks of one axis, along which ``x`` says whether it runs.
  function marked({ near, far }, isX) {
    const [along, across] = isX ? ["x", "y"] : ["y", "x"];
    const shapes = near.map(({ at, kind }) => ({ type: "line", [`${along}0`]: at, [`${along}1`]: at, [`${across}0`]: 0, [`${across}1`]: 1,
      [`${across}ref`]: "paper", line: { color: colour(kind), width: 1.5, dash: "dash" } }));
    const font = (kind) => ({ color: colour(kind), size: 11 });
    const texts = near.map(({ at, text, kind }) => ({ text: safe(text), showarrow: false, font: font(kind), yanchor: "bottom",
      ...(isX ? { x: at, xanchor: "right", y: 0.02, yref: "paper" } : { x: 0, xref: "paper", xanchor: "left", y: at }) }));
    const arrows = far.map(({ text, kind, isAbove }, i) => ({ text: `${safe(text)} ${isX ? (isAbove ? "→" : "←") : isAbove ? "↑" : "↓"}`, showarrow: false, font: font(kind),
      xref: "paper", yref: "paper", ...(isX ? { x: Number(isAbove), xanchor: isAbove ? "right" : "left", y: 0.02, yanchor: "bottom", yshift: 14 * i }
        : { x: 0, xanchor: "left", y: Number(isAbove), yanchor: isAbove ? "top" : "bottom", yshift: isAbove ? -14 * i : 14 * i }) }));
    return { shapes, annotations: [...texts, ...arrows] };
  }

  function points(x, y, text, shown = data.rows) {
    return Object.entries(STATES).map(([state, { symbol }]) => {
      const rows = shown.filter((row) => row.state === state && x(row) !== null && y(row) !== null);
      return { x: rows.map(x), y: rows.map(y), customdata: rows.map((row) => row.trial), text: rows.map(text), name: state, mode: "markers",
        marker: { symbol, size: rows.length > 500 ? 6 : 9, color: colour(state), line: { color: colour(state), width: 1.5 } }, hovertemplate: "%{text}<extra></extra>" };
    }).filter((trace) => trace.x.length);
  }

  // The rings around what is chosen.
  function rings(x, y) {
    return [chosen, beside].filter((row) => row && x(row) !== null && y(row) !== null).map((row) => ({
      x: [x(row)], y: [y(row)], customdata: [row.trial], name: `trial ${row.trial}`, mode: "markers", hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 18, color: colour(row === chosen ? "text" : "front"), line: { width: 2 } } }));
  }

  // The trials, trained to the end and within the rules, that no other beats in both.
  function front(x, y) {
    const sign = (name) => (data.maximised.includes(name) ? -1 : 1);
    const loss = (row) => [sign(y) * value(row, y), sign(x) * value(row, x)];
    const rows = data.rows.filter((row) => row.whole && !row.broken && value(row, x) !== null && value(row, y) !== null);
    rows.sort((a, b) => loss(a)[0] - loss(b)[0] || loss(a)[1] - loss(b)[1]);
    let least = Infinity;
    return rows.filter((row) => loss(row)[1] < least && ((least = loss(row)[1]), true));
  }

  function drawScatter(i) {
    const [x, y] = ["x", "y"].map((axis) => byId(`${axis}-${i}`).value);
    const [across, up] = [x, y].map((name) => (row) => value(row, name));
    const known = data.rows.filter((row) => across(row) !== null && up(row) !== null);
    const best = front(x, y);
    const text = (row) => safe(`trial ${row.trial}: ${shown(y, up(row))}, ${title(x)} ${shown(x, across(row))}`);
    const fits = [fit(known.map(across), marks(x)), fit(known.map(up), marks(y))];
    const lines = [marked(fits[0], true), marked(fits[1], false)];
    draw(`scatter-${i}`, [...points(across, up, text), {
      x: best.map(across), y: best.map(up), customdata: best.map((row) => row.trial), name: "Pareto front", mode: "lines",
      line: { color: colour("front"), shape: data.maximised.includes(y) !== data.maximised.includes(x) ? "vh" : "hv", width: 1.5 }, hoverinfo: "skip",
    }, ...rings(across, up)], {
      shapes: lines.flatMap(({ shapes }) => shapes), annotations: lines.flatMap(({ annotations }) => annotations),
      xaxis: axisOf(x, fits[0]), yaxis: axisOf(y, fits[1]),
    });
  }

  function chooseAxes() {
    const known = data.names.filter((name) => data.rows.some((row) => value(row, name) !== null));
    for (const i of [0, 1]) {
      for (const [axis, first] of [["x", data.drawn[i]], ["y", data.names[0]]]) {
        const box = byId(`${axis}-${i}`);
        box.append(...known.map((name) => element("option", { value: name, ...(name === first ? { selected: "" } : {}) }, title(name))));
        box.addEventListener("change", () => refresh([`scatter-${i}`]));
      }
    }
  }

  // --- progress

  function drawHistory() {
    const text = (row) => `trial ${row.trial}: ${percent(accuracy(row))} after ${value(row, "epochs")} epochs`;
    const ordered = data.rows.filter((row) => row.whole && !row.broken && accuracy(row) !== null).sort((a, b) => a.trial - b.trial);
    let best = -Infinity;
    const record = ordered.map((row) => (best = Math.max(best, accuracy(row))));
    const end = Math.max(...data.rows.map((row) => row.trial));
    const known = data.rows.map(accuracy).filter((share) => share !== null);
    const fits = fit(known, marks(data.names[0]));
    draw("plot-history", [...points((row) => row.trial, accuracy, text), {
      x: [...ordered.map((row) => row.trial), end], y: [...record, best], name: "best complete so far", mode: "lines",
      line: { color: colour("front"), shape: "hv", width: 2 }, hoverinfo: "skip", visible: ordered.length > 0 }, ...rings((row) => row.trial, accuracy)],
    { ...marked(fits, false), xaxis: counted("trial, in the order of proposals", end), yaxis: axisOf(data.accuracy, fits) });
  }

  const moment = (seconds) => new Date(new Date(`${data.began}Z`).getTime() + 1000 * seconds).toISOString().slice(0, 19);
  const lasting = (seconds) => (seconds < 60 ? `${seconds.toFixed(0)} s` : seconds < 3600 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`);

  // From its proposal to its end a trial is thin, and thick where it is known to have trained: at first, up to its first
  // rung, and of a complete one at last, from its last rung but one. Between, the study keeps no times.
  function drawTimeline() {
    const rows = data.rows.filter((row) => row.start !== null);
    const last = Math.max(...rows.map((row) => Math.max(row.start, row.end ?? 0) + (row.end === null ? value(row, "seconds") ?? 0 : 0)));
    const until = (row) => row.end ?? last;
    const traces = [];
    for (const state of Object.keys(STATES)) {
      const mine = rows.filter((row) => row.state === state);
      const spans = mine.map((row) => [row, row.start, until(row)]);
      const trained = mine.flatMap((row) => trainings(row).map(([from, to]) => [row, from, to]));
      for (const [isThick, lines] of [[false, spans], [true, trained]]) {
        if (!lines.length) continue;
        const width = Math.min(isThick ? 7 : 2, Math.max(1, (isThick ? 260 : 120) / rows.length));
        traces.push({ x: lines.flatMap(([, from, to]) => [moment(from), moment(to), null]), y: lines.flatMap(([row]) => [row.trial, row.trial, null]),
          customdata: lines.flatMap(([row]) => [row.trial, row.trial, null]), text: lines.flatMap(([row]) => [spanText(row), spanText(row), null]),
          name: state, legendgroup: state, showlegend: !isThick, mode: "lines", line: { color: colour(state), width }, hovertemplate: "%{text}<extra></extra>" });
      }
    }
    draw("plot-timeline", traces, { xaxis: { type: "date", title: { text: "by the clock of the machine that launched" } }, yaxis: { ...counted("trial", Math.max(...rows.map((row) => row.trial))), autorange: "reversed" } });
  }

  function trainings(row) {
    const found = row.rungs.length ? [[row.start, row.start + row.rungs[0]]] : [];
    const [before, all] = row.rungs.slice(-2);
    if (row.whole && row.rungs.length > 1 && row.end !== null) found.push([row.end - (all - before), row.end]);
    return found;
  }

  function spanText(row) {
    const reached = data.levels.slice(0, row.rungs.length).join(", ");
    const whole = row.end === null ? "" : ` in ${lasting(row.end - row.start)}`;
    return `trial ${row.trial}: ${row.state}, ${lasting(value(row, "seconds") ?? 0)} of training${whole}${reached ? `; rungs at epochs ${reached}` : ""}`;
  }

  // --- curves

  function curvesOf(rows, key) {
    const trace = { x: [], y: [], customdata: [] };
    for (const row of rows) {
      trace.x.push(...row[key].map((_, i) => i + 1), null);
      trace.y.push(...row[key], null);
      trace.customdata.push(...row[key].map(() => row.trial), null);
    }
    return trace;
  }

  function drawCurves(id, key, axis, shownAs) {
    const hovertemplate = `trial %{customdata}, epoch %{x}: %{y:${shownAs}}<extra></extra>`;
    const traces = Object.keys(STATES).map((state) => {
      const rows = data.rows.filter((one) => one.state === state && one[key].length).slice(0, MOST_CURVES);
      const mode = rows.length > 50 ? "lines" : "lines+markers";
      return { ...curvesOf(rows, key), name: state, mode, opacity: 0.55, line: { color: colour(state), width: 1.2 }, marker: { size: 3 }, hovertemplate };
    }).filter((trace) => trace.x.length);
    for (const row of [chosen, beside].filter((one) => one?.[key].length)) {
      traces.push({ ...curvesOf([row], key), name: `trial ${row.trial}`, mode: "lines+markers", line: { color: colour(row === chosen ? "text" : "front"), width: 3 },
        marker: { size: 6 }, hovertemplate });
    }
    const longest = Math.max(0, ...data.rows.map((row) => row[key].length));
    draw(id, traces, { ...axis, xaxis: { ...counted("epoch", longest), range: [0.5, longest + 0.5] } });
  }

  function drawAccuracies() {
    const known = data.rows.flatMap((row) => row.curve).filter((share) => share !== null);
    const fits = fit(extremes(known), marks(data.names[0]));
    drawCurves("plot-curves", "curve", { ...marked(fits, false), yaxis: axisOf(data.accuracy, fits) }, ".2%");
  }

  function drawLosses() {
    const [least, most] = extremes(data.rows.flatMap((row) => row.loss).filter((loss) => loss > 0));
    const scale = most > 30 * least ? { type: "log", tickformat: "~g" } : { type: "linear" }; // else 0.2 is labelled 2
    drawCurves("plot-losses", "loss", { yaxis: { title: { text: "training loss" }, ...scale } }, ".4g");
  }

  // Of thousands of numbers, which a call cannot take one by one.
  const extremes = (values) => (values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : []);

  // Optuna's own figures, in the colours of the page.
  function drawOptuna(name) {
    if (!data.figures[name]) return;
    const copy = structuredClone(data.figures[name]);
    if (name === "importance") copy.data[0].marker = { color: colour("complete") };
    else recolour(byId("plot-parallel"), copy);
    draw(`plot-${name}`, copy.data, copy.layout);
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

  // The colour at ``share`` between two of the form #rrggbb.
  function between(from, to, share) {
    const parts = [1, 3, 5].map((i) => [from, to].map((text) => parseInt(text.slice(i, i + 2), 16)));
    return `rgb(${parts.map(([a, b]) => Math.round(a + (b - a) * share)).join(",")})`;
  }

  // --- a figure is drawn when it is near the window, and again there when what it shows has changed

  const FIGURES = {
    "scatter-0": () => drawScatter(0), "scatter-1": () => drawScatter(1), "plot-history": drawHistory, "plot-timeline": drawTimeline,
    "plot-curves": drawAccuracies, "plot-losses": drawLosses, "plot-importance": () => drawOptuna("importance"), "plot-parallel": () => drawOptuna("parallel"),
  };
  const OF_CHOSEN = ["scatter-0", "scatter-1", "plot-history", "plot-curves", "plot-losses"];
  const near = new Set(), stale = new Set(Object.keys(FIGURES));

  let plotly = ""; // the script that draws, once it is unpacked; it runs with the first figure, as it holds the page up

  function refresh(changed) {
    for (const id of changed) stale.add(id);
    const due = [...stale].filter((id) => near.has(id) || isPrint());
    if (!plotly || !due.length) return;
    if (!window.Plotly) document.head.append(element("script", {}, plotly));
    for (const id of due) {
      stale.delete(id);
      FIGURES[id]();
    }
  }

  const refreshAll = () => refresh(Object.keys(FIGURES));

  function watchFigures() {
    const watching = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) isIntersecting ? near.add(target.id) : near.delete(target.id);
      refresh([]);
    }, { rootMargin: "400px" });
    for (const id of Object.keys(FIGURES)) watching.observe(byId(id));
  }

