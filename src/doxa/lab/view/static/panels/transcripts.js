// Conversations: a list with search and filters; one with its turns, beside those that begin as it does.
import { conversation } from "../talk.js";

const LIMIT = 50;
const FILTERS = ["condition", "seed", "subject", "finish"];

// a long name is cut by its look alone, so that it can still be read and copied whole
function clamp(ui, names) { return ui.el("span", { class: "clamp" }, names.filter(Boolean).join(", ")); }

function columns(ui, query, talks) {
  const searched = Boolean(query.search);
  const some = (name) => talks.some((talk) => (Array.isArray(talk[name]) ? talk[name].some(Boolean) : talk[name]));
  return [
    { name: "name", title: "Conversation", cell: (row) => [
      ui.el("a", { class: "clamp", href: ui.address.panel(ui.run, "transcripts", { ...query, talk: row.id }) }, row.name.trim() ? row.name : "(no name)"),
      ui.el("span", { class: "opening" }, row.opening)] },
    { name: "condition", title: "Condition", cell: (row) => clamp(ui, [row.condition]) }, { name: "seed", title: "Seed", kind: "number" },
    { name: "subjects", title: "Subject", cell: (row) => clamp(ui, row.subjects) },
    { name: "messages", title: "Messages", kind: "number" },
    ...(searched ? [{ name: "found", title: "Found in", kind: "number" }] : []),
    { name: "letters", title: "Letters", kind: "number" },
    ...(some("tokens") ? [{ name: "tokens", title: "Tokens", kind: "number" }] : []),
    ...(some("finishes") ? [{ name: "finishes", title: "Finish", cell: (row) => clamp(ui, row.finishes) }] : []),
  ];
}

async function list(root, load, ui) {
  const place = ui.el("div", { "aria-busy": "true" });
  const query = ui.query();
  const search = ui.input("Search in texts", { type: "search", name: "search", value: query.search ?? "", placeholder: "part of a message or name",
    oninput: ui.settled((text) => ui.go({ search: text, offset: "" }, { replace: true }), 300) });
  const picks = ui.el("div", { class: "fields" });
  root.append(ui.fields(search, picks), place);
  load({ picks: 1 }).then((found) => ui.fill(picks, found.picks.filter((pick) => pick.options.length > 2).map((pick) =>
    ui.select(pick.label, pick.options, { value: ui.query()[pick.name] ?? "", name: pick.name,
      onchange: (value) => ui.go({ [pick.name]: value, offset: "" }) }))))
    .catch((error) => ui.fill(picks, ui.failure(error)));
  let asked = 0;
  return async (wanted) => {
    const mine = ++asked;
    const kept = Object.fromEntries([...FILTERS, "search"].map((name) => [name, wanted[name] ?? ""]).filter(([, value]) => value !== ""));
    const offset = Math.max(0, Number.parseInt(wanted.offset ?? "0", 10) || 0);
    place.setAttribute("aria-busy", "true");
    try {
      const page = await load({ ...kept, offset, limit: LIMIT });
      if (mine !== asked) return;
      ui.fill(place, ui.pager({ offset, limit: LIMIT, shown: page.talks.length, total: page.total, onMove: (next) => ui.go({ offset: next || "" }) }),
        page.talks.length ? ui.table(columns(ui, kept, page.talks), page.talks, { name: "Conversations", firstRow: offset, rowCount: page.total ?? -2 })
          : ui.note("No conversation matches."));
    } catch (error) {
      if (mine === asked) ui.fill(place, ui.failure(error));
    }
    place.setAttribute("aria-busy", "false");
  };
}

export async function show(root, load, ui) {
  const listed = ui.el("div", {});
  const opened = ui.el("div", { class: "opened" });
  root.append(listed, opened);
  let turn = null;
  let close = null;
  let open = "";
  await ui.watch(async (query) => {
    listed.hidden = Boolean(query.talk);
    const key = query.talk ? `${query.talk} ${query.beside ?? ""}` : "";
    if (key !== open) {
      close?.();
      close = null;
      const place = ui.el("div", {});
      opened.replaceChildren(place);
      open = key;
      if (query.talk) {
        try {
          const shown = await conversation(place, load, ui, query);
          if (open === key) close = shown;
          else shown();
        } catch (error) {
          ui.fill(place, ui.failure(error));
        }
      }
    }
    if (!query.talk) {
      turn ??= await list(listed, load, ui);
      await turn(query);
    }
  });
}
