// A population over its days: a network, agents or bars on a canvas, and beside it how many are what on each day.

const COLOURS = ["#1a67c2", "#cc7d1e", "#00a389", "#9b4870", "#736b18", "#a47cf9"];
const LOW = [204, 125, 30];
const MIDDLE = [154, 154, 154];
const HIGH = [26, 103, 194];
const NONE = 255;
const SPEEDS = [1, 2, 5, 10, 30, 60];
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const DARK = matchMedia("(prefers-color-scheme: dark)");

const rgb = (hex) => [1, 3, 5].map((from) => Number.parseInt(hex.slice(from, from + 2), 16));
const css = (colour) => `rgb(${colour.join(" ")})`;
const between = (a, b, share) => a.map((one, place) => Math.round(one + (b[place] - one) * share));

/** The colour of each byte of a frame: of states as they are numbered, of numbers from low to high. */
function palette(kinds) {
  return Array.from({ length: 256 }, (_, value) => {
    if (value === NONE) return null;
    if (kinds.length) return value < kinds.length ? rgb(COLOURS[value % COLOURS.length]) : null;
    const share = value / (NONE - 1);
    return share < 0.5 ? between(LOW, MIDDLE, share * 2) : between(MIDDLE, HIGH, share * 2 - 1);
  });
}

function bytes(text) { return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); }

/** The days of the agents, loaded some at a time as they are looked at. */
class Frames {
  constructor(known, load) { this.known = known; this.load = load; this.days = new Map(); this.coming = new Map(); }

  get(day) { return this.days.get(day) ?? null; }

  async want(day) {
    const { agents, chunk, days } = this.known;
    if (!agents || day >= days.length || this.days.has(day)) return;
    const from = Math.floor(day / chunk) * chunk;
    if (!this.coming.has(from)) {
      this.coming.set(from, this.load({ from }).then((found) => {
        const all = bytes(found.frames);
        if (this.days.size * agents > 40e6) this.days.clear();
        for (let row = 0; row < found.days; row += 1) this.days.set(from + row, all.subarray(row * agents, (row + 1) * agents));
      }).finally(() => this.coming.delete(from)));
    }
    await this.coming.get(from);
  }
}

/** Share of a frame in each bar, and how many have no state on record. */
function counted(known, frame) {
  const bars = new Array(known.kinds.length || Math.max(known.bins.length - 1, 0) || 20).fill(0);
  let missing = 0;
  for (const value of frame) {
    if (value === NONE) missing += 1;
    else if (known.kinds.length) bars[Math.min(value, bars.length - 1)] += 1;
    else bars[Math.min(Math.floor((value / (NONE - 1)) * bars.length), bars.length - 1)] += 1;
  }
  const all = Math.max(1, frame.length - missing);
  return { bars: bars.map((many) => many / all), missing };
}

// ---- the canvas

function surface(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  return { pen, width, height };
}

const ink = () => getComputedStyle(document.body).color;

function layout(known, width, height) {
  if (known.places) {
    const room = 14;
    return known.places.map(([x, y]) => [room + ((x + 1) / 2) * (width - 2 * room), room + ((1 - y) / 2) * (height - 2 * room)]);
  }
  const columns = Math.max(1, Math.ceil(Math.sqrt((known.agents * width) / height)));
  const cell = Math.min(80, width / columns, height / Math.ceil(known.agents / columns));
  return { columns, cell };
}

function drawNetwork({ pen, width, height }, known, frame, colours) {
  pen.clearRect(0, 0, width, height);
  const places = layout(known, width, height);
  pen.strokeStyle = ink();
  pen.globalAlpha = 0.2;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const [a, b] of known.links) { pen.moveTo(...places[a]); pen.lineTo(...places[b]); }
  pen.stroke();
  pen.globalAlpha = 1;
  const radius = Math.max(2.5, Math.min(7, 80 / Math.sqrt(known.agents)));
  places.forEach(([x, y], agent) => {
    const colour = colours[frame[agent]];
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    if (colour) { pen.fillStyle = css(colour); pen.fill(); } else { pen.strokeStyle = ink(); pen.stroke(); }
  });
}

