// Fills the page: finds its script, gives it its data, and listens to the keys.
import { drawing, load } from "./site.js";
import * as ui from "./ui.js";

const { run } = document.body.dataset;
const root = document.getElementById("content");

const KEYS = [["j, k", "next row, row before"], ["Enter", "open the row"], ["←, →", "page before, next page"],
  ["/", "search"], ["g", "list of runs"], ["?", "these keys"]];

function help() {
  const box = document.getElementById("keys") ?? document.body.appendChild(
    ui.el("dialog", { id: "keys", "aria-labelledby": "keys-title" },
      ui.el("h2", { id: "keys-title" }, "Keys"), ui.facts(KEYS),
      ui.el("button", { type: "button", onclick: () => box.close() }, "Close")));
  if (!box.open) box.showModal();
}

function move(step) {
  const rows = [...root.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[Math.max(0, Math.min(rows.length - 1, here < 0 ? 0 : here + step))];
  (row.querySelector("a, button") ?? row).focus();
}

function press(page) { root.querySelector(`[data-page="${page}"]:not(:disabled)`)?.click(); }

const ACTIONS = {
  j: () => move(1), k: () => move(-1), "?": help, g: () => location.assign(ui.address.page("runs")),
  "/": () => root.querySelector("input[type=search], input[type=text]")?.focus(),
  ArrowLeft: () => press("before"), ArrowRight: () => press("next"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, dialog, [data-keys]")) return;
  if (event.key.startsWith("Arrow") && event.target.scrollWidth > event.target.clientWidth) return; // they scroll it
  const action = ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
document.getElementById("help")?.addEventListener("click", help);

try {
  ui.fill(root, ui.note("Reading …"));
  const panel = await drawing();
  root.replaceChildren();
  await panel.show(root, load, { ...ui, run, help });
  document.documentElement.dataset.shown = "true";
} catch (error) {
  ui.fill(root, ui.failure(error));
  document.documentElement.dataset.shown = "failed";
}
