// What all panels draw with. Foreign text reaches the page as text nodes only; nothing here parses HTML.

import * as site from "./site.js";

const SVG = "http://www.w3.org/2000/svg";

// what a reader would not see, as lab/report/markup.py lists it: spelt out instead
const HIDDEN = "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5" +
  "\\u180b-\\u180f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0d\\ufeff\\uffa0" +
  "\\ufff0-\\ufffb\\ufffe\\uffff\\u{d800}-\\u{dfff}\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}";
const MARK = "[\\u0300-\\u034e\\u0350-\\u036f\\u0483-\\u0489\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20ff\\ufe20-\\ufe2f]";
const UNSEEN = new RegExp(`[${HIDDEN}]|(?<=${MARK}{8})${MARK}+`, "gu");
const ONLY_MARKS = new RegExp(`^${MARK}+$`, "u");

function spelt(found) {
  if ([...found].length > 1 || ONLY_MARKS.test(found)) return `⟨${[...found].length} marks⟩`;
  const code = found.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "␡" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** Text with every unseen character spelt out. */
export function visible(raw) { return String(raw).replace(UNSEEN, spelt); }

/** Nodes of a text: unseen characters are spelt out and set apart. */
function textNodes(raw) {
  const text = String(raw);
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > from) nodes.push(document.createTextNode(text.slice(from, match.index)));
    const mark = document.createElement("span");
    mark.className = "unseen";
    mark.textContent = spelt(match[0]);
    nodes.push(mark);
    from = match.index + match[0].length;
  }
  if (from < text.length) nodes.push(document.createTextNode(text.slice(from)));
  return nodes;
}

// elements and attributes that may be made; no handlers, no styles, no foreign addresses
const TAGS = new Set(("a article aside b button caption canvas code dd details dialog div dl dt em figcaption figure " +
  "form h1 h2 h3 h4 header input label legend fieldset li main nav ol optgroup option output p pre progress section " +
  "select small span strong sub summary sup table tbody td th thead time tr ul datalist").split(" "));
const SHAPES = new Set("circle g line path polygon polyline rect svg text title tspan".split(" "));
const ATTRIBUTES = new Set(("aria-busy aria-controls aria-current aria-describedby aria-expanded aria-hidden aria-keyshortcuts " +
  "aria-label aria-labelledby aria-live aria-modal aria-pressed aria-rowcount aria-rowindex aria-selected aria-sort aria-valuemax " +
  "aria-valuemin aria-valuenow aria-valuetext autocomplete checked class cols colspan cx cy d dir disabled download dx dy for " +
  "headers height hidden href id lang list max maxlength method min name open opacity placeholder points r rel role rows rx scope " +
  "selected spellcheck step tabindex text-anchor title transform type value viewBox width wrap x x1 x2 y y1 y2").split(" "));

/**
 * Make an element. Children are nodes, texts, numbers, lists of these, or null.
 * In attributes, a function under "onclick" and the like is a listener (a property of the node, never an attribute);
 * "data" is an object of data-* values; false, null and undefined leave an attribute out.
 */
export function el(tag, attributes = {}, ...children) {
  const drawn = SHAPES.has(tag);
  if (!drawn && !TAGS.has(tag)) throw new Error(`ui.el: no element ${tag}`);
  const node = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function" && name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") for (const [key, inner] of Object.entries(value)) node.dataset[key] = String(inner);
    else if (!ATTRIBUTES.has(name)) throw new Error(`ui.el: no attribute ${name}`);
    else if (name === "href" && !isOwn(String(value))) throw new Error(`ui.el: no link to ${value}`);
    else node.setAttribute(name, value === true ? "" : visible(value));
  }
  append(node, children);
  return node;
}

// addresses of this site, parts of this page, relative files of an export, saved pictures, and arXiv
function isOwn(address) {
  return /^(?:[/#?](?![/\\])|\.{1,2}\/|blob:|data:image\/png;base64,|https:\/\/arxiv\.org\/abs\/[0-9]{4}\.[0-9]{4,5}(?:v[0-9]+)?$)/.test(address);
}

function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child);
    else if (child instanceof Node) node.appendChild(child);
    else node.append(...textNodes(child));
  }
}

/** Put children in the place of what a node held. */
export function fill(node, ...children) { node.replaceChildren(); append(node, children); return node; }

