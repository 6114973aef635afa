/* The viewer: the picture that the model gets, pixel by pixel, to be zoomed and moved with mouse, fingers or keys. */
(() => {
  "use strict";
  const LARGEST = 16;
  const STEP = 1.5;
  const KEY_PX = 64;
  const view = { x: 0, y: 0, scale: 1, width: 1, height: 1 };
  const pointers = new Map();

  const dialog = () => document.querySelector(".nd-viewer");
  const stage = () => document.querySelector(".nd-viewer-stage");
  const room = () => stage().getBoundingClientRect();
  const fitting = () => { const { width, height } = room(); return Math.min(1, width / view.width, height / view.height); };
  const smallest = () => Math.min(fitting(), 1) / 2;

  /* Keeps the picture in sight: centred where it is smaller than the stage, without a gap at its edges otherwise. */
  const held = (offset, length, space) => length <= space ? (space - length) / 2 : Math.min(0, Math.max(space - length, offset));
  const draw = () => {
    const { width, height } = room();
    view.x = held(view.x, view.width * view.scale, width);
    view.y = held(view.y, view.height * view.scale, height);
    const picture = dialog().querySelector(".nd-viewer-picture");
    picture.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    picture.style.imageRendering = view.scale > 1 ? "pixelated" : "auto";
    dialog().querySelector(".nd-viewer-scale").textContent = `${Math.round(view.scale * 100)} %`;
  };
  const zoomTo = (scale, at = { x: room().width / 2, y: room().height / 2 }) => {
    const next = Math.min(Math.max(scale, smallest()), LARGEST);
    view.x = at.x - ((at.x - view.x) * next) / view.scale;
    view.y = at.y - ((at.y - view.y) * next) / view.scale;
    view.scale = next;
    draw();
  };
  const pan = (dx, dy) => { view.x += dx; view.y += dy; draw(); };
  const zooms = { in: () => zoomTo(view.scale * STEP), out: () => zoomTo(view.scale / STEP), one: () => zoomTo(1), fit: () => zoomTo(fitting()) };

  const open = ({ view: url, viewTitle, viewWidth, viewHeight, viewFacts }) => {
    const box = dialog();
    box.querySelector("h2").textContent = viewTitle;
    box.querySelector(".nd-viewer-facts").replaceChildren(...viewFacts.split("\n").map((fact) => {
      const item = document.createElement("li");
      item.textContent = fact;
      return item;
    }));
    Object.assign(view, { width: Number(viewWidth), height: Number(viewHeight), scale: 1 });
    const picture = box.querySelector(".nd-viewer-picture");
    Object.assign(picture, { src: url, width: view.width, height: view.height });
    Object.assign(box.querySelector(".nd-viewer-download"), { href: url, download: url.split("/").pop() });
    box.showModal();
    Object.assign(view, { x: (room().width - view.width) / 2, y: (room().height - view.height) / 2 });
    draw();
    stage().focus();
  };

  // ---- mouse, fingers and keys
  const here = (event) => ({ x: event.clientX - room().left, y: event.clientY - room().top });
  const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) });
  const drag = (event) => {
    const before = pointers.get(event.pointerId);
    const pair = pointers.size === 2 && middle([...pointers.values()]);
    pointers.set(event.pointerId, here(event));
    if (!pair) return pan(here(event).x - before.x, here(event).y - before.y);
    const now = middle([...pointers.values()]);
    pan(now.x - pair.x, now.y - pair.y);
    if (pair.apart > 0) zoomTo((view.scale * now.apart) / pair.apart, now);
  };
  const KEYS = {
    "+": zooms.in, "=": zooms.in, "-": zooms.out, 1: zooms.one, 0: zooms.fit,
    ArrowLeft: () => pan(KEY_PX, 0), ArrowRight: () => pan(-KEY_PX, 0), ArrowUp: () => pan(0, KEY_PX), ArrowDown: () => pan(0, -KEY_PX),
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-view],[data-zoom],[data-viewer-close]");
    if (!button) return;
    if (button.dataset.view) open(button.dataset);
    else if (button.dataset.zoom) zooms[button.dataset.zoom]();
    else dialog().close();
  });
  document.addEventListener("wheel", (event) => {
    if (!event.target.closest(".nd-viewer-stage")) return;
    event.preventDefault();
    zoomTo(view.scale * 2 ** (-event.deltaY / 400), here(event));
  }, { passive: false });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".nd-viewer-stage")) return;
    stage().setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, here(event));
  });
  document.addEventListener("pointermove", (event) => { if (pointers.has(event.pointerId)) drag(event); });
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, (event) => pointers.delete(event.pointerId));
  document.addEventListener("keydown", (event) => {
    if (!dialog()?.open || event.ctrlKey || event.metaKey || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  window.addEventListener("resize", () => { if (dialog()?.open) draw(); });
})();
