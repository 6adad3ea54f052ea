// The list of runs: search, sort, open.

const LIMIT = 100;

const COLUMNS = [
  { name: "name", title: "Run" }, { name: "study", title: "Study" }, { name: "preset", title: "Preset" },
  { name: "state", title: "State" }, { name: "claims", title: "Claims" }, { name: "started", title: "Started" },
  { name: "cells", title: "Cells", kind: "number" },
];

const KEY = {
  claims: (run) => (run.claims.holds ?? 0) * 1e6 - (run.claims.fails ?? 0) * 1e3 - (run.claims.unresolved ?? 0),
  cells: (run) => run.done,
};

function sorted(runs, by, down) {
  const key = KEY[by] ?? ((run) => String(run[by]));
  const order = (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);
  return [...runs].sort((a, b) => (down ? order(b, a) : order(a, b)));
}

function matches(run, words) {
  const counted = (label, verdicts) => Object.entries(verdicts).map(([verdict, many]) => `${many} ${label}${verdict}`);
  const all = [run.name, run.study, run.preset, run.state, run.started, ...counted("", run.claims), ...counted("control ", run.controls)];
  const text = all.join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Where two picked runs are compared, the older one first; or how many to pick. */
function compared(ui, picked, runs) {
  const found = runs.filter((run) => picked.has(run.name)).sort((one, two) => (one.started < two.started ? -1 : 1));
  if (!found.length) return null;
  if (found.length !== 2) return ui.el("span", { class: "small" }, found.length === 1 ? "Pick one more run to compare." : "Two runs are compared at a time.");
  return ui.el("a", { href: ui.address.page("compare", { a: found[0].name, b: found[1].name }) }, `Compare ${found[0].name} with ${found[1].name}`);
}

export async function show(root, load, ui) {
  const first = await load();
  let { folder, runs, unnamed } = first;
  const list = ui.el("div", {});
  const search = ui.input("Search", { type: "search", value: ui.query().search ?? "", name: "search",
    placeholder: "study, preset, date, verdict, state",
    oninput: ui.settled((text) => ui.go({ search: text, offset: "" }, { replace: true })) });
  const intro = ui.el("p", { class: "intro" });
  const chosen = ui.el("p", { class: "chosen" });
  const picked = new Set();
  root.append(intro, ui.fields(search), chosen, list);

  const draw = ({ search: text = "", sort = "started", order = "down", offset: from = "" }) => {
    const odd = unnamed ? `; ${ui.count(unnamed)} more have names that are no UTF-8: rename their folders` : "";
    ui.fill(intro, `${ui.count(runs.length)} ${runs.length === 1 ? "run" : "runs"} in ${folder}${odd}`);
    ui.redraw(chosen, compared(ui, picked, runs));
    const found = sorted(runs.filter((run) => matches(run, text.toLowerCase().split(/\s+/).filter(Boolean))), sort, order === "down");
    const offset = Math.min(Math.max(0, Number.parseInt(from, 10) || 0), Math.max(0, found.length - 1));
    const shown = found.slice(offset, offset + LIMIT);
    const pick = { name: "pick", title: "Compare",
      cell: (run) => ui.el("input", { type: "checkbox", name: `pick ${run.name}`, checked: picked.has(run.name), "aria-label": `Compare ${run.name}`,
        onchange: (event) => {
          picked[event.target.checked ? "add" : "delete"](run.name);
          ui.fill(chosen, compared(ui, picked, runs));
        } }) };
    const columns = COLUMNS.map((column) => ({
      ...column,
      sort: column.name === sort ? (order === "down" ? "descending" : "ascending") : null,
      onSort: () => ui.go({ sort: column.name, order: column.name === sort && order === "down" ? "up" : "down", offset: "" }),
      cell: {
        name: (run) => ui.el("a", { href: ui.address.panel(run.name, "overview") }, run.name),
        state: (run) => [ui.badge(run.state), run.error ? ui.el("span", { class: "small" }, run.error) : null],
        claims: (run) => ui.verdicts(run.claims),
        started: (run) => ui.el("span", { class: "ends" }, ui.when(run.started)),
        cells: (run) => (run.flight ? ui.flight(run) : run.done === run.cells ? ui.count(run.cells) : `${ui.count(run.done)} of ${ui.count(run.cells)}`),
      }[column.name],
    }));
    const turn = found.length > LIMIT
      ? ui.pager({ offset, limit: LIMIT, shown: shown.length, total: found.length, onMove: (next) => ui.go({ offset: next || "" }) })
      : null;
    ui.redraw(list, turn, found.length ? ui.table(ui.copy || runs.length < 2 ? columns : [...columns, pick], shown, { name: "Runs", firstRow: offset, rowCount: found.length })
      : ui.note(runs.length ? "No run matches." : "There are no runs here yet: doxa run context-drift --preset quick makes one."));
  };
  await ui.watch(draw);
  ui.follow(load, (data) => { ({ folder, runs, unnamed } = data); draw(ui.query()); }, first);
}
