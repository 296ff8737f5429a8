// What every page of the console has: the theme, the menu, shortcuts, copying, asking back, and looking again for news.
"use strict";

(() => {
  const root = document.documentElement;
  const kept = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private windows keep nothing */ } };
  const theme = kept("provisor-theme");
  // Before the page is drawn, so that it never flashes in the other theme.
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;

  function nameSwitch(button) {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Switch to light colours" : "Switch to dark colours");
  }

  async function copy(button) {
    const field = document.getElementById(button.dataset.copy);
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      // The clipboard may be refused, and is not there without TLS: the text is selected instead.
      field.focus();
      field.select();
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = said; }, 2500);
  }

  // Takes news of the parts that say so, without a reload: a user that arrives, a run that ends.
  async function look() {
    const live = document.querySelector("[data-live]");
    if (!live || document.hidden || live.contains(document.activeElement) && document.activeElement !== document.body) return;
    if (live.querySelector("details[open]") || String(getSelection())) return;
    const answer = await fetch(location.href, { headers: { "X-Console-Poll": "1" }, redirect: "manual" }).catch(() => null);
    if (!answer || !answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const news = page.getElementById(part.id);
      if (news && news.innerHTML !== part.innerHTML) part.replaceChildren(...news.childNodes);
    }
  }

  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]");
  let went = 0;

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const help = document.getElementById("help");
    if (event.key === "?" && help) {
      event.preventDefault();
      help.showModal();
    } else if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "g") {
      went = Date.now();
    } else if (Date.now() - went < 1500) {
      went = 0;
      const link = document.querySelector(`.side a[data-key="${CSS.escape(event.key)}"]`);
      if (link) link.click();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      nameSwitch(button);
      button.addEventListener("click", () => {
        root.dataset.theme = isDark() ? "light" : "dark";
        keep("provisor-theme", root.dataset.theme);
        nameSwitch(button);
      });
    }
    const menu = document.querySelector("[data-menu]");
    if (menu) {
      menu.addEventListener("click", () => {
        const open = document.getElementById("nav").classList.toggle("open");
        menu.setAttribute("aria-expanded", String(open));
      });
    }
    const help = document.querySelector("[data-help]");
    if (help) help.addEventListener("click", () => document.getElementById("help").showModal());
    if (document.querySelector("[data-live]")) setInterval(look, 4000);
  });

  document.addEventListener("keydown", pressed);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("submit", (event) => {
    const asks = event.submitter && event.submitter.dataset.confirm;
    if (asks && !confirm(asks)) event.preventDefault();
  });
})();
