"use strict";
// Helps for the keyboard and for open pages; every page works without them.

const byId = (id) => document.getElementById(id);
const WORDS = JSON.parse(byId("words").textContent);
const isField = (element) => element.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

// Keys

const SINGLE_KEYS = "minerva-single-keys";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && byId("palette")) {
    event.preventDefault();
    openPalette();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    sendByKey(event);
  } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    closeSomething(event);
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey && !isField(event.target)) {
    singleKey(event);
  }
});

function sendByKey(event) {
  const form = event.target.closest?.(".actions form") ?? (isField(event.target) ? null : openForm() ?? byId("approve"));
  if (!form) return;
  event.preventDefault();
  form.requestSubmit();
}

function openForm() {
  return document.querySelector(".actions details[open] form");
}

function closeSomething(event) {
  const open = event.target.closest?.(".actions details[open]");
  if (open) {
    open.open = false;
    open.querySelector("summary").focus();
  } else if (byId("evidence")?.firstElementChild) {
    closeEvidence();
  } else if (isField(event.target)) {
    event.target.blur();
  }
}

function singleKey(event) {
  if (document.querySelector("dialog[open]") || localStorage.getItem(SINGLE_KEYS) === "off") return;
  const list = byId("tickets");
  const inList = list && (event.target === document.body || list.contains(event.target) || event.target.id === "main");
  const actions = {
    "/": () => byId("search")?.focus(),
    "?": () => byId("keys")?.showModal(),
    j: () => list && step(1), k: () => list && step(-1),
    ArrowDown: () => inList && step(1), ArrowUp: () => inList && step(-1),
    u: () => byId("up")?.click(),
    x: () => inList && choose(),
    i: () => (byId("take") ?? chosen("bulk-take"))?.click() ?? false,
    d: () => byId("resolve")?.click() ?? false,
    z: () => (byId("undo") ?? byId("take-back"))?.click() ?? false,
    h: () => openMenu(), m: () => openPart("with"), g: () => openPart("hand-over"), c: () => openPart("colleague"), o: () => openPart("macro"), t: () => byId("new-tag")?.focus() ?? false, n: () => openPart("note"),
    p: () => openPart("placing"), e: () => openPart("edit"), r: () => openPart("reject"), a: () => openPart("redraft"),
  };
  const action = actions[event.key] ?? (/^[1-9]$/.test(event.key) ? () => showEvidence(event.key) : null);
  if (action && action() !== false) event.preventDefault();
}

