// The search builder's own script. Without it places are typed and added by a button; with it they are offered while typing.
(() => {
  "use strict";

  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- A combobox (WAI-ARIA 1.2, list autocomplete, selection by hand): the server answers with the options -----------
  const boxOf = (element) => element?.closest?.("[data-combobox]");
  const inputOf = (box) => one("input", box);
  const listOf = (box) => one('[role="listbox"]', box);
  const optionsOf = (box) => all('[role="option"]', box);
  const isOpen = (box) => !listOf(box).hidden;

  function enhance() {
    for (const box of all("[data-combobox]")) {
      const input = inputOf(box);
      if (input.getAttribute("role") === "combobox") continue;
      for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-autocomplete", "list"], ["aria-controls", listOf(box).id]]) input.setAttribute(name, value);
      const said = Object.assign(document.createElement("span"), { className: "visually-hidden" });
      said.setAttribute("role", "status");
      box.append(said);
    }
  }

  function show(box, open) {
    const input = inputOf(box);
    listOf(box).hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) point(box, -1);
  }

  function point(box, index) {
    optionsOf(box).forEach((option, place) => option.setAttribute("aria-selected", String(place === index)));
    const active = optionsOf(box)[index];
    box.dataset.active = active?.dataset.value ?? "";
    if (active) inputOf(box).setAttribute("aria-activedescendant", active.id);
    else inputOf(box).removeAttribute("aria-activedescendant");
    active?.scrollIntoView({ block: "nearest" });
  }

  function choose(box, option) {
    inputOf(box).value = option.dataset.value;
    show(box, false);
    const button = one("button", box);
    button.form.requestSubmit(button);
  }

  // The answer drew the list anew: open while somebody types, and say how many there are.
  function offered(event) {
    enhance();
    const list = event.detail?.target?.id ? document.getElementById(event.detail.target.id) : null;
    const box = list?.matches('[role="listbox"]') && boxOf(list);
    if (!box) return;
    const active = box.dataset.active; // a late answer to an earlier letter takes nothing out of hand
    const typing = document.activeElement === inputOf(box) && inputOf(box).value.trim();
    show(box, Boolean(typing && optionsOf(box).length));
    point(box, optionsOf(box).findIndex((option) => typing && option.dataset.value === active));
    one('[role="status"]', box).textContent = typing ? list.dataset.said : "";
  }
  for (const name of ["htmx:afterSwap", "htmx:after:swap"]) document.addEventListener(name, offered);

  const STEPS = { ArrowDown: 1, ArrowUp: -1 };
  document.addEventListener("keydown", (event) => {
    const box = boxOf(event.target);
    if (!box || event.target !== inputOf(box) || event.isComposing) return;
    const options = optionsOf(box);
    const here = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key in STEPS && options.length) {
      event.preventDefault();
      const next = isOpen(box) ? here + STEPS[event.key] : event.key === "ArrowDown" ? 0 : options.length - 1;
      show(box, true);
      point(box, (next + options.length) % options.length);
    } else if (event.key === "Enter" && isOpen(box) && (here >= 0 || options.length === 1)) {
      event.preventDefault();
      choose(box, options[Math.max(here, 0)]);
    } else if (event.key === "Escape" && isOpen(box)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      show(box, false);
    } else if (event.key === "Tab") show(box, false);
  }, true);
  document.addEventListener("mousedown", (event) => { if (event.target.closest?.('[data-combobox] [role="listbox"]')) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    const option = event.target.closest?.('[data-combobox] [role="option"]');
    if (option) choose(boxOf(option), option);
    for (const box of all("[data-combobox]")) if (!box.contains(event.target)) show(box, false);
  });
  document.addEventListener("focusout", (event) => { const box = boxOf(event.target); if (box && !box.contains(event.relatedTarget)) show(box, false); });
  enhance();
})();
