// A panel of pictures with picks above them; all picks stand in the address, so that a link shows the same.

function field(ui, pick) {
  const onchange = (value) => ui.go({ [pick.name]: value });
  if (pick.more) {
    const options = pick.options.map(([value]) => value).filter((value) => value !== "");
    return ui.input(pick.label, { value: pick.value, options, onchange, placeholder: "all", name: pick.name });
  }
  const options = pick.options.some(([value]) => value === pick.value) ? pick.options : [...pick.options, [pick.value, pick.value]];
  return ui.select(pick.label, options, { value: pick.value, onchange, name: pick.name });
}

// the same fields stay in place while their choices change, so that a reader at the keyboard is not thrown out
function fill(ui, place, picks) {
  const held = document.activeElement?.name;
  ui.fill(place, ui.fields(picks.filter((pick) => pick.options.length > 1 || pick.value !== "").map((pick) => field(ui, pick))));
  if (held) [...place.querySelectorAll("select, input")].find((box) => box.name === held)?.focus();
}

/** Show a panel whose data has picks, pictures and sentences about them. */
export async function picked(root, load, ui) {
  const fields = ui.el("div", { class: "choices" });
  const said = ui.el("div", { role: "status", class: "about" });
  const place = ui.el("div", { class: "pictures" });
  root.append(fields, said, place);
  let asked = 0;

  await ui.watch(async (query) => {
    const mine = ++asked;
    place.setAttribute("aria-busy", "true");
    delete place.dataset.drawn;
    try {
      const data = await load(query);
      if (mine !== asked) return;
      fill(ui, fields, data.picks);
      ui.fill(said, data.about.map((sentence) => ui.el("p", { class: "note" }, sentence)));
      const figures = data.pictures.map((picture) => ({ picture, plot: ui.el("div", {}) }));
      ui.fill(place, figures.map(({ picture, plot }) => ui.el("figure", { data: { name: picture.name } },
        ui.el("figcaption", {}, ui.el("h2", {}, picture.title)), plot, ui.rowsFold(picture.rows ?? picture.spec.data?.values ?? [], picture.title))));
      place.classList.toggle("single", figures.length === 1);
      for (const { picture, plot } of figures) {
        await ui.chart(plot, picture.spec, { name: picture.name, title: picture.title });
        if (mine !== asked) return;
      }
      place.dataset.drawn = String(figures.length);
    } catch (error) {
      if (mine === asked) ui.fill(place, ui.failure(error));
    }
    place.setAttribute("aria-busy", "false");
  });
}
