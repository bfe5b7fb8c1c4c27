// The page of benchmark results. Rows are columns of numbers; a filter is one pass over them, and only what a reader
// can tell apart is drawn: the rows of a few series. Pictures out of sight are drawn when they come into view.
"use strict";
(() => {
  const MOST_SERIES = 8, MOST_POINTS = 1500, MOST_ROWS = 20;
  const board = document.getElementById("board");
  const layouts = JSON.parse(document.getElementById("layouts").textContent);
  const { said, forms } = JSON.parse(document.getElementById("words").textContent); // in the language of the page; empty in English
  const LANGUAGE = document.documentElement.lang;
  const chosen = {}; // dimension -> Set of codes; a dimension without choice is absent
  const drawn = {}; // picture -> what is drawn
  const views = {}; // picture -> Vega view
  const stale = new Set(Object.keys(layouts));
  const seen = new Set();
  let table, names, kept = [], picked = "", lines;

  const part = (id) => { const inline = document.getElementById(id); return inline ? JSON.parse(inline.textContent) : fetched(board.dataset[id]); };
  const fetched = async (address) => { const answer = await fetch(address); if (!answer.ok) throw new Error(`${address}: ${answer.status}`); return answer.json(); };
  let detailsOnce;
  const details = () => (detailsOnce ??= new Promise((after) => setTimeout(after, 100)).then(() => part("details")).then(alike)); // first the pictures
  const alike = (found) => found.newest === table.newest ? found : new Promise(() => location.reload()); // results came in since

  const value = (name, row) => { const column = table.dimensions[name]; return column.values[column.codes[row]]; };
  const figure = (name, row) => table.figures[name][row];
  const told = (x) => (Number.isNaN(x) ? null : x);
  const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text }, more);
  const counted = (x) => x.toLocaleString(LANGUAGE);
  const number = (x, digits = 5) => Number.isNaN(x) ? "–" : counted(Number(x.toPrecision(digits)));

  // ---- language

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  /** A text of the page's own, with values for its `{names}`. */
  const say = (text, values = {}) => filled(said[text] ?? text, values);
  /** A value of a dimension as people read it; addresses and downloads keep the value itself. */
  const shown = (name, text) => (text === "" ? say("not stated") : name === "kind" || name === "verdict" ? say(text) : text);

  let patterns;
  /** A reason of the checks, part by part; what fits no form stays English. */
  function retold(reason) {
    if (!forms.length) return reason;
    patterns ??= forms.map(([form, text]) => [new RegExp(`^${form.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{(\w+)\}/g, "(?<$1>.+?)")}$`, "s"), text]);
    const [, rule = "", parts] = /^([A-Z]\d+: )?(.*)$/s.exec(reason);
    return rule + parts.split("; ").map((part) => {
      for (const [pattern, text] of patterns) { const found = pattern.exec(part); if (found) return filled(text, found.groups); }
      return part;
    }).join("; ");
  }

  /** A reason, with what a sound row fulfils to be read beside it. */
  const reasoned = (tag, reason, more = {}) => made(tag, retold(reason), { title: say(table.rules[reason.split(":")[0]] ?? ""), ...more });

  /** Vega's numbers as people write them here. */
  function numberFormat() {
    const parts = new Intl.NumberFormat(LANGUAGE).formatToParts(12345.6), of = (type) => parts.find((part) => part.type === type).value;
    return { decimal: of("decimal"), thousands: of("group"), grouping: [3], currency: ["", ""] };
  }

  // ---- filters

  function readAddress() {
    for (const name of names) delete chosen[name];
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
      const code = names.includes(name) ? table.dimensions[name].values.findIndex((v) => String(v) === text) : -1;
      if (code >= 0) (chosen[name] ??= new Set()).add(code);
    }
  }

  function writeAddress() {
    const parameters = new URLSearchParams();
    for (const name of names) for (const code of chosen[name] ?? []) parameters.append(name, table.dimensions[name].values[code]);
    history.replaceState(null, "", `#${parameters}`);
    const ask = document.getElementById("ask");
    if (ask) ask.href = `${ask.href.split("?")[0]}?${parameters}`;
  }

  function filter() {
    const active = names.filter((name) => chosen[name]?.size);
    const allowed = active.map((name) => Uint8Array.from(table.dimensions[name].values, (_, code) => chosen[name].has(code)));
    const codes = active.map((name) => table.dimensions[name].codes);
    const counts = Object.fromEntries(names.map((name) => [name, new Uint32Array(table.dimensions[name].values.length)]));
    const all = names.map((name) => [table.dimensions[name].codes, counts[name]]);
    kept = [];
    for (let row = 0; row < table.rows; row++) {
      let failed = -1;
      for (let n = 0; n < active.length; n++) if (!allowed[n][codes[n][row]]) { if (failed >= 0) { failed = -2; break; } failed = n; }
      if (failed === -1) { kept.push(row); for (const [column, count] of all) count[column[row]]++; }
      else if (failed >= 0) counts[active[failed]][codes[failed][row]]++; // what choosing this value too would add
    }
    return counts;
  }

  function buildFilters() {
    const form = document.getElementById("filters");
    for (const name of names) {
      const { values } = table.dimensions[name];
      if (values.length < 2) continue;
      const box = made("details", undefined, { name: "filter" });
      box.dataset.name = name;
      const set = made("fieldset");
      set.append(made("legend", say(table.titles[name]), { hidden: true }));
      values.forEach((text, code) => {
        const label = made("label");
        label.append(made("input", undefined, { type: "checkbox", value: code, name }), made("em", shown(name, text)), made("span"));
        set.append(label);
      });
      box.append(made("summary", say(table.titles[name])), set);
      form.append(box);
    }
    const clear = made("button", say("Clear"), { type: "button" });
    clear.addEventListener("click", () => { for (const name of names) delete chosen[name]; update(); });
    form.append(clear);
    form.addEventListener("change", (event) => {
      const { name, value: code, checked } = event.target;
      const codes = (chosen[name] ??= new Set());
      if (checked) codes.add(Number(code)); else codes.delete(Number(code));
      if (!codes.size) delete chosen[name];
      update();
    });
    document.addEventListener("click", (event) => { for (const box of form.querySelectorAll("details[open]")) if (!box.contains(event.target)) box.open = false; });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") for (const box of form.querySelectorAll("details[open]")) box.open = false; });
  }

  function showFilters(counts) {
    for (const box of document.querySelectorAll("#filters details")) {
      const { name } = box.dataset, size = chosen[name]?.size ?? 0;
      box.classList.toggle("on", size > 0);
      box.firstChild.textContent = say(table.titles[name]) + (size ? ` (${size})` : "");
      for (const label of box.lastChild.querySelectorAll("label")) {
        const code = Number(label.firstChild.value);
        label.firstChild.checked = chosen[name]?.has(code) ?? false;
        label.lastChild.textContent = counted(counts[name][code]);
        label.classList.toggle("none", counts[name][code] === 0);
      }
    }
  }

  // ---- what is drawn

  const LINE = ["kind", "system", "partition", "framework", "model", "dataset", "precision", "parallelism", "gpus", "nodes", "flags"];

  /** Of the rows given, those of the series with most points, the faster first among equals; rows come by speed. */
  function largest(rows, series) {
    const size = new Map();
    for (const row of rows) size.set(series[row], (size.get(series[row]) ?? 0) + 1);
    const few = new Set([...size].sort((a, b) => b[1] - a[1]).slice(0, MOST_SERIES).map(([key]) => key));
    return { rows: rows.filter((row) => few.has(series[row])).slice(0, MOST_POINTS), all: size.size };
  }

  /** Names of series: only what differs among them. */
  function labels(rows, dimensions) {
    const told = dimensions.filter((name) => new Set(rows.map((row) => table.dimensions[name].codes[row])).size > 1);
    return (row) => told.map((name) => { const text = value(name, row); return text === "" ? "" : name === "gpus" ? `${text} GPUs` : name === "nodes" ? say("{count} nodes", { count: text }) : name === "concurrency" ? `c=${text}` : shown(name, text); })
      .filter(Boolean).join(" ").slice(0, 60) || value("model", rows[0]) || say("all");
  }

  /** A test of rows: all of these are stated, or measured. */
  function has(...needed) {
    const columns = needed.map((name) => table.figures[name] ?? table.stated[name]);
    return (row) => columns.every((column) => !Number.isNaN(column[row]));
  }

  function point(row, series, more = {}) {
    const made = { row, series, ...more };
    for (const name of names) made[name] = value(name, row);
    for (const name in table.figures) made[name] = told(figure(name, row));
    made.run = say("configuration {number}", { number: row + 1 });
    made.checked = shown("verdict", made.verdict);
    made.why = made.verdict === "suspect" ? say("click for the reasons") : "";
    return made;
  }

  /** Sound rows that no other beats in throughput and time to the first token at once. */
  function frontOf(rows) {
    const front = [];
    for (const row of rows) if (value("verdict", row) === "verified" && (!front.length || figure("ttft_ms", row) < figure("ttft_ms", front.at(-1)))) front.push(row);
    return front.reverse();
  }

  /** The first, so fastest, of each. */
  function firsts(rows, keyOf) {
    const first = new Map();
    for (const row of rows) { const key = keyOf(row); if (!first.has(key)) first.set(key, row); }
    return [...first.values()];
  }

  function cells(rows) {
    const gpus = table.dimensions.gpus.codes, load = table.dimensions.concurrency.codes, width = table.dimensions.concurrency.values.length;
    return firsts(rows, (row) => gpus[row] * width + load[row])
      .map((row) => point(row, "", { label: counted(Math.round(figure("tokens_per_s", row))) + (value("verdict", row) === "verified" ? "" : " △") }));
  }

  /** Each family against its fewest GPUs. */
  function scaled(rows) {
    const gpus = table.dimensions.gpus.codes, width = table.dimensions.gpus.values.length, base = new Map(), sizes = new Map();
    const fastest = firsts(rows, (row) => table.family[row] * width + gpus[row]);
    for (const row of fastest) {
      const family = table.family[row];
      sizes.set(family, (sizes.get(family) ?? 0) + 1);
      if (!base.has(family) || value("gpus", row) < value("gpus", base.get(family))) base.set(family, row);
    }
    const efficiency = (row) => { const from = base.get(table.family[row]); return ((figure("tokens_per_s", row) / figure("tokens_per_s", from)) * value("gpus", from)) / value("gpus", row); };
    return { rows: fastest.filter((row) => sizes.get(table.family[row]) > 1), efficiency };
  }

  /** Columns as arrays of numbers; NaN is what was not measured or stated. What is the same in all rows came empty. */
  function asNumbers() {
    for (const name in table.figures) table.figures[name] = table.figures[name].length ? Float64Array.from(table.figures[name], (x) => x ?? NaN) : new Float64Array(table.rows).fill(NaN);
    for (const name of names) table.dimensions[name].codes = table.dimensions[name].codes.length ? Uint32Array.from(table.dimensions[name].codes) : new Uint32Array(table.rows);
    table.stated = {};
    for (const name of ["gpus", "concurrency"]) {
      const { values, codes } = table.dimensions[name];
      table.stated[name] = Float64Array.from(codes, (code) => (values[code] === "" ? NaN : values[code]));
    }
  }

  const FAMILY = LINE.filter((name) => !["parallelism", "gpus", "nodes"].includes(name)).concat("concurrency");
  function alongGpus(rows) {
    const all = scaled(rows.filter(has("gpus", "tokens_per_s")));
    return byFamily(largest(all.rows, table.family), all.efficiency);
  }

  function byFamily(few, efficiency = () => null) {
    const name = labels(few.rows, FAMILY);
    return { rows: few.rows.map((row) => point(row, name(row), { efficiency: efficiency(row) })), all: few.all };
  }

  /** The series that all pictures along a line show, under one name and mostly in one colour. */
  function chooseLines() {
    const few = largest(kept.filter(has("tokens_per_s")), table.line);
    lines = { ...few, name: labels(few.rows, LINE) };
  }

  function alongLine(...needed) {
    return { rows: lines.rows.filter(has(...needed)).map((row) => point(row, lines.name(row))), all: lines.all };
  }

  const ofKind = (kind) => kept.filter((row) => table.dimensions.kind.values[table.dimensions.kind.codes[row]] === kind);
  const DATA = {
    throughput: () => alongLine("concurrency"),
    latency: () => ({ ...alongLine("ttft_ms"), front: frontOf(kept.filter(has("tokens_per_s", "ttft_ms"))).map((row) => point(row, "")) }),
    heatmap: () => ({ rows: cells(kept.filter(has("gpus", "concurrency", "tokens_per_s"))) }),
    scaling: () => alongGpus(ofKind("inference")),
    "training-scaling": () => alongGpus(ofKind("training")),
    efficiency: () => alongGpus(kept),
    "training-time": () => byFamily(largest(kept.filter(has("gpus", "train_s")), table.family)),
    energy: () => alongLine("kwh_per_mtok"),
  };

  // ---- pictures

  const colours = () => {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    const text = of("--text"), soft = of("--soft"), line = of("--line");
    return {
      background: "transparent", view: { stroke: line }, font: "Inter, system-ui, sans-serif",
      axis: { labelColor: soft, titleColor: soft, gridColor: line, domainColor: line, tickColor: line },
      legend: { labelColor: text, titleColor: soft, orient: "bottom", direction: "vertical", columns: 2, labelLimit: 250, labelFontSize: 11, rowPadding: 1, symbolLimit: 2 * MOST_SERIES }, text: { color: text },
    };
  };

  function buildPictures() {
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) { if (entry.isIntersecting) { seen.add(entry.target.id); draw(entry.target.id); } else seen.delete(entry.target.id); }
    }, { rootMargin: "50px" });
    for (const [name, layout] of Object.entries(layouts)) {
      const box = made("figure", undefined, { id: name }), caption = made("figcaption", layout.title.text);
      for (const form of ["PNG", "SVG"]) {
        const button = made("button", form, { type: "button", title: say("{picture} as {format}", { picture: layout.title.text, format: form }) });
        button.addEventListener("click", () => savePicture(name, form));
        caption.append(button);
      }
      box.append(caption, made("div", undefined, { className: "draw" }), made("p", say("No row of this choice has what this picture shows."), { className: "nothing", hidden: true }));
      document.getElementById("pictures").append(box);
      watch.observe(box);
    }
  }

  async function viewOf(name, data) {
    const { title, ...spec } = layouts[name];
    for (const { encoding } of spec.layer) {
      if (encoding.shape) encoding.shape.legend = null; // the line above the pictures says it
      for (const line of encoding.tooltip ?? []) if (line.field === "verdict") line.field = "checked";
      if (name === "heatmap" && encoding.color) encoding.color.legend = null; // the cells say it
    }
    const full = { ...spec, width: "container", height: "container", autosize: { type: "fit", contains: "padding" }, description: title.text, datasets: { rows: data.rows, front: data.front ?? [] }, config: colours() };
    const options = { mode: "vega-lite", actions: false, logLevel: 1, ast: true, renderer: "canvas", defaultStyle: false, tooltip: { disableDefaultStyle: true }, formatLocale: numberFormat() };
    const { view } = await vegaEmbed(`#${name} .draw`, full, options);
    view.addEventListener("click", (_, item) => { const datum = item?.datum; if (datum?.row !== undefined) { pick(datum.series); closer(datum.row); } else pick(""); });
    return view;
  }

  async function draw(name) {
    if (!stale.has(name)) return;
    stale.delete(name);
    const data = DATA[name](), box = document.getElementById(name), [area, nothing] = [box.querySelector(".draw"), box.querySelector(".nothing")];
    area.hidden = !data.rows.length;
    nothing.hidden = !!data.rows.length;
    box.dataset.rows = data.rows.length;
    box.dataset.series = data.all ?? 1;
    drawn[name] = data;
    showSeries();
    if (!data.rows.length) return;
    if (views[name] === undefined) views[name] = viewOf(name, data);
    else {
      const view = await views[name];
      view.data("rows", data.rows);
      if (data.front) view.data("front", data.front);
      view.signal("picked", picked);
      await view.runAsync();
    }
  }

  function showSeries() {
    const most = Math.max(0, ...[...seen].map((name) => drawn[name]?.all ?? 0));
    document.getElementById("series").textContent = `${say("△ marks suspect rows, bars are intervals; click a point for its reasons and its series.")} ${most > MOST_SERIES
      ? say("Of {all} series a picture shows the {shown} with most points; the Pareto front and the heat map are of all rows. Filter to see others.", { all: counted(most), shown: MOST_SERIES }) : ""}`;
  }

  async function pick(series) {
    picked = picked === series ? "" : series;
    await Promise.all(Object.values(views).map(async (view) => (await view).signal("picked", picked).runAsync()));
  }

  // ---- closer look, table, downloads

  function verdict(row) { const text = value("verdict", row); return made("span", shown("verdict", text), { className: `verdict ${text}` }); }
  const described = (row) => LINE.filter((name) => value(name, row) !== "").map((name) => shown(name, value(name, row))).join(" · ") + (value("concurrency", row) === "" ? "" : ` · c=${value("concurrency", row)}`);

  async function closer(row) {
    const box = document.getElementById("closer"), { runs, reasons } = await details();
    const figures = Object.keys(table.figures).filter((name) => !Number.isNaN(figure(name, row))).map((name) => `${name} ${number(figure(name, row))}`).join(", ");
    box.replaceChildren(made("h2", described(row)), verdict(row), made("p", figures), made("p", `${say("Runs")} ${runs[row].join(", ")}`, { className: "hint" }), ...reasons[row].map((text) => reasoned("p", text, { className: "hint" })));
    box.hidden = false;
  }

  function showRows() {
    const top = kept.slice(0, MOST_ROWS).filter(has("tokens_per_s"));
    const body = made("tbody"), cells = top.map((row) => {
      const line = made("tr");
      const cell = (content, more) => { const made_ = made("td", typeof content === "string" ? content : undefined, more); if (typeof content !== "string") made_.append(content); line.append(made_); return made_; };
      cell(described(row)); cell(number(figure("tokens_per_s", row))); cell(`${number(figure("low", row))} – ${number(figure("high", row))}`);
      cell(String(figure("repeats", row))); cell(number(figure("ttft_ms", row))); cell(number(figure("gpu_hours_per_mtok", row), 3)); cell(verdict(row));
      body.append(line);
      return [row, cell("", { className: "why" })];
    });
    const head = made("tr");
    for (const text of [say("Configuration"), "tok/s", say("interval"), say("repeats"), "TTFT, ms", say("GPU-hours per million tokens"), say("checks"), say("reasons, run")]) head.append(made("th", text, { scope: "col" }));
    const heading = made("thead"); heading.append(head);
    document.getElementById("rows").replaceChildren(heading, body);
    details().then(({ runs, reasons }) => { for (const [row, cell] of cells) cell.replaceChildren(...reasons[row].slice(0, 3).map((text) => reasoned("div", text)), made("code", runs[row][0])); });
  }

  function save(content, name, type) {
    const link = made("a", undefined, { href: URL.createObjectURL(new Blob([content], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  async function savePicture(name, form) {
    if (!drawn[name]?.rows.length) return;
    const view = await views[name];
    if (form === "SVG") save(await view.toSVG(), `${name}.svg`, "image/svg+xml");
    else (await view.toCanvas(2)).toBlob((blob) => save(blob, `${name}.png`, "image/png"));
  }

  async function records() {
    const { runs, reasons } = await details();
    return kept.map((row) => ({
      ...Object.fromEntries(names.map((name) => [name, value(name, row)])),
      ...Object.fromEntries(Object.keys(table.figures).map((name) => [name, told(figure(name, row))])),
      reasons: reasons[row].join("; "), runs: runs[row].join(" "),
    }));
  }

  const quoted = (cell) => { const text = cell === null ? "" : String(cell); const safe = /^[=+@\t-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text; return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe; };
  async function saveRows(form) {
    const rows = await records();
    if (form === "json") return save(JSON.stringify(rows, null, 1), "benchmarks.json", "application/json");
    const heads = [...names, ...Object.keys(table.figures), "reasons", "runs"];
    return save([heads, ...rows.map((row) => heads.map((head) => row[head]))].map((line) => line.map(quoted).join(",")).join("\n") + "\n", "benchmarks.csv", "text/csv");
  }

  // ---- one round

  async function update() {
    const begun = performance.now();
    writeAddress();
    showFilters(filter());
    const out = table.left_out, why = Object.entries(out.rules).map(([rule, count]) => `${rule}: ${count}`).join(", ");
    document.getElementById("counts").textContent = say("{kept} of {all} configurations from {results} results; {out} failed or invalid results are in no picture", { kept: counted(kept.length), all: counted(table.rows), results: counted(table.results), out: counted(out.rows) }) + (why ? ` (${why})` : "");
    document.getElementById("counts").title = Object.keys(out.rules).map((rule) => `${rule}: ${say(table.rules[rule] ?? "")}`).join("\n");
    document.getElementById("empty").hidden = kept.length > 0;
    chooseLines();
    for (const name in layouts) stale.add(name);
    await Promise.all([...seen].map(draw));
    showRows();
    board.dataset.tookMs = (performance.now() - begun).toFixed(1);
  }

  async function start() {
    table = await part("columns");
    names = Object.keys(table.dimensions);
    asNumbers();
    readAddress();
    buildFilters();
    buildPictures();
    document.getElementById("csv").addEventListener("click", () => saveRows("csv"));
    document.getElementById("json").addEventListener("click", () => saveRows("json"));
    const link = document.getElementById("link");
    if (navigator.clipboard) { link.hidden = false; link.addEventListener("click", () => navigator.clipboard.writeText(location.href)); }
    window.addEventListener("hashchange", () => { readAddress(); update(); });
    await update();
    Object.assign(board, { drawn, views }); // for scripts of others on the page
    board.dataset.ready = "yes";
  }

  start().catch((error) => { document.getElementById("counts").textContent = say("The results cannot be shown: {problem}", { problem: error.message }); });
})();
