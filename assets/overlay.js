/* The objects of an answer, drawn on the scene that the answer is about, and tied to their list. */
(() => {
  "use strict";
  const MOST_LABELS = 40;
  const panels = new Map();

  const lists = (host) => [...(host?.querySelectorAll(".nd-objects") || [])];
  const light = (elements, place, on) => {
    for (const element of elements) for (const twin of element.querySelectorAll(`[data-object="${CSS.escape(place)}"]`)) twin.toggleAttribute("data-lit", on);
  };

  const drawBox = (entry, labelled) => {
    const [left, top, width, height] = entry.dataset.place.split(",").map(Number);
    const box = document.createElement("div");
    box.className = "nd-box";
    box.dataset.object = entry.dataset.object;
    Object.assign(box.style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
    const label = document.createElement("span");
    label.textContent = `${entry.dataset.object} ${entry.dataset.label}`;
    label.toggleAttribute("data-quiet", !labelled);
    box.append(label);
    return { box, area: width * height };
  };

  /* Draws the boxes of the answer that stands beside a panel, the largest first, so that none hides a smaller one. */
  const drawBoxes = ({ element, value, answer }) => {
    const layer = element.querySelector(".nd-boxes");
    if (!layer) return;
    const source = value()?.source || {};
    const entries = lists(answer)
      .filter((list) => list.dataset.source === (source.upload || source.sample))
      .flatMap((list) => [...list.querySelectorAll("[data-place]")]);
    const boxes = entries.map((entry) => drawBox(entry, entries.length <= MOST_LABELS));
    layer.replaceChildren(...boxes.sort((a, b) => b.area - a.area).map(({ box }) => box));
  };

  const tie = (host, others) => {
    const set = (on) => (event) => {
      const entry = event.target.closest?.("[data-object]");
      if (entry) light(others(), entry.dataset.object, on);
    };
    for (const name of ["pointerover", "focusin"]) host.addEventListener(name, set(true));
    for (const name of ["pointerout", "focusout"]) host.addEventListener(name, set(false));
  };

  const panelOf = (id) => {
    if (!panels.has(id)) panels.set(id, {});
    return panels.get(id);
  };
  const draw = (panel) => { if (panel.element) drawBoxes(panel); };
  const both = (panel) => () => [panel.element, panel.answer].filter(Boolean);

  /* Has a scene panel show the boxes of its answer. */
  const attachOverlay = ({ id, element, value, onDraw }) => {
    const panel = panelOf(id);
    Object.assign(panel, { element, value });
    tie(element, both(panel));
    onDraw(() => draw(panel));
  };
  /* Has an answer show its boxes on the scene panel with this id. */
  const attachAnswer = (element, id, watch) => {
    const panel = panelOf(id);
    panel.answer = element;
    tie(element, both(panel));
    draw(panel);
    watch("value", () => draw(panel));
  };

  Object.assign(window.nadir, { attachOverlay, attachAnswer });
})();
