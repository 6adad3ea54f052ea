// The run's figures; one is read when it comes into sight.

function rowsOf(spec) {
  const sets = [...Object.values(spec.datasets ?? {}), spec.data?.values].filter(Array.isArray);
  const found = sets.flat().filter((row) => row && typeof row === "object");
  if (found.length) return found;
  return ["layer", "hconcat", "vconcat", "concat", "spec"].flatMap((key) =>
    [spec[key]].flat().filter((part) => part && typeof part === "object").flatMap(rowsOf));
}

async function draw(figure, name, load, ui) {
  try {
    const { title, caption, spec } = await load({ figure: name });
    const place = ui.el("div", {});
    ui.fill(figure, ui.el("figcaption", {}, ui.el("h2", {}, title), caption ? ui.el("p", {}, caption) : null), place);
    await ui.chart(place, spec, { name, title, pick: true });
    const plot = place.querySelector(".plot");
    if (plot && plot.scrollWidth > plot.clientWidth) figure.classList.add("wide"); // it needs both columns
    const table = ui.rowsFold(rowsOf(spec), title);
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
