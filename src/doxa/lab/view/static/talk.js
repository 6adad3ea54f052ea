// One conversation, as many turns as it has: only those near the window are in the page.
// Questions asked off the path stand beside the turn after which they leave; forks stand beside the trunk.

const CHUNK = 50;
const NEAR = "1500px";
const GUESS_PX = 90;
const MOST_BESIDE = 3;
const LINGER_MS = 100;
/** Chunks that stay in the page though they are out of sight. */
const KEPT = 8;

function messageOf(ui, load, id, message, pin) {
  const said = ui.el("div", { class: message.text ? "said" : "said quiet" }, message.text || "(empty)");
  const small = [message.subject, message.kind, message.tokens ? `${ui.count(message.tokens)} tokens` : ""].filter(Boolean).join(" · ");
  const known = ["system", "user", "assistant", "tool"].includes(message.role) ? message.role : "other";
  const kinds = ["message", known, message.off ? "off" : "", message.private ? "private" : ""].filter(Boolean).join(" ");
  return ui.el("article", { class: kinds, tabindex: "-1", "aria-label": `Turn ${message.turn}, ${message.role}`, data: { turn: message.turn, place: message.place } },
    ui.el("div", { class: "who" }, ui.el("span", { class: "role" }, message.role), ui.el("span", { class: "quiet" }, `turn ${message.turn}`),
      message.marks.map((mark) => ui.el("span", { class: "mark" }, mark)), ui.el("span", { class: "quiet" }, small)),
    said,
    message.letters > [...message.text].length ? more(ui, load, id, message, said, pin) : null,
    message.heard ? ui.el("details", {}, ui.el("summary", {}, "What others heard"), ui.el("div", { class: "said" }, message.heard)) : null,
    message.extra ? ui.el("details", { class: "fields-of" }, ui.el("summary", {}, "Recorded fields"), ui.el("pre", {}, message.extra)) : null);
}

// the rest of a long text, piece by piece
function more(ui, load, id, message, said, pin) {
  let from = [...message.text].length;
  const words = () => `Show more: ${ui.count(message.letters - from)} of ${ui.count(message.letters)} letters are folded`;
  const button = ui.el("button", { type: "button", class: "action", onclick: async () => {
    button.disabled = true;
    pin();
    try {
      const piece = await load({ talk: id, place: message.place, from });
      from += [...piece.text].length;
      said.append(ui.el("span", {}, piece.text));
      button.textContent = words();
      if (from >= message.letters || !piece.text) button.remove();
    } catch (error) {
      button.replaceWith(ui.failure(error));
    }
    button.disabled = false;
  } }, words());
  return button;
}

// rows of a conversation alone: each turn of the path, and beside it what was asked off the path after it
function alone(ui, messages, draw) {
  const rows = [];
  for (const [index, message] of messages.entries()) {
    if (!message.off) rows.push({ path: message, off: [], ordinal: index });
    else if (rows.length) rows.at(-1).off.push(message);
    else rows.push({ path: null, off: [message], ordinal: index });
  }
  return rows.map((row) => ui.el("div", { class: row.off.length ? "turns two" : "turns" },
    ui.el("div", {}, row.path ? draw(row.path) : null),
    row.off.length ? ui.el("div", { class: "aside" }, row.off.map((message) => draw(message))) : null));
}

// rows of a trunk and its forks: one ordinal each, a fork's column empty until it leaves
function beside(ui, columns, from, many) {
  const rows = [];
  for (let ordinal = from; ordinal < from + many; ordinal += 1) {
    const cells = columns.map(({ column, messages, draw }) => {
      const message = messages[ordinal - from];
      if (!message || ordinal < column.shared) return ui.el("div", { class: "empty" });
      return ui.el("div", {}, ordinal === column.shared && column.fork
        ? ui.el("p", { class: "parts" }, `${column.name} leaves here, after ${ui.count(column.shared)} shared messages`)
        : column.fork ? ui.el("p", { class: "of quiet" }, column.name) : null, draw(message));
    });
    rows.push(ui.el("div", { class: `turns ${["", "", "two", "three", "four"][columns.length] ?? "four"}`, data: { ordinal } }, cells));
  }
  return rows;
}

