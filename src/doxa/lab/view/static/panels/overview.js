// State, tally, command, config, provenance.

function tally(ui, label, counted) {
  const found = ui.verdicts(counted);
  return found.length ? ui.el("p", {}, ui.el("span", { class: "quiet" }, label), " ", found) : null;
}

function part(ui, title, ...inside) { return ui.el("section", {}, ui.el("h2", {}, title), inside); }

/** What changes while a run is in flight: its bar and the cells at work. */
function flying(ui, entry) { return entry.flight ? part(ui, "Progress", ui.flight(entry, { cells: true })) : null; }

/** Why cells failed; those that are not finished since. */
function failures(ui, errors) {
  const trace = ({ cell, trace: text }) => ui.el("details", { class: "trace" }, ui.el("summary", {}, cell),
    ui.el("pre", { tabindex: "0", role: "region", "aria-label": `Traceback of ${cell}` }, text));
  return errors.length ? part(ui, "Cells that failed", errors.map(trace)) : null;
}

export async function show(root, load, ui) {
  let data = await load();
  draw(root, ui, data);
  ui.follow(() => load({ part: "flight" }), async (now) => {
    if (now.entry.state !== data.entry.state || now.entry.done !== data.entry.done) {
      data = await load();
      root.replaceChildren();
      draw(root, ui, data);
      return;
    }
    ui.redraw(root.querySelector(".flying"), flying(ui, now.entry));
    if (now.errors.length !== data.errors.length) ui.redraw(root.querySelector(".failures"), failures(ui, now.errors));
    data = { ...data, ...now };
  });
}

function draw(root, ui, data) {
  const { entry } = data;
  const paper = /^arXiv:([0-9]{4}\.[0-9]{4,5}(?:v[0-9]+)?)$/.exec(data.paper);
  root.append(
    ui.el("div", { class: "tally" }, ui.el("p", {}, ui.badge(entry.state)), tally(ui, "claims", entry.claims), tally(ui, "controls", entry.controls)),
    ui.el("div", { class: "flying" }, flying(ui, entry)), ui.el("div", { class: "failures" }, failures(ui, data.errors)),
    ui.facts([
      ["study", entry.study], ["preset", entry.preset],
      ["paper", paper ? ui.el("a", { href: `https://arxiv.org/abs/${paper[1]}`, rel: "noreferrer" }, data.paper) : data.paper || "–"],
      ["cells", entry.done === entry.cells ? ui.count(entry.cells) : `${ui.count(entry.done)} of ${ui.count(entry.cells)} finished`],
      ["seeds", ui.count(data.seeds)], ["conditions", ui.count(data.conditions.length)],
      ...Object.entries(data.rows).map(([name, rows]) => [name, `${ui.count(rows)} rows`]),
      ["started", ui.when(entry.started)], ["finished", ui.when(data.finished)],
      ["wall time", entry.seconds === null ? "–" : `${ui.number(entry.seconds)} s`],
      ...Object.entries(data.asked).map(([address, text]) => [address, text]),
    ], "facts-line"),
    part(ui, "Command", ui.el("pre", { class: "command", tabindex: "0", role: "region", "aria-label": "Command" }, data.command)));
  const damaged = Object.entries(data.damaged);
  if (damaged.length) root.append(part(ui, "Damaged cells", ui.table(
    [{ name: "0", title: "Cell" }, { name: "1", title: "Why" }], damaged, { name: "Damaged cells" })));
  root.append(
    part(ui, "Conditions", ui.el("ul", { class: "names" }, data.conditions.map((name) => ui.el("li", {}, ui.el("code", {}, name))))),
    part(ui, "Configuration", ui.table([
      { name: "field", title: "Field", cell: ([name]) => ui.el("code", {}, name) },
      { name: "value", title: "Value", cell: ([, value]) => (typeof value === "string" ? value : JSON.stringify(value)) },
    ], Object.entries(data.config), { name: "Configuration" })),
    part(ui, "Provenance", ui.facts(Object.entries(data.provenance))));
}
