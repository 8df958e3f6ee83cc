// Draws every element with data-plot from the JSON block that it names. Ink and grid come from the page's tokens,
// so a chart follows light and dark.
"use strict";
(() => {
  const scheme = matchMedia("(prefers-color-scheme: dark)");

  // A custom property holds light-dark(…): only a painted element knows which of the two applies.
  function token(name) {
    const probe = document.createElement("span");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  }

  function themed(layout) {
    const ink = token("--ink-2");
    const axis = { gridcolor: token("--line"), linecolor: token("--line-strong"), color: ink };
    const names = Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name)); // one pair for each part of a chart
    return {
      ...layout,
      autosize: true,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      hoverlabel: { bgcolor: token("--surface"), bordercolor: token("--line-strong"), font: { color: token("--ink") } },
      ...Object.fromEntries(names.map((name) => [name, { ...layout[name], ...axis }])),
    };
  }

  function draw(element) {
    const source = document.getElementById(element.dataset.plot);
    const { data, layout } = JSON.parse(source.textContent);
    Plotly.react(element, data, themed(layout), { displayModeBar: false, responsive: true });
  }

  const all = (root) => root.querySelectorAll("[data-plot]");
  const plotOf = (id) => document.querySelector(`[data-plot="${CSS.escape(id)}"]`);

  all(document).forEach(draw);
  scheme.addEventListener("change", () => all(document).forEach(draw));
  document.addEventListener("htmx:afterSettle", () => {
    document.querySelectorAll("[data-plot]:not(.js-plotly-plot)").forEach(draw);
  });

  // Live charts refresh themselves, but never under somebody's hands: not while a table is open or a field has focus.
  for (const element of document.querySelectorAll("[data-refresh-seconds]")) {
    setInterval(() => {
      const busy = document.hidden || element.querySelector("details[open], :focus, input:checked");
      if (!busy) htmx.trigger(element, "refresh");
    }, 1000 * Number(element.dataset.refreshSeconds));
  }

  document.addEventListener("change", (event) => {
    const id = event.target.dataset.plotLog;
    if (id) Plotly.relayout(plotOf(id), { "yaxis.type": event.target.checked ? "log" : "linear" });
    if (event.target.closest("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-plot-download]");
    if (!button) return;
    const id = button.dataset.plotDownload;
    Plotly.downloadImage(plotOf(id), { format: "png", scale: 2, filename: id.replace(/-data$/, "") });
  });
})();
