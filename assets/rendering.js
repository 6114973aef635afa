/* Bands and stretch of a scene: what the user chooses, and what the browser remembers of it for the next scene of the
   same shape. */
(() => {
  "use strict";
  const KEY = "nadir.renderings";
  const MOST_SHAPES = 50;

  const rememberedRenderings = () => nadir.read(nadir.local, KEY) || {};
  const remember = (shape, rendering) => {
    const { [shape]: _, ...others } = rememberedRenderings();
    const kept = Object.entries(others).slice(-MOST_SHAPES + 1);
    if (rendering) kept.push([shape, rendering]);
    nadir.write(nadir.local, KEY, Object.fromEntries(kept));
  };

  /* Gives life to the buttons and selects under the picture. */
  const attachRendering = ({ element, value, edit, onDraw }) => {
    const open = new Set();
    const chosen = () => ({ bands: null, stretch: "automatic", ...value().rendering });
    const choose = (changes) => {
      const rendering = { ...chosen(), ...changes };
      const isDefault = !rendering.bands && rendering.stretch === "automatic";
      remember(element.querySelector("[data-shape]").dataset.shape, isDefault ? null : rendering);
      edit({ rendering: isDefault ? null : rendering });
    };
    const picked = () => [...element.querySelectorAll("[data-band]")].map((select) => Number(select.value));

    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-bands]");
      if (button) choose({ bands: "default" in button.dataset ? null : button.dataset.bands.split(",").map(Number) });
    });
    element.addEventListener("change", (event) => {
      if (event.target.matches("[data-band]")) choose({ bands: picked() });
      else if (event.target.matches("[data-stretch]")) choose({ stretch: event.target.value });
    });
    // `toggle` does not bubble, and drawing anew closes every fold.
    element.addEventListener("toggle", ({ target }) => {
      if (!target.matches("[data-fold]")) return;
      if (target.open) open.add(target.dataset.fold); else open.delete(target.dataset.fold);
    }, true);
    onDraw(() => {
      for (const option of element.querySelectorAll(".nd-bands option")) option.selected = option.hasAttribute("selected");
      for (const fold of element.querySelectorAll("[data-fold]")) fold.open = open.has(fold.dataset.fold);
    });
  };

  Object.assign(window.nadir, { rememberedRenderings, attachRendering });
})();