// what stands beside a conversation unless something else is chosen: its forks, and of a fork its trunk before others
function usual(head) {
  const named = head.forks.filter((fork) => fork.branch);
  const trunks = head.branch ? head.forks.filter((fork) => !fork.branch).slice(0, 1) : [];
  return [...trunks, ...named].slice(0, 2);
}

/** Show a conversation; returns what ends it. */
export async function conversation(root, load, ui, query) {
  const head = await load({ talk: query.talk });
  const branches = usual(head).map((fork) => fork.id);
  const wanted = query.beside === undefined ? branches : query.beside.split(" ").slice(0, MOST_BESIDE);
  const forks = head.forks.filter((fork) => wanted.includes(fork.id));
  const columns = [
    { id: head.id, name: head.name, messages: head.messages, shared: 0, fork: false },
    ...forks.map((fork) => ({ ...fork, fork: true })),
  ];
  const total = Math.max(...columns.map((column) => column.messages));

  const place = ui.el("div", { class: "talk", role: "region", "aria-label": "Messages", data: { total } });
  const status = ui.el("output", { class: "note" });
  const chunks = [];
  let reading = 0;
  for (let from = 0; from < total; from += CHUNK) {
    const many = Math.min(CHUNK, total - from);
    const node = ui.el("div", { class: "chunk", data: { from } });
    node.style.minHeight = `${many * GUESS_PX}px`;
    chunks.push({ node, from, many, state: "empty", pinned: false, ready: null });
  }

  async function read(column, from, many) {
    if (from >= column.messages || from + many <= column.shared) return [];
    return (await load({ talk: column.id, offset: from, limit: CHUNK })).messages;
  }

  function fillChunk(chunk) {
    if (chunk.state === "full") return chunk.ready;
    chunk.state = "full";
    chunk.ready = (async () => {
      place.setAttribute("aria-busy", String(++reading > 0));
      try {
        const found = await Promise.all(columns.map((column) => read(column, chunk.from, chunk.many)));
        if (chunk.state !== "full") return;
        const drawn = columns.map((column, index) => ({ column, messages: found[index],
          draw: (message) => messageOf(ui, load, column.id, message, () => { chunk.pinned = true; }) }));
        const parted = columns.length > 1 && columns.some((column) => column.fork && column.shared < chunk.from + chunk.many);
        ui.fill(chunk.node, parted ? beside(ui, drawn, chunk.from, chunk.many) : alone(ui, found[0], drawn[0].draw));
        chunk.node.style.minHeight = "";
      } catch (error) {
        ui.fill(chunk.node, ui.failure(error));
      } finally {
        place.setAttribute("aria-busy", String(--reading > 0));
      }
    })();
    return chunk.ready;
  }

  function empty(chunk) {
    if (chunk.state !== "full" || chunk.pinned || chunk.node.contains(document.activeElement)) return;
    chunk.node.style.minHeight = `${chunk.node.offsetHeight}px`;
    chunk.node.replaceChildren();
    chunk.state = "empty";
  }

  const byNode = new Map(chunks.map((chunk) => [chunk.node, chunk]));
  let gone = [];
  // a chunk that is only scrolled past is not asked for, or those in sight would wait for all that were
  function soon(chunk) {
    setTimeout(() => { if (chunk.near) fillChunk(chunk); }, LINGER_MS);
  }
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const chunk = byNode.get(entry.target);
      gone = gone.filter((one) => one !== chunk);
      chunk.near = entry.isIntersecting;
      if (entry.isIntersecting) soon(chunk);
      else if (chunk.state === "full") gone.push(chunk);
    }
    while (gone.length > KEPT) empty(gone.shift());
  }, { rootMargin: NEAR });

  async function goTo(ordinal) {
    const at = Math.max(0, Math.min(total - 1, ordinal));
    const chunk = chunks[Math.floor(at / CHUNK)];
    if (!chunk) return;
    chunk.node.scrollIntoView({ behavior: "instant" });
    await fillChunk(chunk);
    const all = [...chunk.node.querySelectorAll("article")];
    const target = chunk.node.querySelector(`[data-ordinal="${at}"] article`) ?? all[Math.min(at - chunk.from, all.length - 1)];
    target?.scrollIntoView({ block: "center", behavior: "instant" });
    target?.focus({ preventScroll: true });
    status.textContent = `Message ${ui.count(at + 1)} of ${ui.count(total)}`;
  }

  ui.fill(root, title(ui, head, query), tools(ui, load, head, goTo, status), offers(ui, head, wanted, branches), place);
  if (!total) place.append(ui.note("This conversation has no messages."));
  ui.fill(place, chunks.map((chunk) => chunk.node));
  for (const chunk of chunks) seen.observe(chunk.node);
  if (chunks.length) await fillChunk(chunks[0]);
  const first = Number.parseInt(query.turn ?? "", 10);
  if (first > 1) await goTo(first - 1);
  return () => seen.disconnect();
}

