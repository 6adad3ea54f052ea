// Where things are and where answers come from, when a server stands behind the page. An export has exported.js instead.

const { kind, name, run } = document.body.dataset;

/** A query as it stands behind an address; what is empty is left out. */
export function search(query) {
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return kept.length ? "?" + new URLSearchParams(kept) : "";
}

/** What the Python side of this page answers to a query. */
export async function load(query = {}) {
  const place = kind === "panels" ? `/api/run/${encodeURIComponent(run)}/${name}` : `/api/${name}`;
  const response = await fetch(place + search(query), { headers: { accept: "application/json" } });
  const body = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw new Error(body.error ?? `the server answered ${response.status}`);
  return body;
}

/** The module that draws this page. */
export function drawing() { return import(`./${kind}/${name}.js`); }

/** Where pages are. */
export const address = {
  /** Of a panel of a run. */
  panel(run, panel, query = {}) { return `/run/${encodeURIComponent(run)}/${encodeURIComponent(panel)}${search(query)}`; },
  /** Of a page about the whole store. */
  page(name, query = {}) { return `${name === "runs" ? "/" : "/" + name}${search(query)}`; },
  /** Of this page with another query. */
  here(query) { return location.pathname + search(query); },
};

/** The page's own query, as an object. */
export function query() { return Object.fromEntries(new URLSearchParams(location.search)); }

/** The element that loads the script that draws charts. */
export function library() {
  const script = document.createElement("script");
  script.src = "/static/vega.js";
  return script;
}

/** Whether this is a copy without a server, which holds a part only and does not change. */
export const copy = false;
