"use strict";
// Draws the page's figures. Texts reach the page through textContent only; nothing is loaded from outside.
(() => {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);

  function line(parent, name, value) {
    const row = parent.appendChild(document.createElement("div"));
    row.appendChild(document.createElement("span")).textContent = name;
    row.appendChild(document.createElement("strong")).textContent = value;
  }

  function point(_handler, event, _item, value) {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.replaceChildren();
    if (typeof value === "object") {
      for (const [name, inner] of Object.entries(value)) line(tip, name, String(inner));
    } else {
      tip.textContent = String(value);
    }
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = Math.max(8, Math.min(event.clientX + 14, room)) + "px";
    tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 10) + "px";
  }

  const refuse = () => Promise.reject(new Error("a report loads nothing from outside"));
  const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

  function save(name, address) {
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
  }

  function offer(figure, view, number) {
    const box = figure.querySelector(".under");
    const offers = box.appendChild(document.createElement("div"));
    offers.className = "offers";
    const name = "figure-" + number;
    const kinds = [
      ["SVG", async () => save(name + ".svg", URL.createObjectURL(new Blob([await view.toSVG()], { type: "image/svg+xml" })))],
      ["PNG", async () => save(name + ".png", await view.toImageURL("png", 3))],
    ];
    for (const [kind, act] of kinds) {
      const button = offers.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = "Save " + kind;
      button.addEventListener("click", act);
    }
  }

  // A figure whose slider sets its moment gets a button that moves it, once from the beginning to the end.
  function play(place) {
    const range = place.querySelector(".vega-bind input[type=range]");
    if (!range) return;
    const button = document.createElement("button");
    button.type = "button";
    range.closest(".vega-bind").append(button);
    let clock = 0;
    const show = () => { button.textContent = clock ? "Stop" : "Play"; };
    const stop = () => { clearInterval(clock); clock = 0; show(); };
    const set = (value) => { range.value = value; range.dispatchEvent(new Event("input")); };
    button.addEventListener("click", () => {
      if (clock) return stop();
      if (Number(range.value) >= Number(range.max)) set(range.min);
      clock = setInterval(() => {
        if (Number(range.value) >= Number(range.max)) return stop();
        set(Number(range.value) + 1);
      }, 400);
      show();
    });
    show();
  }

  async function draw(figure, number) {
    const place = figure.querySelector(".plot");
    const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const options = {
      mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip: point, loader, logLevel: 1,
    };
    try {
      const drawn = await window.vegaEmbed(place, spec, options);
      if (place.scrollWidth > place.clientWidth) figure.classList.add("wide"); // it needs both columns
      offer(figure, drawn.view, number);
      play(place);
    } catch (error) {
      place.classList.add("failed");
      place.textContent = "This figure could not be drawn: " + error.message;
    }
  }

  const figures = [...document.querySelectorAll("figure")];
  Promise.all(figures.map((figure, index) => draw(figure, index + 1))).then(() => {
    document.documentElement.dataset.drawn = String(figures.length);
  });
})();