function drawAgents({ pen, width, height }, known, frame, colours) {
  pen.clearRect(0, 0, width, height);
  const { columns, cell } = layout(known, width, height);
  if (cell >= 5) {
    frame.forEach((value, agent) => {
      const colour = colours[value];
      const [x, y] = [(agent % columns) * cell, Math.floor(agent / columns) * cell];
      pen.fillStyle = colour ? css(colour) : "transparent";
      pen.fillRect(x + 0.5, y + 0.5, cell - 1, cell - 1);
      if (!colour) { pen.strokeStyle = ink(); pen.strokeRect(x + 1, y + 1, cell - 2, cell - 2); }
    });
    return;
  }
  const rows = Math.ceil(known.agents / columns);
  const image = new ImageData(columns, rows);
  frame.forEach((value, agent) => {
    const colour = colours[value];
    if (!colour) return;
    image.data.set(colour, agent * 4);
    image.data[agent * 4 + 3] = 255;
  });
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, 0, 0, columns * cell, rows * cell);
}

/** The agent at a point of the canvas, or -1. */
function agentAt(known, width, height, x, y) {
  if (!known.places) {
    const { columns, cell } = layout(known, width, height);
    const column = Math.floor(x / cell);
    const agent = Math.floor(y / cell) * columns + column;
    return column < columns && agent < known.agents ? agent : -1;
  }
  let nearest = -1;
  let least = 14 ** 2;
  layout(known, width, height).forEach(([one, two], agent) => {
    const far = (one - x) ** 2 + (two - y) ** 2;
    if (far < least) { least = far; nearest = agent; }
  });
  return nearest;
}

// ---- bars of one day, and the days beside them

function percent(ui, share) { return `${ui.number(share * 100, 3)} %`; }

function bars(ui, known, shares, top) {
  const [width, height, foot] = [420, 190, 22];
  const many = shares.length;
  const step = width / many;
  const named = known.kinds.length > 0;
  const parts = shares.map((share, bar) => ui.el("rect", {
    x: bar * step + (named ? step * 0.15 : 0.5), width: named ? step * 0.7 : step - 1, rx: 1,
    y: (height - foot) * (1 - share / top), height: (height - foot) * (share / top), class: named ? `state-${bar % COLOURS.length}` : "state-0",
  }, ui.el("title", {}, `${label(ui, known, bar)}: ${percent(ui, share)}`)));
  const text = (x, anchor, words) => ui.el("text", { x, y: height - 5, "text-anchor": anchor, class: "end" }, words);
  const ends = named ? known.kinds.map((kind, bar) => text((bar + 0.5) * step, "middle", kind.length > 16 ? `${kind.slice(0, 15)}…` : kind))
    : [text(0, "start", ui.number(known.domain[0])), text(width, "end", ui.number(known.domain[1]))];
  return ui.el("svg", { class: "day-bars", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": named ? known.kinds.map((kind, bar) => `${kind} ${percent(ui, shares[bar])}`).join(", ") : sharesOf(known) }, parts, ends);
}

function sharesOf(known) { return `Share of the population by ${known.state}`; }

function label(ui, known, bar) {
  if (known.kinds.length) return known.kinds[bar];
  const [from, until] = known.domain;
  const edge = (place) => known.bins[place] ?? from + ((until - from) * place) / 20;
  const [low, high] = [edge(bar), edge(bar + 1)];
  return `${ui.number(low)} to ${ui.number(high)}`;
}

function beside(known, day) {
  const named = known.kinds.length > 0;
  const names = named ? known.kinds : ["mean"];
  const values = names.flatMap((name) => known.days.map((at, place) => ({ day: at, name, value: known.series[name]?.[place] ?? null })));
  const x = { field: "day", type: "quantitative", title: known.axis, axis: { grid: false, tickMinStep: 1 },
    scale: { domain: [known.days[0], known.days.at(-1)], nice: false, zero: false } };
  const y = { field: "value", type: "quantitative", title: named ? "share of the population" : known.state, scale: { domain: named ? [0, 1] : known.domain } };
  const colour = { field: "name", type: "nominal", scale: { domain: names, range: names.map((_, place) => COLOURS[place % COLOURS.length]) }, legend: named ? {} : null };
  const band = (low, high, opacity) => (known.series[low] && known.series[high] ? [{
    data: { values: known.days.map((at, place) => ({ day: at, low: known.series[low][place], high: known.series[high][place] })) },
    mark: { type: "area", opacity, color: COLOURS[0] }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } },
  }] : []);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", height: 210, autosize: { type: "fit-x", contains: "padding" },
    params: [{ name: "now", value: known.days[day] }], data: { values },
    layer: [
      ...(named ? [] : [...band("5 %", "95 %", 0.15), ...band("25 %", "75 %", 0.2)]),
      { mark: { type: "line", strokeWidth: 2 }, encoding: { x, y, color: colour, tooltip: ["name", "day", "value"].map((field) => ({ field })) } },
      { data: { values: [{}] }, mark: { type: "rule", color: "currentColor", strokeWidth: 1.5, strokeDash: [3, 3] }, encoding: { x: { datum: { expr: "now" }, type: "quantitative" } } },
    ],
  };
}

