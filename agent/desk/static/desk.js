"use strict";
// Small helps for the keyboard; every page works without them.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest("form.stack") || document.getElementById("approve");
    if (form) { event.preventDefault(); form.requestSubmit(); }
  } else if (event.key === "Escape") {
    closePanel("evidence");
  }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-close]");
  if (button) closePanel(button.dataset.close);
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "evidence") {
    const panel = event.detail.target.firstElementChild;
    if (panel) { panel.focus({ preventScroll: true }); panel.scrollIntoView({ block: "nearest" }); }
    const mark = panel && panel.querySelector("mark");
    if (mark) mark.scrollIntoView({ block: "nearest" });
  }
});
function closePanel(id) {
  const panel = document.getElementById(id);
  if (panel) panel.replaceChildren();
}