/** A number as text: a few significant digits, ∞ and – where it is not finite or missing; 1.000 is near 1, 1 is 1. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || value === "") return "–";
  const known = Number(value);
  if (Number.isNaN(known)) return "–";
  if (!Number.isFinite(known)) return known > 0 ? "∞" : "−∞";
  if (Number.isInteger(known) && Math.abs(known) < 1e15) return known.toLocaleString("en-GB").replace("-", "−");
  const rounded = known.toPrecision(digits);
  const near = Number.isInteger(Number(rounded)) && !rounded.includes("e");
  return (near ? rounded : String(Number(rounded))).replaceAll("-", "−");
}

/** A whole number with its thousands set apart. */
export function count(value) { return Number(value).toLocaleString("en-GB"); }

/** A long text with its beginning in sight and the rest folded; a short one as it is. */
export function fold(raw, most = 40) {
  const letters = [...String(raw ?? "")];
  if (letters.length <= most) return letters.join("");
  return el("details", { class: "fold" }, el("summary", {}, `${letters.slice(0, most).join("")}…`), letters.join(""));
}

/** A verdict as a sign and a word. */
export function badge(verdict, words = verdict) {
  const [tone, sign] = { holds: ["good", "✓"], fails: ["bad", "✗"], unresolved: ["open", "?"], finished: ["good", "✓"],
    "at work": ["open", "…"], stopped: ["bad", "■"], damaged: ["bad", "!"] }[verdict] ?? ["", "·"];
  return el("span", { class: `badge ${tone}` }, el("span", { "aria-hidden": "true" }, sign), " ", words);
}

/** How many findings have each verdict, as badges. */
export function verdicts(counted) {
  const words = { holds: "hold", fails: "fail" };
  return ["holds", "fails", "unresolved"].filter((verdict) => counted[verdict])
    .map((verdict) => [badge(verdict, `${count(counted[verdict])} ${counted[verdict] === 1 ? verdict : words[verdict] ?? verdict}`), " "]);
}

/** A time of the manifest as readers write it. */
export function when(time) { return time ? time.replace("T", " ").replace(/Z$/, " UTC") : "–"; }

/** Labels and values: [[label, value], …]. */
export function facts(pairs, kind = "facts-list") {
  return el("dl", { class: kind }, pairs.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))));
}

/** What is said where there is nothing, or while it comes. */
export function note(text) { return el("p", { class: "note", role: "status" }, text); }

/** What is said where something failed. */
export function failure(error) { return el("p", { class: "failed", role: "alert" }, error?.message ?? String(error)); }

/**
 * A table. columns: [{name, title, kind: "text" | "number", cell: (row) => child, sort: "ascending" | …, onSort}]; without
 * "cell" a row's own value under "name" is shown.
 */
export function table(columns, rows, { name = "Table", firstRow = 0, rowCount = rows.length } = {}) {
  const head = columns.map((column) => {
    const label = column.onSort
      ? el("button", { type: "button", class: "sorts", onclick: column.onSort }, column.title ?? column.name,
        el("span", { "aria-hidden": "true" }, { ascending: " ▲", descending: " ▼" }[column.sort] ?? ""))
      : column.title ?? column.name;
    return el("th", { scope: "col", class: column.kind === "number" ? "right" : null, "aria-sort": column.sort }, label);
  });
  const body = rows.map((row, index) => el("tr", { tabindex: "-1", "aria-rowindex": firstRow + index + 2, data: { row: firstRow + index } },
    columns.map((column) => el("td", { class: column.kind === "number" ? "right" : null },
      column.cell ? column.cell(row) : column.kind === "number" ? number(row[column.name]) : row[column.name]))));
  return el("div", { class: "scroll", role: "region", "aria-label": name, tabindex: "0" },
    el("table", { class: "sheet", "aria-rowcount": rowCount + 1 },
      el("thead", {}, el("tr", {}, head)), el("tbody", {}, body)));
}

/** A fold with the numbers behind a picture as a table, which is made when it is opened; null where there are none. */
export function rowsFold(rows, title, most = 500) {
  if (!rows.length) return null;
  const folded = el("details", {}, el("summary", {}, "Data as table"));
  folded.addEventListener("toggle", () => {
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => !name.startsWith("_"));
    const columns = names.map((name) => ({ name, title: name === "endless" ? "infinite" : name,
      kind: rows.some((row) => typeof row[name] === "number") ? "number" : "text",
      cell: ({ [name]: value }) => (typeof value === "number" || value === null || value === undefined ? number(value) : String(value)) }));
    append(folded, [table(columns, rows.slice(0, most), { name: `Data of ${title}`, rowCount: rows.length }),
      rows.length > most ? el("p", { class: "left-out" }, `${count(rows.length - most)} more rows are not listed.`) : null]);
  }, { once: true });
  return folded;
}

