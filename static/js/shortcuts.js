// "?" opens the list of shortcuts; "g" and then a key follows the link with data-shortcut="g <key>".
// A person can switch single keys off (WCAG 2.1.4): other scripts ask document.documentElement.dataset.shortcuts.
const SETTING = "readiness-shortcuts";
const PAIR_MS = 1500;
const sheet = document.querySelector("[data-shortcuts-sheet]");
const root = document.documentElement;
let waitingSince = -Infinity;

root.dataset.shortcuts = localStorage.getItem(SETTING) ?? "on";

function typing(target) {
  return target.isContentEditable || target.matches("input, textarea, select");
}

document.addEventListener("keydown", (event) => {
  if (root.dataset.shortcuts === "off" || typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?" && sheet) {
    event.preventDefault();
    sheet.open ? sheet.close() : sheet.showModal();
    return;
  }
  const key = event.key.toLowerCase();
  const second = event.timeStamp - waitingSince < PAIR_MS;
  waitingSince = key === "g" && !second ? event.timeStamp : -Infinity;
  const link = second && document.querySelector(`[data-shortcut="g ${CSS.escape(key)}"]`);
  if (link) {
    event.preventDefault();
    link.click();
  }
});

for (const opener of document.querySelectorAll("[data-shortcuts-open]")) {
  opener.hidden = !sheet;
  opener.addEventListener("click", () => sheet.showModal());
}
for (const box of document.querySelectorAll("[data-shortcuts-switch]")) {
  box.checked = root.dataset.shortcuts === "on";
  box.addEventListener("change", () => {
    root.dataset.shortcuts = box.checked ? "on" : "off";
    localStorage.setItem(SETTING, root.dataset.shortcuts);
  });
}
