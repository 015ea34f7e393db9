  // --- start

  async function unpacked(id) {
    const letters = atob(byId(id).textContent);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i); // Uint8Array.from takes five times as long
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function choosePlace() {
    const [trial, other] = (/^#trial-(\d+)(?:-beside-(\d+))?$/.exec(location.hash) ?? []).slice(1).map(Number);
    choose(trials.has(trial) ? trial : trials.has(data.best) ? data.best : data.rows[0].trial, { other: other ?? null, remember: false });
  }

  async function start() {
    data.rows = JSON.parse(await unpacked("rows"));
    for (const row of data.rows) trials.set(row.trial, row);
    startTable();
    choosePlace();
    chooseAxes();
    for (const [name, figure] of Object.entries(data.figures)) byId(`plot-${name}`).classList.toggle("empty", !figure);
    window.addEventListener("hashchange", choosePlace);
    for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", refreshAll);
    for (const event of ["beforeprint", "afterprint"]) window.addEventListener(event, refreshAll);
    document.body.dataset.ready = ""; // what a test waits for
    plotly = await unpacked("plotly");
    watchFigures();
    if (isPrint()) refreshAll();
    document.body.dataset.figures = "";
  }

  for (const made of document.querySelectorAll("[data-copy]")) made.addEventListener("click", () => copy(byId(made.dataset.copy).textContent));
  if (table) start();