/** Turn over pages: {offset, limit, shown, total (null while unknown), onMove(offset)}. Arrow keys press its buttons. */
export function pager({ offset, limit, shown, total, onMove }) {
  const last = total === null || total === undefined ? null : Math.max(0, Math.floor((total - 1) / limit) * limit);
  const end = offset + shown;
  const more = last === null ? shown === limit : offset < last;
  const button = (words, label, place, off, key) => el("button",
    { type: "button", "aria-label": label, disabled: off, data: { page: key }, onclick: () => onMove(place) }, words);
  const where = shown ? `${count(offset + 1)}–${count(end)}` : "0";
  return el("nav", { class: "pager", "aria-label": "Rows" },
    button("«", "First page", 0, offset === 0, "first"),
    button("‹ Back", "Page before", Math.max(0, offset - limit), offset === 0, "before"),
    el("span", { role: "status" }, `${where} of ${total === null || total === undefined ? "…" : count(total)}`),
    button("Next ›", "Next page", offset + limit, !more, "next"),
    button("»", "Last page", last ?? 0, last === null || offset >= last, "last"));
}

/** A choice with its label: options are texts, or [value, words]. */
export function select(label, options, { value = "", onchange = null, name = label } = {}) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const box = el("select", { name, onchange: (event) => onchange?.(event.target.value) });
  for (const [inner, words] of pairs) box.append(Object.assign(el("option", {}, words), { value: String(inner) }));
  box.value = String(value);
  return el("label", { class: "field" }, el("span", {}, label), box);
}

/** A field for text with its label; with options it suggests them. onchange is told when the text is settled. */
export function input(label, { value = "", type = "text", options = null, onchange = null, oninput = null, placeholder = "", name = label } = {}) {
  const list = options ? el("datalist", { id: `list-${name}` }) : null;
  for (const option of options ?? []) list.append(Object.assign(el("option", {}), { value: String(option) }));
  const box = el("input", { type, name, placeholder, autocomplete: "off", spellcheck: "false", list: list ? list.id : null,
    onchange: (event) => onchange?.(event.target.value), oninput: (event) => oninput?.(event.target.value) });
  box.value = String(value);
  return el("label", { class: "field" }, el("span", {}, label), box, list);
}

/** Fields in a row. */
export function fields(...inside) { return el("div", { class: "fields", role: "group", "aria-label": "Filters" }, inside); }

/** Where pages are; whether this is a copy without a server. */
export const address = site.address;
export const copy = site.copy;

/** A query as it stands behind an address; what is empty is left out. */
export function search(query) { return site.search(query); }

/** The page's own query, as an object. */
export function query() { return site.query(); }

const watchers = [];

/** Call with the page's query now and whenever it changes, so that a link shows the same. */
export async function watch(render) {
  watchers.push(render);
  await render(query());
}

/** Change the page's query: names with "" are removed. It is kept in the address; "replace" makes no step back. */
export async function go(changes, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", site.address.here({ ...query(), ...changes }));
  for (const render of watchers) await render(query());
}

window.addEventListener("popstate", async () => {
  const now = query();
  // fields that stay in place while the address goes a step back; a choice without that option keeps its own
  for (const box of document.querySelectorAll(".field select, .field input:is([type=text], [type=search])")) {
    const value = now[box.name] ?? "";
    if (!box.options || [...box.options].some((option) => option.value === value)) box.value = value;
  }
  for (const render of watchers) await render(now);
});

/** Wait until nothing was asked for a while, then do the last thing asked. */
export function settled(action, wait = 200) {
  let clock = 0;
  return (...values) => { clearTimeout(clock); clock = setTimeout(() => action(...values), wait); };
}

/**
 * Ask again and again, as long as the page is looked at, and draw what changed; a copy without a server never does.
 * An answer that cannot be had changes nothing: the server may be back in a moment.
 */
export function follow(load, draw, first = null, every = 2000) {
  if (copy) return;
  let last = first === null ? "" : JSON.stringify(first);
  let asking = false;
  const look = async () => {
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await load();
      const text = JSON.stringify(answer);
      if (text !== last) { last = text; draw(answer); }
    } catch { /* asked again in a moment */ } finally { asking = false; }
  };
  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
}

/** Draw anew without taking the focus from whom it stays with: the link, button or field of the same place. */
export function redraw(node, ...children) {
  const here = node.contains(document.activeElement) ? document.activeElement : null;
  const told = here && (here.getAttribute("href") ?? here.name ?? here.textContent);
  const same = here && [...node.querySelectorAll(here.tagName)].indexOf(here);
  fill(node, ...children);
  if (!here) return;
  const found = [...node.querySelectorAll(here.tagName)];
  const next = found.find((one) => told && (one.getAttribute("href") ?? one.name ?? one.textContent) === told) ?? found[same];
  next?.focus({ preventScroll: true });
}

