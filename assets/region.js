/* The selected area of a scene: a rectangle drawn on the picture with mouse, finger or keys, in the scene's pixels. */
(() => {
  "use strict";
  const DRAG_PX = 5;
  const HINT = matchMedia("(pointer: coarse)").matches ? "Drag on the scene."
    : "Drag on the scene. Or arrow keys move the area, Shift with them resizes it, Enter takes it, Escape leaves.";
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /* Lets a panel's user select an area. */
  const attachRegion = ({ element, value, edit, onDraw }) => {
    let area = null;
    let drag = null;
    let armed = false;
    const find = (selector) => element.querySelector(selector);
    const size = () => { const { width, height } = find(".nd-stage").dataset; return { width: Number(width), height: Number(height) }; };
    const note = (text) => { const place = find(".nd-region-note"); if (place && place.textContent !== text) place.textContent = text; };

    const draw = () => {
      const region = find(".nd-region");
      if (!region) return;
      const { width, height } = size();
      region.hidden = !area;
      if (area) {
        region.style.left = `${(area.x / width) * 100}%`;
        region.style.top = `${(area.y / height) * 100}%`;
        region.style.width = `${(area.width / width) * 100}%`;
        region.style.height = `${(area.height / height) * 100}%`;
      }
      find(".nd-stage").toggleAttribute("data-armed", armed);
      find(".nd-stage").tabIndex = armed ? 0 : -1;
      note(area ? `Area ${area.width} x ${area.height} px` : armed ? HINT : "");
    };
    const reset = () => {
      const set = find(".nd-region")?.dataset.set;
      const [x, y, width, height] = set ? set.split(",").map(Number) : [];
      area = set ? { x, y, width, height } : null;
      drag = null;
    };
    const leave = () => { armed = false; reset(); draw(); };
    const take = () => { armed = false; draw(); edit({ window: area }); };

    /* Where a pointer is, in the scene's pixels. */
    const place = ({ clientX, clientY }) => {
      const box = find(".nd-stage").getBoundingClientRect();
      const { width, height } = size();
      return {
        x: clamp(((clientX - box.left) / box.width) * width, 0, width),
        y: clamp(((clientY - box.top) / box.height) * height, 0, height),
      };
    };
    const between = (a, b) => {
      const { width, height } = size();
      const x = Math.min(Math.floor(Math.min(a.x, b.x)), width - 1);
      const y = Math.min(Math.floor(Math.min(a.y, b.y)), height - 1);
      return { x, y, width: Math.max(Math.ceil(Math.max(a.x, b.x)) - x, 1), height: Math.max(Math.ceil(Math.max(a.y, b.y)) - y, 1) };
    };

    element.addEventListener("pointerdown", (event) => {
      const stage = event.target.closest(".nd-stage");
      if (!stage || event.button !== 0 || (event.pointerType === "touch" && !armed)) return;
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      drag = { id: event.pointerId, from: place(event), at: [event.clientX, event.clientY], moved: false };
    });
    element.addEventListener("pointermove", (event) => {
      if (!drag || event.pointerId !== drag.id) return;
      drag.moved ||= Math.hypot(event.clientX - drag.at[0], event.clientY - drag.at[1]) >= DRAG_PX;
      if (!drag.moved) return;
      area = between(drag.from, place(event));
      draw();
    });
    element.addEventListener("pointerup", (event) => {
      if (!drag || event.pointerId !== drag.id) return;
      const { moved, at } = drag;
      drag = null;
      if (moved) take();
      else if (armed || event.clientX !== at[0] || event.clientY !== at[1]) note(`Too small: drag at least ${DRAG_PX} px.`);
    });
    element.addEventListener("pointercancel", () => { if (drag) leave(); });

    const begin = () => {
      const { width, height } = size();
      armed = true;
      area ||= { x: Math.round(width / 4), y: Math.round(height / 4), width: Math.round(width / 2) || 1, height: Math.round(height / 2) || 1 };
      draw();
    };
    element.addEventListener("click", (event) => {
      if (event.target.closest("[data-region-clear]")) { area = null; take(); }
      if (!event.target.closest("[data-region-start]")) return;
      if (armed) return leave();
      // A click that comes from a key has no count: the rectangle is there at once, to be moved with keys.
      if (event.detail === 0) begin(); else { armed = true; draw(); }
      note(HINT);
      find(".nd-stage").focus({ preventScroll: true });
    });
    const move = (event) => {
      const [across, down] = MOVES[event.key];
      const { width, height } = size();
      const [dx, dy] = [across * Math.max(1, Math.round(width / 100)), down * Math.max(1, Math.round(height / 100))];
      if (event.shiftKey) {
        area.width = clamp(area.width + dx, 1, width - area.x);
        area.height = clamp(area.height + dy, 1, height - area.y);
      } else {
        area.x = clamp(area.x + dx, 0, width - area.width);
        area.y = clamp(area.y + dy, 0, height - area.height);
      }
    };
    element.addEventListener("keydown", (event) => {
      if (!armed || !event.target.closest(".nd-stage") || event.ctrlKey || event.metaKey) return;
      if (event.key === "Escape") { leave(); find("[data-region-start]").focus(); }
      else if (event.key === "Enter" && area) { take(); find("[data-region-start]").focus(); }
      else if (event.key in MOVES) { begin(); move(event); draw(); }
      else return;
      event.preventDefault();
    });
    document.addEventListener("nadir-job-start", () => { if (armed) leave(); });
    onDraw(() => { armed = false; reset(); draw(); });
  };

  Object.assign(window.nadir, { attachRegion });
})();