function step(by) {
  const rows = [...document.querySelectorAll(".tickets a")];
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  if (!next) return false;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function choose() {
  const box = document.activeElement?.closest(".tickets li")?.querySelector("input[type=checkbox]");
  if (!box) return false;
  box.checked = !box.checked;
}

function chosen(id) {
  return document.querySelector(".pick input:checked") ? byId(id) : null;
}

function openMenu() {
  const menu = document.querySelector(".handling .menu");
  if (!menu) return false;
  menu.open = true;
  menu.querySelector("button").focus();
}

function openPart(id) {
  const part = byId(id);
  if (!part) return false;
  part.open = true;
  part.querySelector("textarea, select, input:not([type=hidden])")?.focus();
  part.scrollIntoView({ block: "nearest" });
}

function showEvidence(number) {
  const link = document.querySelector(`[data-evidence="${number}"]`);
  if (!link) return false;
  link.click();
}

// The command palette: whatever can be clicked on this page, by its name

let commands = [];

function openPalette() {
  const dialog = byId("palette");
  if (dialog.open) { dialog.close(); return; }
  const seen = new Set();
  commands = [...document.querySelectorAll("nav a, main button, main summary.button, main details > summary[aria-keyshortcuts], main a.button, .me a, .me button")]
    .filter((element) => !element.closest("dialog") && element.closest("form[hidden]") === null && (!element.closest(".bulk") || element.offsetParent))
    .map((element) => ({ element, name: (element.getAttribute("aria-label") ?? element.textContent).replace(/\s+/g, " ").trim(), key: element.getAttribute("aria-keyshortcuts") ?? "" }))
    .filter(({ name }) => name && !seen.has(name) && seen.add(name));
  byId("palette-words").value = "";
  dialog.showModal();
  listCommands();
}

function listCommands() {
  const words = byId("palette-words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = commands.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word))).slice(0, 12);
  const number = byId("palette-words").value.trim();
  if (/^(min-\d{4}-)?\d+$/i.test(number)) found.push({ name: `${WORDS.open} ${number}`, key: "", address: `/?view=all&q=${encodeURIComponent(number)}` });
  byId("palette-list").replaceChildren(...found.map((command, position) => {
    const row = document.createElement("li");
    row.id = `command-${position}`;
    row.role = "option";
    row.textContent = command.name;
    if (command.key) row.append(Object.assign(document.createElement("kbd"), { textContent: command.key.replace("Control+", "Ctrl ") }));
    row.addEventListener("click", () => runCommand(command));
    row.command = command;
    return row;
  }));
  chooseCommand(0);
}

function chooseCommand(position) {
  const rows = [...byId("palette-list").children];
  rows.forEach((row, n) => { row.ariaSelected = n === position ? "true" : "false"; });
  byId("palette-words").setAttribute("aria-activedescendant", rows[position]?.id ?? "");
  rows[position]?.scrollIntoView({ block: "nearest" });
}

function runCommand(command) {
  byId("palette").close();
  if (command.address) { location.href = command.address; return; }
  const part = command.element.closest("details");
  if (part && command.element.tagName === "SUMMARY" && part.id) { openPart(part.id); return; }
  command.element.click();
}

document.addEventListener("input", (event) => { if (event.target.id === "palette-words") listCommands(); });
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "palette-words") return;
  const rows = [...byId("palette-list").children];
  const at = rows.findIndex((row) => row.ariaSelected === "true");
  if (event.key === "ArrowDown") chooseCommand(Math.min(at + 1, rows.length - 1));
  else if (event.key === "ArrowUp") chooseCommand(Math.max(at - 1, 0));
  else if (event.key === "Enter" && rows[at]) runCommand(rows[at].command);
  else return;
  event.preventDefault();
});

// By mouse or key: an opened form is ready to be typed in
document.addEventListener("toggle", (event) => {
  const part = event.target;
  if (part.open && part.matches(".actions details") && part.contains(document.activeElement)) {
    part.querySelector("textarea, input:not([type=hidden])").focus();
  }
}, true);

// Evidence

let openedFrom = null;

function closeEvidence() {
  byId("evidence").replaceChildren();
  markCurrent(null);
  openedFrom?.focus({ preventScroll: true });
}

function markCurrent(link) {
  document.querySelectorAll(".cite[aria-current], .sources a[aria-current]").forEach((a) => a.removeAttribute("aria-current"));
  link?.setAttribute("aria-current", "true");
}

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close]");
  if (close) {
    event.preventDefault();
    closeEvidence();
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "draft") restore();
  if (event.detail.target.id !== "evidence") return;
  openedFrom = event.detail.requestConfig?.elt ?? openedFrom;
  markCurrent(openedFrom);
  showMark({ focus: true });
});

function showMark({ focus }) {
  const panel = document.querySelector(".evidence");
  if (!panel) return;
  if (focus) panel.focus({ preventScroll: true });
  const mark = panel.querySelector("mark.this") ?? panel.querySelector("mark");
  if (mark) panel.scrollTop = mark.offsetTop - panel.clientHeight / 3;
}

// Pages that stay open: ask only when somebody looks, and say when the desk does not answer

document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.target.hasAttribute("data-poll")) return;
  const busy = event.target.id === "tickets" && (document.querySelector(".pick input:checked") || event.target.contains(document.activeElement?.closest("select, input")));
  if (document.hidden || busy) event.preventDefault();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) byId("trouble").hidden = true;
});
document.addEventListener("htmx:sendError", () => trouble(WORDS.silent));
document.addEventListener("htmx:responseError", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status === 401) {
    trouble(WORDS.ended, { href: "/sign-in", text: WORDS.again });
  } else if (target.id === "evidence") {
    trouble(new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector("[role=alert]")?.textContent
      ?? WORDS.evidence);
  } else {
    trouble(WORDS.trouble);
  }
});

