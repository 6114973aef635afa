/* Draws the Services page anew while somebody looks at it, but not under a keyboard focus or an unfolded part. */
(() => {
  "use strict";
  const EVERY_MS = 20000;
  setInterval(() => {
    const cards = document.querySelector(".nd-services");
    if (document.hidden || !cards || cards.offsetParent === null) return;
    if (cards.contains(document.activeElement) || cards.querySelector("details[open]")) return;
    nadir.press("nd-look-at-services");
  }, EVERY_MS);
})();