/** Seconds as people say them. */
export function duration(seconds) {
  const whole = Math.round(Number(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const ENDS = { failed: "it ended with failures", stopped: "its budget was spent", interrupted: "it was interrupted", killed: "it was killed" };

/** How far a run in flight is, or how it ended: a bar and a few words; with "cells", also what is at work. */
export function flight(run, { cells = false } = {}) {
  const told = run.flight;
  if (!told) return null;
  const share = told.state === "judging" ? 1 : told.share;
  const words = [`${count(told.done)} of ${count(told.total)} cells`,
    told.failed ? `${count(told.failed)} failed` : "", told.state === "judging" ? "judging" : "", ENDS[told.state] ?? "",
    told.left_s === null ? "" : `about ${duration(told.left_s)} left`];
  const bar = el("progress", { max: 1, value: share, "aria-label": `Progress of ${run.name}` }, `${Math.round(share * 100)} %`);
  const line = el("span", { class: "flight" }, bar, " ", el("span", { class: "small" }, words.filter(Boolean).join(", ")));
  if (!cells) return line;
  const rows = told.cells.length ? table([
    { name: "condition", title: "At work" }, { name: "seed", title: "Seed", kind: "number", cell: (cell) => cell.seed },
    { name: "share", title: "Done", cell: (cell) => (cell.share === null ? "" : [el("progress", { max: 1, value: cell.share, "aria-label": `Progress of ${cell.condition} seed ${cell.seed}` }),
      ` ${Math.round(cell.share * 100)} %`]) },
    { name: "note", title: "Says" }, { name: "seconds", title: "For", kind: "number", cell: (cell) => duration(cell.seconds) },
  ], told.cells, { name: "Cells at work" }) : null;
  return [el("p", {}, line), told.error ? el("p", { class: "failed" }, told.error) : null, rows,
    told.more ? el("p", { class: "left-out" }, `${count(told.more)} more cells are at work.`) : null];
}

// ---- charts

let drawing = null;

/** Load Vega once. */
function vega() {
  drawing ??= new Promise((resolve, reject) => {
    if (window.vegaEmbed) { resolve(); return; }
    const script = site.library();
    script.addEventListener("load", () => resolve());
    script.addEventListener("error", () => reject(new Error("the script that draws figures could not be loaded")));
    document.head.append(script);
  });
  return drawing;
}

// by the place each stands in: one that has left the page would go on listening to the window
const views = new Map();

let tip = null;

function point(_handler, event, _item, value) {
  tip ??= document.body.appendChild(el("div", { class: "tip", hidden: true }));
  tip.hidden = value === null || value === undefined || value === "";
  if (tip.hidden) return;
  if (typeof value === "object") {
    fill(tip, Object.entries(value).map(([name, inner]) => el("div", {}, el("span", {}, name), el("strong", {}, inner))));
  } else fill(tip, value);
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = Math.max(8, Math.min(event.clientX + 14, room)) + "px";
  tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 10) + "px";
}

const refuse = () => Promise.reject(new Error("a figure loads nothing from outside"));
const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

/**
 * Draw a Vega-Lite specification into a place; returns its view. It gets the house's theme unless it has its own, a
 * tooltip, buttons that turn zooming on and save it, and, with "pick", boxes that choose which groups are shown.
 */
export async function chart(root, spec, { name = "figure", title = "Figure", zoom = true, saves = true, pick = false } = {}) {
  const place = el("div", { class: "plot", role: "region", "aria-label": title });
  const under = el("div", { class: "under" });
  const state = { zoomed: false, left: new Set(), view: null };
  const whole = { ...spec };

  async function draw() {
    await vega();
    whole.config ??= window.doxaTheme;
    const shown = state.left.size ? without(whole, grouped(whole), state.left) : whole;
    const options = { mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip: point, loader, logLevel: 1 };
    state.view?.finalize();
    for (const [old, view] of views) if (!old.isConnected) { view.finalize(); views.delete(old); }
    const drawn = await embed(place, state.zoomed ? zoomable(shown) : shown, shown, options);
    state.view = drawn.view;
    views.set(place, drawn.view);
    // Vega leaves marks without a name; who cannot see them has the title, and the numbers in the table below
    place.querySelector("svg")?.setAttribute("aria-hidden", "true");
    play(place);
  }

  fill(root, pick ? picks(whole, state.left, draw) : null, place, under);
  try {
    await draw();
    const offers = el("div", { class: "offers" });
    if (zoom && zoomable(whole) !== whole) {
      const button = el("button", { type: "button", "aria-pressed": "false", onclick: async () => {
        state.zoomed = !state.zoomed;
        button.setAttribute("aria-pressed", String(state.zoomed));
        await draw();
      } }, "Zoom");
      offers.append(button, el("span", { class: "hint" }, "wheel zooms, drag moves, double click resets"));
    }
    if (saves) offers.append(...saving(state, name));
    under.append(offers);
    root.dataset.drawn = "true";
    return state.view;
  } catch (error) {
    fill(place, failure(new Error("This figure could not be drawn: " + error.message)));
    root.dataset.drawn = "failed";
    return null;
  }
}

/** The column whose groups are told apart by colour, if there is one. */
function grouped(spec) {
  const found = [spec, ...(spec.layer ?? [])].map((part) => part.encoding?.color).find((color) => color?.field && color.type === "nominal");
  return found?.field ?? null;
}

/** The specification without the rows of some groups. */
function without(spec, field, left) {
  return { ...spec, data: { ...spec.data, values: spec.data.values.filter((row) => !left.has(String(row[field]))) } };
}

/** Boxes, one a group; colours stay, because a house figure names the domain of its colours. */
function picks(spec, left, redraw) {
  const field = grouped(spec);
  const values = Array.isArray(spec.data?.values) ? spec.data.values : [];
  const groups = field ? [...new Set(values.map((row) => row[field]).filter((value) => value !== null && value !== undefined).map(String))] : [];
  if (groups.length < 2 || groups.length > 24) return null;
  return el("fieldset", { class: "picks" }, el("legend", {}, `Shown (${field})`), groups.map((group) => {
    const box = el("input", { type: "checkbox", onchange: () => { left[box.checked ? "delete" : "add"](group); redraw(); } });
    box.checked = true;
    return el("label", {}, box, " ", group);
  }));
}

// a figure whose scales cannot be zoomed is drawn as it is
async function embed(place, first, second, options) {
  try {
    return await window.vegaEmbed(place, first, options);
  } catch (error) {
    if (first === second) throw error;
    return window.vegaEmbed(place, second, options);
  }
}

const CONTINUOUS = new Set(["quantitative", "temporal"]);

/** The specification with an interval selection bound to the scales of its continuous axes. */
function zoomable(spec) {
  if (!("layer" in spec || "mark" in spec) || JSON.stringify(spec.params ?? []).includes('"scales"')) return spec;
  const parts = [spec, ...(spec.layer ?? [])];
  const axes = ["x", "y"].filter((axis) => parts.some((part) => CONTINUOUS.has(part.encoding?.[axis]?.type)) &&
    !parts.some((part) => ["nominal", "ordinal"].includes(part.encoding?.[axis]?.type)));
  if (!axes.length) return spec;
  const parameter = { name: "doxa_zoom", select: { type: "interval", encodings: axes }, bind: "scales" };
  if (!spec.layer) return { ...spec, params: [...(spec.params ?? []), parameter] };
  const carries = spec.layer.findIndex((part) => axes.every((axis) => CONTINUOUS.has((part.encoding?.[axis] ?? spec.encoding?.[axis])?.type)));
  if (carries < 0) return spec;
  const layer = spec.layer.map((part, index) => (index === carries ? { ...part, params: [...(part.params ?? []), parameter] } : part));
  return { ...spec, layer };
}

function save(name, link) { const made = el("a", { href: link, download: name }); made.click(); }

function saving(state, name) {
  const button = (kind, act) => el("button", { type: "button", onclick: act }, "Save " + kind);
  return [
    button("SVG", async () => save(name + ".svg", URL.createObjectURL(new Blob([await state.view.toSVG()], { type: "image/svg+xml" })))),
    button("PNG", async () => save(name + ".png", await state.view.toImageURL("png", 3))),
  ];
}

// A figure whose slider sets its moment gets a button that moves it, once from the beginning to the end.
function play(place) {
  const range = place.querySelector(".vega-bind input[type=range]");
  if (!range) return;
  let clock = 0;
  const button = el("button", { type: "button" }, "Play");
  range.closest(".vega-bind").append(button);
  const say = () => { button.textContent = clock ? "Stop" : "Play"; };
  const stop = () => { clearInterval(clock); clock = 0; say(); };
  const set = (value) => { range.value = value; range.dispatchEvent(new Event("input")); };
  button.addEventListener("click", () => {
    if (clock) { stop(); return; }
    if (Number(range.value) >= Number(range.max)) set(range.min);
    clock = setInterval(() => (Number(range.value) >= Number(range.max) ? stop() : set(Number(range.value) + 1)), 400);
    say();
  });
}
