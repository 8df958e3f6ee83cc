// The review queue: keys press the control that carries them in data-key (readiness/reviews/keys.py is the table),
// focus follows the item, and the lease is counted down and renewed while the reviewer is active.
"use strict";
(() => {
  const RENEW_EVERY_MS = 60_000;
  let activeAt = performance.now();
  let renewedAt = performance.now();
  let leaseEnds = 0;

  const shown = (element) => element.checkVisibility();
  const typing = (target) => target.matches("input:not([type=hidden]), textarea, select") || target.isContentEditable;

  function startLease() {
    const lease = document.querySelector("[data-lease]");
    leaseEnds = lease ? performance.now() + lease.dataset.lease * 1000 : 0;
    renewedAt = performance.now();
    tick();
  }

  function tick() {
    const lease = document.querySelector("[data-lease]");
    if (!lease) return;
    const left = Math.max(0, Math.round((leaseEnds - performance.now()) / 1000));
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    lease.textContent = left ? `leased to you for ${clock}` : "lease over: send your verdict before somebody takes it";
    if (activeAt > renewedAt && performance.now() - renewedAt > RENEW_EVERY_MS) {
      renewedAt = performance.now();
      htmx.trigger(lease, "renew");
    }
  }

  function closeOpen() {
    const open = document.querySelector("#review details[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  }

  function sendText(target) {
    const button = target.form.querySelector("[data-sends-text]");
    if (button) button.click();
  }

  document.addEventListener("keydown", (event) => {
    activeAt = performance.now();
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const inText = typing(event.target);
    if (event.key === "Escape") {
      if (inText) event.target.blur();
      else closeOpen();
      return;
    }
    if (inText && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      sendText(event.target);
      return;
    }
    if (inText || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.documentElement.dataset.shortcuts === "off") return;
    const controls = document.querySelectorAll(`#review [data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    const control = [...controls].find(shown);
    if (control) {
      event.preventDefault();
      control.click();
    }
  });
  document.addEventListener("pointerdown", () => { activeAt = performance.now(); });

  // Opening the correction puts the cursor into it.
  document.addEventListener("toggle", (event) => {
    if (event.target.open) event.target.querySelector("[data-start-here]")?.focus();
  }, true);

  // A conflict is an answer to show, not a failure to hide: it holds what was typed.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status !== 409) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  });
  // After settling, so that whoever sees the focus move can press a key: the new controls are ready then.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "lease") startLease();
    if (event.detail.target.id !== "review") return;
    startLease();
    document.querySelector("#review [role=alert] ~ * [open] textarea, #review-title")?.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  });

  startLease();
  setInterval(tick, 1000);
})();
