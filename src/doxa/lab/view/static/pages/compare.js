// Two runs beside each other: what they were started with, what they found, and where their tables differ.

const TITLES = { credence: "A − B, credence", log_odds: "A − B, log-odds in nats" };
const COLOURS = { clear: "#1a67c2", open: "#8a8f96" };
const SORTS = [["size", "largest first"], ["clear", "clearest first"], ["name", "by name"]];

function picks(ui, runs) {
  const words = (run) => [run.name, `${run.name} · ${run.preset} · ${run.started.slice(0, 16).replace("T", " ")}`];
  const values = [["", "pick a run"], ...runs.map(words)];
  const side = (name, label) => {
    const value = ui.query()[name] ?? "";
    const onchange = (run) => ui.go({ ...cleared(ui), [name]: run });
    if (runs.length > 300) return ui.input(label, { name, value, options: runs.map((run) => run.name), onchange });
    return ui.select(label, values, { name, value, onchange });
  };
  return ui.fields(side("a", "Run A"), side("b", "Run B"),
    ui.el("button", { type: "button", class: "action swap", onclick: () => ui.go({ a: ui.query().b ?? "", b: ui.query().a ?? "" }) }, "Swap A and B"));
}

/** Every pick but the runs, emptied: another run may not have them. */
function cleared(ui) {
  return Object.fromEntries(Object.keys(ui.query()).filter((name) => name !== "a" && name !== "b").map((name) => [name, ""]));
}

function part(ui, title, ...inside) { return ui.el("section", {}, ui.el("h2", {}, title), inside); }

function runs(ui, data) {
  const fact = (run) => ui.facts([
    ["study", run.study], ["preset", run.preset], ["started", run.started.replace("T", " ").replace("Z", "")],
    ["state", ui.badge(run.state)], ["cells", run.done === run.cells ? ui.count(run.cells) : `${ui.count(run.done)} of ${ui.count(run.cells)}`],
  ], "facts-line");
  return ui.el("div", { class: "sides" }, ["a", "b"].map((side) => ui.el("div", {},
    ui.el("h2", {}, side.toUpperCase(), " ", ui.el("a", { href: ui.address.panel(data[side].name, "overview") }, data[side].name)),
    fact(data[side]))));
}

function config(ui, { differ, same }) {
  const rest = ui.el("p", { class: "legend" }, `${ui.count(same)} ${same === 1 ? "setting is" : "settings are"} the same.`);
  if (!differ.length) return [ui.note("They were started with the same settings and code."), rest];
  const cell = (side) => (row) => (row[side] === null ? ui.el("span", { class: "quiet" }, "not there") : row[side]);
  return [ui.table([
    { name: "name", title: "Setting", cell: (row) => ui.el("code", {}, row.name) },
    { name: "a", title: "A", cell: cell("a") }, { name: "b", title: "B", cell: cell("b") },
  ], differ, { name: "Settings that differ" }), rest];
}

function findings(ui, rows) {
  if (!rows.length) return ui.note("Neither run has findings yet.");
  const side = (name) => (row) => {
    const one = row[name];
    if (!one) return ui.el("span", { class: "quiet" }, "not there");
    return [ui.badge(one.verdict), " ", ui.el("strong", {}, one.number), " ", ui.el("span", { class: "ends" }, one.ends), " ", ui.el("span", { class: "unit" }, one.unit)];
  };
  const changed = rows.filter((row) => row.change === "verdict").length;
  const table = ui.table([
    { name: "claim", title: "Claim", cell: (row) => [ui.el("span", { class: "sentence" }, row.claim), row.control ? ui.el("span", { class: "control" }, "control") : null,
      ui.el("span", { class: "small" }, " ", ui.el("code", {}, row.id))] },
    { name: "a", title: "A", cell: side("a") }, { name: "b", title: "B", cell: side("b") },
    { name: "change", title: "Changed", cell: (row) => (row.change === "verdict" ? ui.el("strong", { class: "changed" }, "≠ verdict") : row.change) },
  ], rows, { name: "Findings of both runs" });
  return [ui.el("p", { class: "intro" }, changed ? `${ui.count(changed)} of ${ui.count(rows.length)} verdicts changed.` : "No verdict changed."), table];
}

