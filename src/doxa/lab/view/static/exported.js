// Stands for site.js in an export: answers are in the page itself, the query stands behind #, links lead to files.

const { kind, name } = document.body.dataset;
const held = JSON.parse(document.getElementById("held").textContent);
const { nonce } = document.currentScript;

function kept(query) {
  return Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
}

function key(query) { return JSON.stringify(kept(query).map(([one, value]) => [one, String(value)]).sort(([a], [b]) => (a < b ? -1 : 1))); }

const answers = new Map(held.answers.map(([query, answer, error]) => [key(query), { answer, error }]));

/** A query as it stands behind the address of a file; what is empty is left out. */
export function search(query) {
  const pairs = kept(query);
  return pairs.length ? "#?" + new URLSearchParams(pairs) : "";
}

/** What the Python side of this page answered when the export was made. */
export async function load(query = {}) {
  const found = answers.get(key(query));
  if (found === undefined) throw new Error(`This copy does not hold that. ${held.left} Everything is in: doxa view`);
  if (found.error) throw new Error(found.error);
  return structuredClone(found.answer);
}

/** The module that draws this page. */
export async function drawing() { return need(`${kind}/${name}.js`); }

/** Where pages are. */
export const address = {
  /** Of a panel of a run. */
  panel(run, panel, query = {}) {
    const folder = held.folders[run];
    return folder === undefined ? "#" : `${held.up}run/${folder}/${encodeURIComponent(panel)}.html${search(query)}`;
  },
  /** Of a page about the whole store. */
  page(name, query = {}) { return `${held.up}${name === "runs" ? "index" : name}.html${search(query)}`; },
  /** Of this page with another query. */
  here(query) { return search(query) || "#?"; },
};

let last = {};

/** The page's own query, as an object; a link to a place within the page leaves it as it was. */
export function query() {
  if (location.hash.startsWith("#?")) last = Object.fromEntries(new URLSearchParams(location.hash.slice(2)));
  else if (!location.hash) last = {};
  return { ...last };
}

/** The element that loads the script that draws charts. */
export function library() {
  const script = document.createElement("script");
  script.nonce = nonce;
  script.src = `${held.up}static/vega.js`;
  return script;
}

/** Whether this is a copy without a server, which holds a part only and does not change. */
export const copy = true;
