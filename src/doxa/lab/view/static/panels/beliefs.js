// The table of beliefs: pages and filters, both kept in the address.

import { fold } from "../ui.js";

const FILTERS = ["condition", "seed", "subject", "proposition", "readout"];
const LIMIT = 100;

const COLUMNS = [
  { name: "condition" }, { name: "seed", kind: "number" }, { name: "subject" }, { name: "proposition" }, { name: "axis" },
  { name: "time", kind: "number" }, { name: "readout" }, { name: "credence", kind: "number" },
  { name: "log_odds", title: "log-odds", kind: "number" }, { name: "n", kind: "number" }, { name: "extra", cell: (row) => (row.extra === "{}" ? "" : fold(row.extra)) },
];

function chosen(query) {
  return Object.fromEntries(FILTERS.map((name) => [name, query[name] ?? ""]).filter(([, value]) => value !== ""));
}

export async function show(root, load, ui) {
  const filters = ui.el("div", {});
  const place = ui.el("div", { "aria-busy": "true" });
  root.append(filters, place);
  let asked = 0;

  await ui.watch(async (query) => {
    const mine = ++asked;
    const where = chosen(query);
    const offset = Math.max(0, Number.parseInt(query.offset ?? "0", 10) || 0);
    try {
      const page = await load({ ...where, offset, limit: LIMIT });
      if (mine !== asked) return;
      const draw = (total) => {
        const turn = () => ui.pager({ offset, limit: LIMIT, shown: page.rows.length, total, onMove: (next) => ui.go({ offset: next || "" }) });
        const columns = COLUMNS.filter(({ name }) => name !== "extra" || page.rows.some((row) => row.extra !== "{}"));
        const table = ui.table(columns, page.rows, { name: "Beliefs", firstRow: offset, rowCount: total ?? -2 });
        ui.fill(place, turn(), page.rows.length ? table : ui.note("No belief matches."));
      };
      draw(page.total);
      if (page.total === null) {
        load({ ...where, total: 1 }).then(({ total }) => { if (mine === asked) draw(total); })
          .catch((error) => { if (mine === asked) place.append(ui.failure(error)); });
      }
    } catch (error) {
      if (mine === asked) ui.fill(place, ui.failure(error));
    }
    place.setAttribute("aria-busy", "false");
  });

  if (ui.copy) return;
  const fields = await Promise.all(FILTERS.map(async (name) => {
    const { values, more } = await load({ values: name });
    const value = ui.query()[name] ?? "";
    const onchange = (next) => ui.go({ [name]: next, offset: "" });
    if (more) return ui.input(name, { value, options: values, onchange, placeholder: "all", name });
    return ui.select(name, [["", "all"], ...values], { value, onchange, name });
  }));
  ui.fill(filters, ui.fields(fields));
}
