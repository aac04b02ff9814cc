"use strict";
// Replaces what has changed on the page, as long as the run is not over.
(() => {
  const PAUSE_MS = 2000;
  const place = document.getElementById("live");
  const lost = document.getElementById("lost");
  const status = document.getElementById("status");
  let shown = "";

  function replace(text) {
    const focused = document.activeElement?.id;
    const scrolled = [...place.querySelectorAll(".scroll")].map((box) => [box.id, box.scrollLeft, box.scrollTop]);
    place.innerHTML = text;
    for (const [id, left, top] of scrolled) document.getElementById(id)?.scrollTo(left, top);
    if (focused && place.querySelector(`#${CSS.escape(focused)}`)) document.getElementById(focused).focus({ preventScroll: true });
    shown = text;
  }

  function say() {
    const words = document.getElementById("seen").dataset.words;
    if (status.textContent !== words) status.textContent = words;
  }

  async function refresh() {
    try {
      const reply = await fetch("/live", { cache: "no-store" });
      if (!reply.ok) throw new Error(reply.status);
      const text = await reply.text();
      if (text !== shown) replace(text);
      say();
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
    if (!place.querySelector("[data-over]")) setTimeout(refresh, PAUSE_MS);
  }

  say();
  if (!place.querySelector("[data-over]")) setTimeout(refresh, PAUSE_MS);
})();