// ---- the player

function legend(ui, known) {
  if (known.kinds.length) {
    return ui.el("ul", { class: "legend states" }, known.kinds.map((kind, place) => ui.el("li", {}, ui.el("span", { class: `swatch state-${place % COLOURS.length}`, "aria-hidden": "true" }), " ", kind)));
  }
  return ui.el("p", { class: "legend states" }, ui.number(known.domain[0]), " ", ui.el("span", { class: "ramp", "aria-hidden": "true" }), " ", ui.number(known.domain[1]), "; an empty shape has nothing on record");
}

class Player {
  constructor(ui, known, load) {
    this.ui = ui;
    this.known = known;
    this.frames = new Frames(known, load);
    this.colours = palette(known.kinds);
    this.last = known.days.length - 1;
    this.day = 0;
    this.playing = null;
    this.speed = STILL.matches ? 1 : 5;
    const shares = known.kinds.length ? known.kinds.flatMap((kind) => known.series[kind] ?? [1]) : known.bars.flat();
    this.top = shares.reduce((most, share) => Math.max(most, share ?? 0), 0.05);
    this.make();
  }

  make() {
    const { ui, known } = this;
    const button = (words, name, act) => ui.el("button", { type: "button", class: "action", "aria-label": name, onclick: act }, words);
    this.button = button("Play", "Play", () => this.toggle());
    this.slider = ui.el("input", { type: "range", name: "day", min: 0, max: this.last, step: 1, value: 0, oninput: (event) => { this.pause(); this.show(Number(event.target.value)); }, onchange: () => this.keep() });
    this.speeds = ui.select("Speed", SPEEDS.map((one) => [one, `${one} ${known.axis}${one === 1 ? "" : "s"} a second`]), { name: "speed", value: this.speed, onchange: (value) => { this.speed = Number(value); } });
    this.clock = ui.el("strong", { class: "clock" });
    this.canvas = known.agents ? ui.el("canvas", { class: "population", role: "img" }) : null;
    this.tip = ui.el("p", { class: "legend pointed" });
    this.bars = ui.el("div", {});
    this.said = ui.el("p", { class: "legend", role: "status" });
    this.chart = ui.el("figure", {});
    const controls = ui.el("div", { class: "player" }, button("|◀", "First", () => this.step(-Infinity)), button("◀", "One back", () => this.step(-1)), this.button,
      button("▶", "One on", () => this.step(1)), button("▶|", "Last", () => this.step(Infinity)), this.speeds,
      ui.el("label", { class: "field days" }, ui.el("span", {}, known.axis === "day" ? "Day" : "Round"), this.slider), this.clock);
    this.node = ui.el("div", { class: "movie", tabindex: "0", role: "group", "aria-label": `${known.what}. Space plays, arrows step, Home and End go to the ends, + and − change the speed.`, data: { keys: "own" } },
      controls, ui.el("div", { class: "sides" },
        ui.el("div", {}, this.canvas ? [legend(ui, known), this.canvas, this.tip] : [this.bars]),
        ui.el("div", {}, this.chart, this.canvas ? this.bars : null,
          known.part ? ui.el("p", { class: "legend" }, known.kinds.length ? "Lines and bars are of the whole population, the network is a part of it." : "Lines are of the whole population, network and bars of a part of it.") : null)), this.said);
    this.node.addEventListener("keydown", (event) => this.press(event));
    this.canvas?.addEventListener("pointermove", (event) => this.point(event));
    this.canvas?.addEventListener("pointerleave", () => this.ui.fill(this.tip));
    this.redraw = () => this.draw();
    this.sized = new ResizeObserver(this.redraw);
    this.sized.observe(this.canvas ?? this.bars);
    this.over = new AbortController();
    DARK.addEventListener("change", this.redraw, { signal: this.over.signal });
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.pause(); }, { signal: this.over.signal });
  }

  /** Stop for good: another population takes its place. */
  end() {
    this.playing = null;
    this.sized.disconnect();
    this.over.abort();
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const slides = event.target === this.slider;
    const acts = { " ": () => this.toggle(), "+": () => this.faster(1), "-": () => this.faster(-1), Home: () => this.step(-Infinity), End: () => this.step(Infinity),
      ...(slides ? {} : { ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1) }) };
    if (!acts[event.key] || (event.key === " " && event.target.matches("button"))) return;
    event.preventDefault();
    acts[event.key]();
  }

  faster(by) {
    const place = Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(this.speed) + by));
    this.speed = SPEEDS[place];
    this.speeds.querySelector("select").value = String(this.speed);
  }

  toggle() { if (this.playing) { this.pause(); this.keep(); } else this.play(); }

  step(by) { this.pause(); return this.show(Math.max(0, Math.min(this.last, this.day + by))).then(() => this.keep()); }

  pause() {
    this.playing = null;
    this.ui.fill(this.button, "Play");
    this.button.setAttribute("aria-label", "Play");
    this.tell();
  }

  /** Keep the day in the address, so that a link shows the same. */
  keep() { this.ui.go({ day: this.day || "" }, { replace: true }); }

  async play() {
    const mine = (this.playing = {});  // a second Play may come before this one has seen its end
    this.ui.fill(this.button, "Pause");
    this.button.setAttribute("aria-label", "Pause");
    if (this.day >= this.last) await this.show(0);
    let since = performance.now();
    let at = this.day;
    const turn = async (now) => {
      if (this.playing !== mine || !this.node.isConnected) return;
      at += ((now - since) / 1000) * this.speed;
      since = now;
      const next = Math.min(this.last, Math.floor(at));
      if (next > this.day) {
        await this.show(next);
        since = performance.now();
        if (next >= this.last) { this.pause(); this.keep(); return; }
      }
      requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
  }

  async show(day) {
    this.day = day;
    this.slider.value = String(day);
    const mine = day;
    try {
      await this.frames.want(day);
    } catch (error) {
      this.pause();
      this.ui.fill(this.said, this.ui.failure(error));
      return;
    }
    if (mine !== this.day) return;
    this.draw();
    this.frames.want(day + this.known.chunk).catch(() => {});
  }

  draw() {
    const { ui, known } = this;
    const frame = this.frames.get(this.day);
    const at = known.days[this.day];
    const words = `${known.axis} ${ui.number(at, 6)}`;
    ui.fill(this.clock, `${words} of ${ui.number(known.days[this.last], 6)}`);
    this.slider.setAttribute("aria-valuetext", words);
    this.view?.signal("now", at).runAsync();
    if (known.agents && !frame) return;
    const found = frame ? counted(known, frame) : { bars: known.bars[this.day], missing: 0 };
    if (known.kinds.length) found.bars = known.kinds.map((kind, bar) => known.series[kind]?.[this.day] ?? found.bars[bar]);
    this.top = Math.max(this.top, ...found.bars);
    ui.fill(this.bars, ui.el("p", { class: "legend" }, sharesOf(known)), bars(ui, known, found.bars, this.top));
    this.found = found;
    if (this.canvas) {
      const place = surface(this.canvas);
      (known.places ? drawNetwork : drawAgents)(place, known, frame, this.colours);
      this.canvas.setAttribute("aria-label", `${ui.count(known.agents)} agents on ${words}`);
      this.canvas.dataset.day = String(this.day);
    }
    if (!this.playing) this.tell();
  }

  /** Say the day in words, when it stands still: a reader that speaks would not keep up with a film. */
  tell() {
    const { ui, known, found } = this;
    if (!found) return;
    const at = (name) => known.series[name]?.[this.day];
    const shares = known.kinds.length ? known.kinds.map((kind, bar) => `${kind} ${percent(ui, found.bars[bar])}`)
      : [["mean", at("mean")], ["standard deviation", at("standard deviation")]].filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => `${name} ${ui.number(value)}`);
    ui.fill(this.said, `${known.axis} ${ui.number(known.days[this.day], 6)}: ${shares.join(", ") || "nothing on record"}${found.missing ? `; ${ui.count(found.missing)} without a state on record` : ""}`);
  }

  point(event) {
    const frame = this.frames.get(this.day);
    if (!frame) return;
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const agent = agentAt(this.known, width, height, event.clientX - left, event.clientY - top);
    if (agent < 0) { this.ui.fill(this.tip); return; }
    const value = frame[agent];
    const [low, high] = this.known.domain;
    const state = value === NONE ? "nothing on record" : this.known.kinds.length ? this.known.kinds[value] : this.ui.number(low + (value / (NONE - 1)) * (high - low), 2);
    this.ui.fill(this.tip, `${this.known.names[agent] ?? `agent ${this.ui.count(agent)}`}: ${state}`);
  }

  async begin(day) {
    await this.show(Math.max(0, Math.min(this.last, day)));
    this.view = await this.ui.chart(this.chart, beside(this.known, this.day), { name: "days", title: "All days", zoom: false });
    this.draw();
  }
}

