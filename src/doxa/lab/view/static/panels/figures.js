// The run's figures; one is read when it comes into sight.

const MOST_ROWS = 200;

function rowsOf(spec) {
  const sets = [...Object.values(spec.datasets ?? {}), spec.data?.values].filter(Array.isArray);
  const found = sets.flat().filter((row) => row && typeof row === "object");
  if (found.length) return found;
  return ["layer", "hconcat", "vconcat", "concat", "spec"].flatMap((key) =>
    [spec[key]].flat().filter((part) => part && typeof part === "object").flatMap(rowsOf));
}

function dataTable(ui, spec, title) {
  const rows = rowsOf(spec);
  if (!rows.length) return null;
  const fold = ui.el("details", {}, ui.el("summary", {}, "Data as table"));
  fold.addEventListener("toggle", () => {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => !name.startsWith("_"));
    const shown = ui.table(names.map((name) => ({ name, title: name, cell: (row) => {
      const value = row[name];
      return typeof value === "number" ? ui.number(value) : value === null || value === undefined ? "–" : String(value);
    } })), rows.slice(0, MOST_ROWS), { name: `Data of ${title}` });
    const left = rows.length > MOST_ROWS ? ui.el("p", { class: "left-out" }, `${ui.count(rows.length - MOST_ROWS)} more rows are in the run's folder.`) : null;
    fold.append(shown, ...(left ? [left] : []));
  }, { once: true });
  return fold;
}

async function draw(figure, name, load, ui) {
  try {
    const { title, caption, spec } = await load({ figure: name });
    const place = ui.el("div", {});
    ui.fill(figure, ui.el("figcaption", {}, ui.el("h2", {}, title), caption ? ui.el("p", {}, caption) : null), place);
    await ui.chart(place, spec, { name, title, pick: true });
    const table = dataTable(ui, spec, title);
    if (table) place.querySelector(".under").prepend(table);
  } catch (error) {
    ui.fill(figure, ui.el("figcaption", {}, ui.el("h2", {}, name)), ui.failure(error));
  }
  figure.dataset.done = "true";
}

export async function show(root, load, ui) {
  const { figures } = await load();
  if (!figures.length) { root.append(ui.note("This run has no figures yet.")); return; }
  const all = figures.map((name) => ui.el("figure", { id: `figure-${name}`, data: { name } }, ui.el("div", { class: "plot" }, ui.note("Reading …"))));
  root.append(ui.el("div", { class: "figures" }, all));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target, entry.target.dataset.name, load, ui);
    }
  }, { rootMargin: "400px" });
  for (const figure of all) seen.observe(figure);
}
