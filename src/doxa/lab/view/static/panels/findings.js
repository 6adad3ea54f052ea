// Each claim with its number, its interval drawn to scale, and the paper's number.

function bar(ui, finding) {
  const [low, high] = finding.scale;
  const at = (value) => `${Math.max(0, Math.min(1, (value - low) / (high - low))) * 100}%`;
  const line = (x1, x2, kind) => ui.el("line", { x1: at(x1), x2: at(x2), y1: 14, y2: 14, class: kind });
  const parts = [line(low, high, "axis")];
  if (low < 0 && high > 0) parts.push(ui.el("line", { x1: at(0), x2: at(0), y1: 6, y2: 22, class: "zero" }));
  if (finding.interval) parts.push(line(finding.interval[0] ?? low, finding.interval[1] ?? high, "interval"));
  if (finding.estimate !== null) parts.push(ui.el("circle", { cx: at(finding.estimate), cy: 14, r: 4.5, class: "dot" }));
  if (finding.paper !== null) parts.push(ui.el("svg", { x: at(finding.paper), y: 14, overflow: null, class: "at" },
    ui.el("path", { d: "M0 -5L5 0L0 5L-5 0Z", class: "paper" })));
  parts.push(ui.el("text", { x: "0", y: 34, class: "end" }, ui.number(low, 3)),
    ui.el("text", { x: "100%", y: 34, "text-anchor": "end", class: "end" }, ui.number(high, 3)));
  return ui.el("svg", { class: "bar", width: "100%", height: 38, role: "img",
    "aria-label": [finding.number, finding.unit, finding.ends].filter(Boolean).join(" ") }, parts);
}

export async function show(root, load, ui) {
  const data = await load();
  draw(root, ui, data);
  ui.follow(load, (now) => { root.replaceChildren(); draw(root, ui, now); }, data);
}

function draw(root, ui, { findings }) {
  if (!findings.length) { root.append(ui.note("No findings yet: they are judged when all cells are finished.")); return; }
  const paper = findings.some((finding) => finding.paper !== null);
  const columns = [
    { name: "verdict", title: "Verdict", cell: (row) => [ui.badge(row.verdict), row.control ? ui.el("span", { class: "control" }, "control") : null] },
    { name: "claim", title: "Claim", cell: (row) => [ui.el("span", { class: "sentence" }, row.claim),
      ui.el("span", { class: "small" }, ui.el("code", {}, row.id), " ", ui.el("span", { class: "note" }, row.note))] },
    { name: "number", title: "Estimate", cell: (row) => [ui.el("strong", {}, row.number), " ", ui.el("span", { class: "ends" }, row.ends), " ",
      ui.el("span", { class: "unit" }, row.unit),
      ui.el("span", { class: "small" }, [row.interval ? `${ui.number(row.level * 100)} % interval` : "", row.n ? `n = ${ui.count(row.n)}` : "",
        row.bound ? `bound ${row.bound}` : ""].filter(Boolean).join(", "))] },
    { name: "drawn", title: "Interval", cell: (row) => (row.estimate !== null || row.interval ? bar(ui, row) : null) },
    ...(paper ? [{ name: "paper", title: "Paper", kind: "number", cell: (row) => row.paper_number }] : []),
  ];
  const drawn = ui.table(columns, findings, { name: "Findings" });
  drawn.querySelector("table").classList.add("verdicts");
  root.append(drawn, ui.el("p", { class: "legend" },
    `Dot and line: estimate and interval.${paper ? " Diamond: the paper's number." : ""} A control holds when the effect is absent.`));
}
