// Porchlight's whole script. Every page works without it; with it, messages float, keys work, and live parts stay live.
(() => {
  "use strict";

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  // The same event under htmx 2's name and htmx 4's.
  const onHtmx = (two, four, then) => [`htmx:${two}`, `htmx:${four}`].forEach((name) => document.addEventListener(name, then));
  const sourceOf = (event) => event.detail?.elt ?? event.detail?.ctx?.sourceElement ?? event.target;
  const answerOf = (event) => event.detail?.xhr ?? event.detail?.ctx?.response?.raw ?? null;
  const headerOf = (answer, name) => (answer?.getResponseHeader ? answer.getResponseHeader(name) : answer?.headers?.get(name)) ?? "";

  // --- Messages ---------------------------------------------------------------------------------------------------
  const region = one("#toasts");

  function arm(toast) {
    let timer;
    const rest = () => clearTimeout(timer);
    const leave = () => { rest(); if (toast.dataset.tone !== "bad") timer = setTimeout(() => toast.remove(), 5000); };
    one("[data-close]", toast)?.addEventListener("click", () => toast.remove());
    for (const name of ["mouseenter", "focusin"]) toast.addEventListener(name, rest);
    for (const name of ["mouseleave", "focusout"]) toast.addEventListener(name, leave);
    leave();
  }

  function say({ tone = "good", text, detail = "", reference = "" }) {
    if (!region || !text) return;
    const toast = one("#toast").content.firstElementChild.cloneNode(true);
    toast.dataset.tone = tone;
    toast.setAttribute("role", tone === "bad" ? "alert" : "status");
    one("b", toast).textContent = text;
    one("small", toast).textContent = [detail, reference && `Reference ${reference}`].filter(Boolean).join(" ");
    region.append(toast);
    arm(toast);
  }

  document.addEventListener("toast", (event) => say(event.detail ?? {}));

  // What cannot be renewed turns grey and says since when, by the office's clock; the next answer takes its place.
  const seenAt = new WeakMap();
  function wallTime(moment) {
    const timeZone = one("time[data-zone]")?.dataset.zone;
    return new Intl.DateTimeFormat("en-US", { timeZone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(moment);
  }
  function turnGrey(part) {
    if (!part?.dataset?.poll || "stale" in part.dataset) return;
    part.dataset.stale = "";
    const since = `not checked since ${wallTime(seenAt.get(part) ?? Date.now())}`;
    for (const words of all("[data-checked]", part)) words.textContent = since[0].toUpperCase() + since.slice(1);
    const line = Object.assign(document.createElement("p"), { className: "note tight", textContent: `Porchlight does not answer: ${since}. What stands here may have changed.` });
    line.setAttribute("role", "status");
    part.prepend(line);
  }

  const silenced = new WeakSet(); // a live part that fails says so once, not every 15 s
  function complain(event, message) {
    const source = sourceOf(event);
    turnGrey(source);
    if (silenced.has(source)) return;
    if (source?.dataset?.poll) silenced.add(source);
    say({ tone: "bad", ...message });
  }
  onHtmx("responseError", "response:error", (event) => {
    if (headerOf(answerOf(event), "HX-Trigger").includes('"toast"')) return;
    complain(event, { text: "That did not work.", detail: "Nothing was changed. Try again, or reload the page." });
  });
  onHtmx("sendError", "error", (event) => {
    if (event.type === "htmx:error" && !event.detail?.ctx) return; // htmx 2 says this beside every other error
    complain(event, { text: "Porchlight does not answer.", detail: "Check the connection; if you were saving, look whether it is there." });
  });
  onHtmx("afterOnLoad", "after:request", (event) => silenced.delete(sourceOf(event)));

  // --- htmx: proof that a request comes from this page -------------------------------------------------------------
  onHtmx("configRequest", "config:request", (event) => {
    const headers = event.detail.headers ?? event.detail.ctx?.request?.headers;
    if (headers) headers["X-CSRFToken"] = one('meta[name="csrf-token"]')?.content ?? "";
  });

  // --- What swaps keep: focus, scroll, what is open and half-typed; a wrong field gets the focus ----------------------
  const firstWrong = (root = document) => one('form [aria-invalid="true"]:not(fieldset)', root);
  const named = (element, name) => element.hasAttribute(name) ? `[${name}="${CSS.escape(element.getAttribute(name))}"]` : "";
  const inForm = (element) => { const form = element.closest("form"); return form ? `form${named(form, "action")} ` : ""; };
  const boxName = (box) => `${box.closest("[id]")?.id} ${box.getAttribute("aria-label") ?? one("summary", box)?.textContent ?? ""}`;
  const typedIn = (field) => isTick(field) ? field.checked !== field.defaultChecked : field.options ? false : field.value !== field.defaultValue;
  const TYPED = 'input:not([type="hidden"]), textarea';

  // Where the focus is, in words that hold for the next drawing of the same part: which of all that look so.
  function placeOf(here) {
    const own = here.id ? `#${CSS.escape(here.id)}` : named(here, "href") || named(here, "aria-label") || named(here, "name") + named(here, "value");
    const words = `${inForm(here)}${here.localName}${own}`;
    return [words, all(words).indexOf(here)];
  }

  let kept = null;
  onHtmx("beforeSwap", "before:swap", (event) => {
    const target = event.detail?.target ?? event.detail?.ctx?.target;
    if (!target?.contains) { kept = null; return; }
    const here = document.activeElement;
    const holds = here && here !== document.body && target.contains(here);
    const asked = event.detail.requestConfig?.elt ?? event.detail.ctx?.sourceElement;
    const isPoll = asked?.matches?.("[data-poll]"); // what a form answers may change what was typed; what a clock brings may not
    if (!holds && !isPoll) { kept = null; return; }
    const scrolled = "[tabindex], .scroll, .tabs";
    kept = {
      find: holds ? placeOf(here) : null,
      boxes: new Map(all(scrolled, target).filter((box) => box.scrollLeft || box.scrollTop).map((box) => [boxName(box), [box.scrollLeft, box.scrollTop]])),
      open: new Map((isPoll ? all("details", target) : []).map((box) => [boxName(box), box.open])),
      typed: (isPoll ? all(TYPED, target).filter(typedIn) : []).map((field) => [`${inForm(field)}${field.localName}${named(field, "name")}`, read(field)]),
      scrolled, y: scrollY,
    };
  });
  onHtmx("afterSettle", "after:settle", (event) => {
    // Only in what was swapped: a part drawn anew while somebody types elsewhere must not pull them away.
    const wrong = firstWrong(event.target?.isConnected ? event.target : document);
    if (wrong) wrong.focus();
    else if (kept) {
      for (const box of all("details")) if (kept.open.has(boxName(box))) box.open = kept.open.get(boxName(box));
      for (const [place, value] of kept.typed) { const field = one(place); if (field) write(field, value); }
      for (const box of all(kept.scrolled)) if (kept.boxes.has(boxName(box))) [box.scrollLeft, box.scrollTop] = kept.boxes.get(boxName(box));
      const found = kept.find && all(kept.find[0])[kept.find[1]];
      if (found && document.activeElement !== found) found.focus({ preventScroll: true });
      scrollTo({ top: kept.y, behavior: "instant" });
    }
    kept = null;
    refreshTimes();
  });

  // --- Live parts: data-poll="15" gets a `poll` event so often, while the page is seen and nobody works in it --------
  const polled = new WeakMap();
  const asked = new WeakMap(); // since when an answer is awaited
  const PATIENCE = 10000;
  const isSeen = (field) => field.checkVisibility?.() ?? field.offsetParent !== null;
  const busy = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, [contenteditable]")
    || all(TYPED, part).some((field) => isSeen(field) && typedIn(field)) // half-typed, and left for a moment
    || one("form[data-sent]", part) // on its way
    || one("dialog[open], :popover-open", part) || (getSelection().type === "Range" && part.contains(getSelection().anchorNode));
  function poll() {
    if (document.hidden) return;
    for (const part of all("[data-poll]")) {
      const last = polled.get(part);
      if (last === undefined) { polled.set(part, Date.now()); seenAt.set(part, Date.now()); }
      else if (Date.now() - last >= part.dataset.poll * 1000 && !busy(part)) {
        polled.set(part, Date.now());
        asked.set(part, asked.get(part) ?? Date.now());
        part.dispatchEvent(new CustomEvent("poll"));
      } else if (Date.now() - asked.get(part) > PATIENCE) turnGrey(part); // taken by a server that says nothing
    }
    if (lamp && Date.now() - litAt >= 15000) { litAt = Date.now(); askLamp(); }
  }

  // The lamp of every page, with the bars of what is paused and the phone's line: one small answer every 15 s. Only what
  // differs is put in place, never under somebody's hand; the link stays the same element, so it keeps the focus.
  const lamp = one("#lamp");
  let litAt = Date.now();
  const title = document.title;
  const markTitle = () => { document.title = `${{ bad: "● ", idle: "○ " }[lamp?.dataset.tone] ?? ""}${title}`; };
  function light(parts) {
    for (const part of [...parts]) {
      const there = document.getElementById(part.id);
      if (!there || (there !== document.activeElement && there.contains(document.activeElement)) || busy(there)) continue;
      for (const { name, value } of part.attributes) there.setAttribute(name, value);
      if (there.innerHTML !== part.innerHTML) there.replaceChildren(...part.childNodes);
    }
    litAt = Date.now();
    markTitle();
    refreshTimes();
  }
  function putOut() {
    const checked = one("time", lamp)?.dateTime;
    if (!checked) return; // out already
    const since = Object.assign(document.createElement("small"), { textContent: `since ${wallTime(Date.parse(checked))}` });
    lamp.dataset.tone = "idle";
    one(".rail-label", lamp).replaceChildren("Not checked", since);
    const word = one("#house-word .status");
    if (word) word.replaceChildren(one(".dot", word), `Not checked ${since.textContent}`);
    one("#house-word .dot")?.setAttribute("data-tone", "idle");
    markTitle();
  }
  async function askLamp() {
    const answer = await fetch(lamp.dataset.ask, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(PATIENCE) }).catch(() => null);
    const html = answer?.ok ? await answer.text().catch(() => "") : "";
    if (html) light(new DOMParser().parseFromString(html, "text/html").body.children);
    else putOut();
  }
  // A page that judged everything itself brings the lamp along.
  onHtmx("afterSwap", "after:swap", () => all("template[data-lamp]").forEach((brought) => { light(brought.content.children); brought.remove(); }));

  poll();
  setInterval(poll, 1000);
  document.addEventListener("visibilitychange", poll);

  // --- Times grow older while one reads -----------------------------------------------------------------------------
  function agoWords(seconds) {
    const size = Math.abs(seconds);
    const [number, unit] = size < 60 ? [size, "s"] : size < 3600 ? [size / 60, "min"] : size < 86400 ? [size / 3600, "h"] : [size / 86400, "d"];
    const words = `${Math.floor(number)} ${unit}`;
    return size < 1 ? "now" : seconds > 0 ? `${words} ago` : `in ${words}`;
  }
  function refreshTimes() {
    for (const time of all("time[data-ago]")) {
      const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
      if (Math.abs(seconds) < 7 * 86400) time.textContent = agoWords(seconds);
    }
    for (const clock of all("time[data-zone]")) {
      clock.textContent = new Intl.DateTimeFormat("en-US", {
        timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short",
      }).format();
    }
  }
  setInterval(() => { if (!document.hidden) refreshTimes(); }, 15000);

  // --- Theme and density: at once here, and kept by the server ------------------------------------------------------
  const root = document.documentElement;
  const isDark = () => (root.dataset.bsTheme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  function prefer(name, value) {
    if (name === "density") root.dataset.density = value;
    else if (value === "system") delete root.dataset.bsTheme;
    else root.dataset.bsTheme = value;
    for (const button of all(`.segment [name="${name}"]`)) {
      if (button.value === value) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-preference]") || !event.submitter) return;
    event.preventDefault();
    const { name } = event.submitter;
    const value = event.submitter.closest(".theme-form") ? (isDark() ? "light" : "dark") : event.submitter.value;
    prefer(name, value);
    const body = new FormData(form);
    body.set(name, value);
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => null);
    if (!answer || (answer.status >= 400)) say({ tone: "bad", text: "That choice could not be kept.", detail: "It holds for this page only." });
  });

  // --- Forms: sent once, not lost by accident, files measured before they travel -------------------------------------
  const dirty = new Set();
  document.addEventListener("input", (event) => { if (event.target.form?.matches("[data-warn]")) dirty.add(event.target.form); });
  addEventListener("beforeunload", (event) => { if ([...dirty].some((form) => form.isConnected)) event.preventDefault(); });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    dirty.delete(form);
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    if (form.matches("[data-warn]")) keep([form], true);
    if (new URL(form.action).pathname === SIGN_OUT) drafts().forEach((name) => sessionStorage.removeItem(name));
  });
  addEventListener("pageshow", () => all("form[data-sent]").forEach((form) => delete form.dataset.sent));
  onHtmx("afterRequest", "after:request", (event) => { const form = sourceOf(event)?.closest?.("form"); if (form) delete form.dataset.sent; });

  document.addEventListener("change", (event) => {
    const input = event.target;
    if (!input.matches('input[type="file"][data-max-bytes]')) return;
    const limit = Number(input.dataset.maxBytes);
    const large = [...input.files].find((file) => file.size > limit);
    const megabytes = (bytes) => `${Math.ceil(bytes / 1048576).toLocaleString("en-US")} MB`;
    const sentence = large ? `${large.name} has ${megabytes(large.size)}; the limit here is ${megabytes(limit)}.` : "";
    one(".invalid-feedback[data-size]", input.parentElement)?.remove();
    input.setCustomValidity(sentence);
    input.classList.toggle("is-invalid", Boolean(large));
    if (!large) return;
    const line = Object.assign(document.createElement("div"), { className: "invalid-feedback d-block", textContent: sentence });
    line.dataset.size = "";
    line.setAttribute("role", "alert");
    input.after(line);
  });

  // --- A session that ended: what was typed waits in this tab, for the same person, and is put back ------------------
  const [SIGN_IN, SIGN_OUT, DRAFT, DRAFT_AGE] = ["/sign-in", "/sign-out", "porchlight-draft:", 2 * 3600 * 1000];
  const find = () => one("[data-find] input");
  const reader = document.body.dataset.reader;
  const drafts = () => Object.keys(sessionStorage).filter((name) => name.startsWith(DRAFT));
  const KEPT = 'input:not([type="password"], [type="file"], [type="submit"], [type="button"], [type="image"], [name="csrf_token"]), select, textarea';
  const fieldsOf = (form) => [...form.elements].filter((field) => field.name && field.matches(KEPT) && !field.matches(":disabled"));
  const isHidden = (field) => field.type === "hidden";
  // A list of choices sits in an element of its own, which a later answer may draw anew: put back in there, it is not doubled.
  const homeOf = (field, form) => { const home = field.closest("[id]"); return home && home !== form && form.contains(home) ? home.id : ""; };
  const isTick = (field) => field.matches('[type="checkbox"], [type="radio"]');
  const read = (field) => isTick(field) ? field.checked : field.multiple && field.options ? [...field.selectedOptions].map((option) => option.value) : field.value;
  const nameOf = (field) => isTick(field) ? `${field.name}=${field.value}` : field.name;

  function keep(forms, sent = false) {
    const draft = {
      reader, sent, at: Date.now(), search: location.search, find: find()?.value ?? "",
      forms: forms.map((form) => ({
        action: form.getAttribute("action"),
        hidden: fieldsOf(form).filter(isHidden).map((field) => [field.name, field.value, homeOf(field, form)]),
        fields: fieldsOf(form).filter((field) => !isHidden(field)).map((field) => [nameOf(field), read(field)]),
      })),
    };
    if (!draft.forms.length && !draft.find) return;
    try { sessionStorage.setItem(DRAFT + location.pathname, JSON.stringify(draft)); } catch { /* full or forbidden: nothing to keep it in */ }
  }

  onHtmx("beforeOnLoad", "before:response", (event) => {
    const answer = answerOf(event);
    if (answer?.status !== 401 || !headerOf(answer, "HX-Redirect")) return;
    const source = sourceOf(event)?.closest?.("form");
    const forms = all("form[data-warn]").filter((form) => form === source || dirty.has(form));
    keep(forms);
    forms.forEach((form) => dirty.delete(form)); // it is kept: no need to ask before leaving
  });

  function write(field, value) {
    if (JSON.stringify(read(field)) === JSON.stringify(value)) return false;
    if (isTick(field)) field.checked = value;
    else if (Array.isArray(value)) [...field.options].forEach((option) => { option.selected = value.includes(option.value); });
    else field.value = value;
    return true;
  }

  function fill(form, { fields, hidden }) {
    const changed = [];
    const left = new Map();
    for (const [name, value] of fields) left.set(name, [...(left.get(name) ?? []), value]);
    for (const field of fieldsOf(form).filter((one) => !isHidden(one))) {
      const values = left.get(nameOf(field));
      if (values?.length && write(field, values.shift())) changed.push(field);
    }
    const before = fieldsOf(form).filter(isHidden);
    const same = JSON.stringify(before.map((field) => [field.name, field.value, homeOf(field, form)])) === JSON.stringify(hidden);
    if (!same) {
      // The version it was typed upon comes back too, so that whoever saved meanwhile is not overwritten.
      before.forEach((field) => { changed.push(field.parentElement); field.remove(); });
      for (const [name, value, home] of hidden) {
        const place = (home && one(`#${CSS.escape(home)}`, form)) || form;
        place.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
        changed.push(place);
      }
    }
    return changed;
  }

  function putBack() {
    const cameFromSignIn = document.referrer && new URL(document.referrer).pathname === SIGN_IN;
    for (const name of drafts()) {
      const draft = JSON.parse(sessionStorage.getItem(name));
      if (draft.reader !== reader || Date.now() - draft.at > DRAFT_AGE || (draft.sent && !cameFromSignIn)) {
        sessionStorage.removeItem(name); // another person's, too old, or it arrived
        continue;
      }
      if (draft.sent) sessionStorage.setItem(name, JSON.stringify({ ...draft, sent: false })); // it did not arrive
      if (name !== DRAFT + location.pathname) continue;
      if (draft.find && find() && !find().value) find().value = draft.find;
      const found = draft.search === location.search ? draft.forms.map((kept) => [all("form[data-warn]").find((form) => form.getAttribute("action") === kept.action), kept]) : [];
      if (draft.forms.length && !found.some(([form]) => form)) continue; // its form is not on this page
      sessionStorage.removeItem(name);
      let differs = false;
      for (const [form, kept] of found.filter(([form]) => form)) {
        const changed = fill(form, kept);
        if (!changed.length) continue;
        differs = true;
        dirty.add(form);
        new Set(changed).forEach((field) => field.dispatchEvent(new Event("input", { bubbles: true })));
      }
      if (differs) say({ text: "What you had typed is back; it is not saved yet." });
    }
  }
  addEventListener("DOMContentLoaded", () => { if (reader) putBack(); }); // on window: htmx hears it first, on the document

  // --- Keys --------------------------------------------------------------------------------------------------------
  const KEYS_OFF = "porchlight-keys-off";
  const keysOff = one("[data-keys-off]");
  if (keysOff) {
    keysOff.checked = localStorage.getItem(KEYS_OFF) === "1";
    keysOff.addEventListener("change", () => localStorage.setItem(KEYS_OFF, keysOff.checked ? "1" : "0"));
  }
  const isTyping = (element) => element?.matches?.('textarea, select, [contenteditable], input:not([type="checkbox"], [type="radio"], [type="button"], [type="submit"])');
  const rowsOfPage = () => all("[data-rows] > tbody > tr, [data-rows] > li").filter((row) => one("a[href]", row));

  function walk(step) {
    const rows = rowsOfPage();
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(here + step, 0), rows.length - 1)];
    one("a[href]", next ?? document.createElement("i"))?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  let waitsForPlace = 0; // until when a letter after g means a place
  const single = {
    "/": () => (one("main [data-search]") ?? find())?.focus(),
    "?": () => one("#keys")?.showModal(),
    j: () => walk(1),
    k: () => walk(-1),
    g: () => { waitsForPlace = Date.now() + 1500; },
    x: () => one('input[type="checkbox"]', document.activeElement.closest("[data-rows] > tbody > tr") ?? document.createElement("i"))?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && letter === "k" && find()) {
      event.preventDefault();
      find().focus();
      find().select();
    } else if (letter === "Escape" && !one("dialog[open], :popover-open")) {
      if (region?.lastElementChild) region.lastElementChild.remove();
      else document.activeElement?.blur();
    } else if (!(event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || one("dialog[open]") || keysOff?.checked)) {
      const place = Date.now() < waitsForPlace && one(`[data-go="${CSS.escape(letter)}"]`);
      const act = place ? () => location.assign(place.href) : single[letter] ?? (one(`[data-key="${CSS.escape(letter)}"]`) && (() => one(`[data-key="${CSS.escape(letter)}"]`).click()));
      if (letter !== "g") waitsForPlace = 0;
      if (act) { event.preventDefault(); act(); }
    }
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-dialog]");
    if (opener) one(`#${CSS.escape(opener.dataset.dialog)}`)?.showModal();
    const dialog = event.target.matches?.("dialog[open]") && event.target;
    if (dialog && event.target === dialog) {
      const box = dialog.getBoundingClientRect();
      if (event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) dialog.close();
    }
  });

  // Buttons that only a script can answer show themselves: copy a text, tick a whole column of a form.
  const showAids = () => all("[data-copy][hidden], [data-ticks][hidden], [data-polls][hidden]").forEach((aid) => { aid.hidden = "copy" in aid.dataset && !navigator.clipboard; });
  onHtmx("afterSwap", "after:swap", showAids);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const said = button.dataset.copy.startsWith("#") ? one(button.dataset.copy).textContent : button.dataset.copy; // of an element, or itself
    navigator.clipboard?.writeText(said).then(() => say({ text: "Copied.", detail: said.length < 100 ? said : "" }));
  });
  document.addEventListener("change", (event) => {
    const ticks = event.target.closest?.("[data-ticks]")?.dataset.ticks;
    if (ticks) all(`[name="${CSS.escape(ticks)}"]`, event.target.form).forEach((box) => { box.checked = event.target.checked; });
  });

  // --- First look ----------------------------------------------------------------------------------------------------
  all("[data-dialog][hidden]").forEach((opener) => { opener.hidden = false; });
  showAids();
  all(".toast", region ?? document.createElement("i")).forEach((toast) => { arm(toast); region.append(toast); });
  firstWrong()?.focus();
  refreshTimes();
  markTitle();
  // Of many tabs on a narrow screen the one that is open is in sight.
  for (const here of all(".tabs > [aria-current]")) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
})();