function trouble(text, link) {
  const toast = byId("trouble");
  toast.replaceChildren(text);
  if (link) {
    const a = document.createElement("a");
    a.href = `${link.href}?next=${encodeURIComponent(location.pathname)}`;
    a.textContent = link.text;
    toast.append(" ", a);
  }
  toast.hidden = false;
}

// What is typed is kept in this tab until it is sent or discarded, also over a sign-in

const keptAs = (field) => `minerva-typed-${field.dataset.keep}`;

document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.dataset?.keep) return;
  if (field.value === field.defaultValue) sessionStorage.removeItem(keptAs(field));
  else sessionStorage.setItem(keptAs(field), field.value);
});

const SENDING = "minerva-sending";

function forgetWhatWasSent() {
  if (document.querySelector("[data-done]")) sessionStorage.getItem(SENDING)?.split("\n").forEach((key) => sessionStorage.removeItem(key));
  sessionStorage.removeItem(SENDING);
}

function restore() {
  for (const field of document.querySelectorAll("[data-keep]")) {
    const kept = sessionStorage.getItem(keptAs(field));
    if (kept === null || kept === field.value) continue;
    field.value = kept;
    field.closest("details").open = true;
    const note = field.form.querySelector(".restored");
    if (note) note.hidden = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-discard]");
  if (!button) return;
  const field = byId(button.dataset.discard);
  sessionStorage.removeItem(keptAs(field));
  field.value = field.defaultValue;
  button.closest(".restored").hidden = true;
  field.focus();
});

// What changes elsewhere, and who else is here: one stream for the page, only while somebody looks at it

let stream = null;
let typedAt = 0;

function watch() {
  const place = document.querySelector("[data-stream]");
  if (!place || document.hidden) { stream?.close(); stream = null; return; }
  if (stream) return;
  let version = null;
  stream = new EventSource(place.dataset.stream);
  stream.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    if (version !== null && state.version !== version) document.body.dispatchEvent(new Event("desk-changed"));
    version = state.version;
    if (state.others) byId("presence").textContent = state.others.map((other) => `${other.name} ${other.typing ? WORDS.writing : WORDS.looking}.`).join(" ");
  });
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && stream === null) document.body.dispatchEvent(new Event("desk-changed"));
  watch();
});

document.addEventListener("input", (event) => {
  const place = byId("presence");
  const csrf = event.target.form?.querySelector("[name=csrf_token]");
  if (!place || !csrf || !event.target.dataset.keep || Date.now() - typedAt < 4000) return;
  typedAt = Date.now();
  fetch(place.dataset.typing, { method: "POST", body: new URLSearchParams({ csrf_token: csrf.value }) }).catch(() => {});
});

// A draft while it is written

let writing = null;

function showLive() {
  const place = document.querySelector("[data-live]");
  if (!place) { writing?.close(); writing = null; return; }
  if (writing) return;
  writing = new EventSource(place.dataset.live);
  writing.onmessage = (event) => {
    const shown = document.querySelector("[data-live]");
    if (shown) { shown.hidden = false; shown.textContent = event.data; }
  };
  writing.addEventListener("end", () => { writing?.close(); });
  writing.onerror = () => { writing?.close(); };
}
document.addEventListener("htmx:afterSwap", showLive);

// Forms: once only, and nothing is left behind when somebody signs out

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.hasAttribute("data-leaving")) sessionStorage.clear();
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  sessionStorage.setItem(SENDING, [...form.querySelectorAll("[data-keep]")].map(keptAs).join("\n"));
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

// At the start (the script is deferred: the page is there)

forgetWhatWasSent();
showLive();
watch();
restore();
showMark({ focus: false });
const showKeys = byId("show-keys");
if (showKeys) {
  showKeys.hidden = false;
  showKeys.addEventListener("click", () => byId("keys").showModal());
  const choice = byId("use-keys");
  choice.checked = localStorage.getItem(SINGLE_KEYS) !== "off";
  choice.addEventListener("change", () => localStorage.setItem(SINGLE_KEYS, choice.checked ? "on" : "off"));
}
