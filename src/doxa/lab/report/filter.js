"use strict";
// Letters choose which verdicts are shown; without this script the radio buttons do the same.
(() => {
  const names = { a: "all", h: "holds", f: "fails", u: "unresolved" };
  document.addEventListener("keydown", (event) => {
    const name = names[event.key];
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = document.getElementById("only-" + name);
    choice.click();
    choice.focus();
  });
})();