function plot(lines, title) {
  const values = lines.map((line, place) => ({
    place: String(place), label: line.label, difference: line.difference, low: line.low, high: line.high, seeds: line.seeds, a: line.a, b: line.b,
    interval: line.low === null ? "from one seed" : line.clear ? "without 0" : "with 0",
  })).filter((line) => line.difference !== null);
  const names = Object.fromEntries(values.map((line) => [line.place, line.label]));
  const y = { field: "place", type: "nominal", sort: null, title: null,
    axis: { labelExpr: `${JSON.stringify(names)}[datum.value]`, labelLimit: 380, ticks: false } };
  const x = { field: "difference", type: "quantitative", title, scale: { zero: true } };
  const colour = { field: "interval", type: "nominal", legend: { title: "interval" },
    scale: { domain: ["without 0", "with 0", "from one seed"], range: [COLOURS.clear, COLOURS.open, COLOURS.open] } };
  const shape = { ...colour, scale: { domain: colour.scale.domain, range: ["circle", "circle", "diamond"] } };
  const tooltip = ["label", "difference", "low", "high", "a", "b", "seeds"].map((field) => ({ field }));
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", height: { step: 19 }, autosize: { type: "fit-x", contains: "padding" },
    data: { values },
    layer: [
      { mark: { type: "rule", color: "currentColor", strokeWidth: 1 }, data: { values: [{}] }, encoding: { x: { datum: 0, type: "quantitative" } } },
      { mark: { type: "rule", strokeWidth: 2 }, encoding: { y, x: { ...x, field: "low" }, x2: { field: "high" }, color: colour } },
      { mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { y, x, color: colour, shape, tooltip } },
    ],
  };
}

function title(found, query) {
  if (found.table === "beliefs") return TITLES[query.value] ?? TITLES.credence;
  return found.unit && found.unit !== "pure number" ? `A − B, ${found.unit}` : "A − B";
}

function filters(ui, found) {
  const query = ui.query();
  const set = (name) => (value) => ui.go({ [name]: value, offset: "" });
  const pick = (name) => ui.select(name, [["", "all"], ...found.options[name]], { name, value: query[name] ?? "", onchange: set(name) });
  const names = Object.keys(found.options).filter((name) => name !== "unit" && found.options[name].length > 1);
  return ui.fields(
    ui.select("Table", ["beliefs", "measures"], { name: "table", value: found.table, onchange: (table) => ui.go({ ...cleared(ui), table }) }),
    found.table === "beliefs" ? ui.select("Number", [["credence", "credence"], ["log_odds", "log-odds"]], { name: "value", value: query.value ?? "credence", onchange: set("value") }) : null,
    found.units.length > 1 ? ui.select("Unit", found.units.map(([unit, many]) => [unit, `${unit} (${ui.count(many)})`]), { name: "unit", value: found.unit, onchange: set("unit") }) : null,
    names.map(pick),
    ui.select("Times", [["", "together"], ["apart", "apart"]], { name: "times", value: query.times === "apart" ? "apart" : "", onchange: set("times") }),
    ui.select("Order", SORTS, { name: "sort", value: query.sort ?? "size", onchange: set("sort") }));
}

function told(ui, found) {
  const of = (many, one, more) => `${ui.count(many)} ${many === 1 ? one : more}`;
  const alone = found.only.a + found.only.b;
  const damaged = found.damaged.a + found.damaged.b;
  return ui.el("p", { class: "intro" },
    `${of(found.paired, "pair", "pairs")} of rows; ${of(found.total, "difference", "differences")}, ${ui.count(found.clear)} with an interval without 0. `,
    alone ? `${of(found.only.a, "row", "rows")} only in A, ${ui.count(found.only.b)} only in B. ` : "Every row has its pair. ",
    found.missing ? `${of(found.missing, "pair lacks", "pairs lack")} a finite number on one side and ${found.missing === 1 ? "is" : "are"} left out. ` : "",
    damaged ? ui.el("span", { class: "failed" }, `${of(damaged, "damaged cell is", "damaged cells are")} left out.`) : null);
}