export async function show(root, load, ui) {
  const fields = ui.el("div", {});
  const place = ui.el("div", {});
  root.append(fields, place);
  let player = null;
  let shown = "";

  await ui.watch(async (query) => {
    const { cell = "", what = "" } = query;
    const day = Math.max(0, Number.parseInt(query.day ?? "0", 10) || 0);
    if (shown === `${cell}\n${what}` && player) {
      if (day !== player.day) { player.pause(); await player.show(Math.min(day, player.last)); }
      return;
    }
    player?.end();
    player = null;
    shown = `${cell}\n${what}`;
    try {
      const asked = Object.fromEntries(Object.entries({ cell, what }).filter(([, value]) => value !== ""));
      const known = await load(asked);
      if (!known.cells.length) { ui.fill(place, ui.note("No cell of this run holds a population.")); return; }
      ui.fill(fields, ui.fields(
        known.cells.length > 1 ? ui.select("Population", known.cells, { name: "cell", value: known.cell, onchange: (value) => ui.go({ cell: value, what: "", day: "" }) }) : null,
        known.sources.length > 1 ? ui.select("Show", known.sources, { name: "what", value: known.what, onchange: (value) => ui.go({ cell: known.cell, what: value, day: "" }) }) : null));
      if (!known.sources.length) { ui.fill(place, ui.note("This cell holds no population.")); return; }
      player = new Player(ui, known, ({ from }) => load({ cell: known.cell, what: known.what, from }));
      ui.fill(place, known.every > 1 ? ui.el("p", { class: "left-out" }, `One of every ${ui.count(known.every)} ${known.axis}s is shown.`) : null, player.node);
      await player.begin(day);
    } catch (error) {
      ui.fill(place, ui.failure(error), ui.el("p", {}, ui.el("button", { type: "button", class: "action", onclick: () => ui.go({ cell: "", what: "", day: "" }) }, "Without any pick")));
    }
  });
}