function title(ui, head, query) {
  const back = Object.fromEntries(["condition", "seed", "subject", "finish", "search", "offset"].map((name) => [name, query[name] ?? ""]));
  return ui.el("div", { class: "talk-head" },
    ui.el("p", {}, ui.el("a", { href: ui.address.panel(ui.run, "transcripts", back) }, "All conversations")),
    ui.el("h2", {}, head.name.trim() ? head.name : "(no name)"),
    ui.facts([["condition", head.condition], ["seed", ui.number(head.seed)], ["messages", ui.count(head.messages)],
      ["letters", ui.count(head.letters ?? 0)], ...(head.tokens ? [["tokens", ui.count(head.tokens)]] : []), ["roles", head.roles.join(", ")], ["cell", ui.el("code", {}, head.cell)]], "facts-line"));
}

function tools(ui, load, head, goTo, status) {
  let hits = [];
  let here = -1;
  const step = async (by) => {
    if (!hits.length) return;
    here = (here + by + hits.length) % hits.length;
    await goTo(hits[here]);
    status.textContent = `${ui.count(here + 1)} of ${ui.count(hits.length)} messages found, at message ${ui.count(hits[here] + 1)}`;
  };
  const find = async (text) => {
    hits = [];
    here = -1;
    status.textContent = "";
    if (!text) return;
    try {
      const found = await load({ talk: head.id, find: text });
      hits = found.at;
      if (!hits.length) status.textContent = "Not found in this conversation";
      else await step(1);
      if (found.more) status.textContent += " (the first 1,000)";
    } catch (error) {
      status.textContent = error.message;
    }
  };
  return ui.el("div", { class: "fields", role: "group", "aria-label": "Within this conversation" },
    ui.input("Find here", { type: "search", name: "find", onchange: find }),
    ui.el("div", { class: "field" }, ui.el("span", {}, "Found"), ui.el("span", {},
      ui.el("button", { type: "button", class: "action", onclick: () => step(-1) }, "Before"), " ",
      ui.el("button", { type: "button", class: "action", onclick: () => step(1) }, "Next"))),
    ui.input("Go to message", { type: "number", name: "turn", onchange: (text) => { if (text) { ui.go({ turn: text }, { replace: true }); goTo(Number(text) - 1); } } }),
    status);
}

// which conversations stand beside this one; a choice is kept in the address
function offers(ui, head, wanted, branches) {
  if (!head.forks.length) return null;
  const boxes = head.forks.map((fork) => {
    const box = ui.el("input", { type: "checkbox", value: fork.id, onchange: () => {
      const chosen = [...list.querySelectorAll("input:checked")].map((one) => one.value).slice(0, MOST_BESIDE);
      ui.go({ beside: chosen.join(" ") || "none" });
    } });
    box.checked = wanted.includes(fork.id);
    box.disabled = !box.checked && wanted.filter((id) => id !== "none").length >= MOST_BESIDE;
    return ui.el("li", {}, ui.el("label", {}, box, " ", fork.branch ? `fork ${fork.branch}: ` : "", fork.name, " ",
      ui.el("span", { class: "quiet" }, `${fork.condition === head.condition ? "" : `${fork.condition}, `}shares ${ui.count(fork.shared)} of ${ui.count(fork.messages)} messages`)));
  });
  const list = ui.el("ul", { class: "beside" }, boxes);
  return ui.el("details", { class: "offers-of", open: branches.length > 0 || wanted.some((id) => id !== "none") },
    ui.el("summary", {}, `${ui.count(head.forks.length)} conversations begin as this one does`), list);
}