async function differences(ui, place, found) {
  const columns = [
    { name: "label", title: "Of", cell: (line) => line.label },
    { name: "difference", title: "A − B", kind: "number" },
    { name: "low", title: "95 % interval", kind: "number", cell: (line) => (line.low === null ? "–" : `${ui.number(line.low)} to ${ui.number(line.high)}`) },
    { name: "a", title: "A", kind: "number" }, { name: "b", title: "B", kind: "number" },
    { name: "seeds", title: "Seeds", kind: "number" }, { name: "pairs", title: "Pairs", kind: "number" },
    { name: "missing", title: "Missing", kind: "number" },
  ];
  const chart = ui.el("figure", {});
  const turn = ui.pager({ offset: found.offset, limit: found.limit, shown: found.lines.length, total: found.total, onMove: (next) => ui.go({ offset: next || "" }) });
  ui.fill(place, filters(ui, found), told(ui, found),
    found.lines.length ? [turn, chart, ui.table(columns, found.lines, { name: "Differences", firstRow: found.offset, rowCount: found.total })]
      : ui.note(found.refused || `No ${found.table} of the two runs have a pair here.`),
    found.lines.length ? ui.el("p", { class: "legend" }, "Dot and line: mean over seeds of A − B and its 95 % interval by Student; within a seed all pairs are averaged. One seed has no interval.") : null,
    single(ui, found));
  if (found.lines.some((line) => line.difference !== null)) await ui.chart(chart, plot(found.lines, title(found, ui.query())), { name: "differences", title: "Differences", zoom: false });
  else chart.remove();
}

function single(ui, found) {
  if (!found.single_total) return null;
  const names = Object.keys(found.single[0]).filter((name) => !["run", "seeds", "rows"].includes(name));
  const columns = [{ name: "run", title: "Only in" }, ...names.map((name) => ({ name })), { name: "seeds", title: "Seeds", kind: "number" }, { name: "rows", title: "Rows", kind: "number" }];
  const more = found.single_total - found.single.length;
  return ui.el("details", { class: "single", open: found.total === 0 },
    ui.el("summary", {}, `What only one run has: ${ui.count(found.single_total)} ${found.single_total === 1 ? "line" : "lines"}`),
    ui.table(columns, found.single, { name: "What only one run has" }),
    more > 0 ? ui.el("p", { class: "left-out" }, `${ui.count(more)} more lines are counted above and not listed.`) : null);
}

export async function show(root, load, ui) {
  const head = ui.el("div", {});
  const body = ui.el("div", {});
  const table = ui.el("div", {});
  root.append(head, body, part(ui, "Differences", table));
  let shown = "";
  let asked = 0;

  await ui.watch(async (query) => {
    const mine = ++asked;
    const { a = "", b = "" } = query;
    const differ = table.parentElement;
    differ.hidden = !(a && b);
    try {
      if (shown !== `${a}\n${b}`) {
        const data = await load(a && b ? { a, b } : {});
        if (mine !== asked) return;
        ui.fill(head, picks(ui, data.runs));
        ui.fill(body, data.a ? [runs(ui, data), part(ui, "Settings", config(ui, data.config)), part(ui, "Findings", findings(ui, data.findings))]
          : ui.note(data.runs.length > 1 ? "Pick two runs." : "There are not two runs here to compare."));
        shown = `${a}\n${b}`;
      }
      if (!(a && b)) return;
      table.setAttribute("aria-busy", "true");
      if (!table.childElementCount) ui.fill(table, ui.note("Pairing …"));
      const found = await load({ ...query, part: "differences" });
      if (mine !== asked) return;
      await differences(ui, table, found);
    } catch (error) {
      if (mine !== asked) return;
      if (shown !== `${a}\n${b}`) { await again(ui, load, head); ui.fill(body, ui.failure(error)); differ.hidden = true; }
      else ui.fill(table, ui.failure(error), ui.el("p", {}, ui.el("button", { type: "button", class: "action", onclick: () => ui.go(cleared(ui)) }, "Without any pick")));
    } finally {
      if (mine === asked) table.setAttribute("aria-busy", "false");
    }
  });
}

/** After a wrong address: the picks at least, so that another run can be chosen. */
async function again(ui, load, head) {
  try { ui.fill(head, picks(ui, (await load({})).runs)); } catch { head.replaceChildren(); }
}
