// The map of the search builder. The form's fields are the truth: the map writes into them and draws what they say, so
// what it does can be typed as well. Leaflet and its sheet come when somebody opens the map.
(() => {
  "use strict";

  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const form = () => one("#search");
  const field = (name) => form()?.elements.namedItem(name);
  const MILE = 1609.344;
  const places = (number) => Number(number.toFixed(6));

  function load(tag, attributes) {
    return new Promise((resolve, reject) => {
      const element = Object.assign(document.createElement(tag), attributes);
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${tag} did not load`));
      document.head.append(element);
    });
  }

  // "44.10, -70.21; 44.12, -70.18": one area a line.
  const corners = (line) => [...line.replaceAll("−", "-").matchAll(/([+-]?\d+(?:\.\d+)?)\s*,\s*([+-]?\d+(?:\.\d+)?)/g)].map(([, y, x]) => [Number(y), Number(x)]);
  const linesOf = (name) => (field(name)?.value ?? "").split("\n").filter((line) => line.trim());
  const written = (points) => points.map(([y, x]) => `${places(y)}, ${places(x)}`).join("; ");
  const degrees = (name) => { const said = (field(name)?.value ?? "").replace("−", "-").trim(); return said === "" ? NaN : Number(said); };

  function write(values) {
    for (const [name, value] of Object.entries(values)) if (field(name)) field(name).value = value;
    field(Object.keys(values)[0])?.dispatchEvent(new Event("input", { bubbles: true }));
  }

  class SearchMap {
    constructor(box) {
      this.box = box;
      this.said = one("#map-said", box);
      const L = this.L = window.L;
      const map = this.map = L.map(one("#map", box), { zoomControl: true, attributionControl: Boolean(box.dataset.tiles), zoomAnimation: false, fadeAnimation: false, markerZoomAnimation: false });
      if (box.dataset.tiles) {
        map.attributionControl.setPrefix(false);
        L.tileLayer(box.dataset.tiles, { maxZoom: 19, attribution: box.dataset.by.replace(/[&<>]/g, ""), referrerPolicy: "strict-origin-when-cross-origin" }).addTo(map);
      } else {
        const grid = L.gridLayer({ maxZoom: 19 });
        grid.createTile = () => L.DomUtil.create("div", "map-cell");
        grid.addTo(map);
      }
      L.control.scale({ metric: false }).addTo(map);
      map.setView([39.8, -98.6], 4);
      this.homes = L.layerGroup().addTo(map);
      this.shapes = L.layerGroup().addTo(map);
      this.draft = L.layerGroup().addTo(map);
      this.drawing = null;
      this.isFitted = false;
      map.on("click", ({ latlng }) => { if (this.drawing) this.corner(latlng); });
      map.on("moveend", () => { clearTimeout(this.soon); this.soon = setTimeout(() => this.ask(), 200); });
      map.getContainer().addEventListener("keydown", (event) => this.key(event));
    }

    // What is drawn

    draw() {
      const { L } = this;
      this.shapes.clearLayers();
      for (const name of ["polygons", "not_polygons"]) {
        const ends = name === "polygons" ? "" : "-not";
        linesOf(name).forEach((line, number) => {
          const points = corners(line);
          if (points.length < 3) return;
          const area = L.polygon(points, { className: `map-area${ends}`, interactive: false }).addTo(this.shapes);
          if (points.length > 60) return;
          points.forEach((point, place) => this.knob(point, `map-corner map-corner${ends}`, "Corner; drag to move", (at) => {
            points[place] = [at.lat, at.lng];
            area.setLatLngs(points);
          }, () => { const lines = linesOf(name); lines[number] = written(points); write({ [name]: lines.join("\n") }); }));
        });
      }
      const [latitude, longitude, miles] = ["radius_latitude", "radius_longitude", "radius_miles"].map(degrees);
      if (Number.isFinite(latitude) && Number.isFinite(longitude) && miles > 0) this.circle([latitude, longitude], miles);
      const [south, west, north, east] = ["south", "west", "north", "east"].map((side) => degrees(`box_${side}`));
      if ([south, west, north, east].every(Number.isFinite)) L.rectangle([[south, west], [north, east]], { className: "map-area", interactive: false }).addTo(this.shapes);
    }

    circle(centre, miles) {
      const { L, map } = this;
      const ring = L.circle(centre, { radius: miles * MILE, className: "map-area", interactive: false }).addTo(this.shapes);
      const store = () => write({ radius_latitude: places(ring.getLatLng().lat), radius_longitude: places(ring.getLatLng().lng), radius_miles: Math.max(0.01, Number((ring.getRadius() / MILE).toFixed(2))) });
      const rim = () => { const box = ring.getBounds(); return [ring.getLatLng().lat, box.getEast()]; };
      const edge = this.knob(rim(), "map-corner", "Edge of the circle; drag to resize", (at) => ring.setRadius(map.distance(ring.getLatLng(), at)), store);
      this.knob(centre, "map-corner", "Middle of the circle; drag to move", (at) => { ring.setLatLng(at); edge.setLatLng(rim()); }, store);
    }

    knob(point, className, title, moved, stored) {
      const icon = this.L.divIcon({ className, iconSize: [14, 14] });
      const knob = this.L.marker(point, { icon, title, draggable: true, keyboard: false }).addTo(this.shapes);
      knob.on("drag", ({ latlng }) => moved(latlng)).on("dragend", stored);
      return knob;
    }

    // Drawing

    begin(name) {
      this.stop();
      this.drawing = { name, points: [] };
      this.map.getContainer().classList.add("map-drawing");
      this.map.doubleClickZoom.disable();
      one("[data-drawing]", this.box).hidden = false;
      for (const button of all("[data-draw]", this.box)) button.setAttribute("aria-pressed", String(button.dataset.draw === name));
      this.tell(name === "radius" ? "Click the middle of the circle, or move the map under the cross and press Enter." : "Click the corners one after the other, or move the map under the cross and press Enter; Done closes the area.");
      this.map.getContainer().focus({ preventScroll: true });
    }

    stop() {
      this.drawing = null;
      this.draft.clearLayers();
      this.map.getContainer().classList.remove("map-drawing");
      this.map.doubleClickZoom.enable();
      one("[data-drawing]", this.box).hidden = true;
      for (const button of all("[data-draw]", this.box)) button.setAttribute("aria-pressed", "false");
    }

    corner({ lat, lng }) {
      const { name, points } = this.drawing;
      if (name === "radius") {
        const miles = degrees("radius_miles");
        this.stop();
        write({ radius_latitude: places(lat), radius_longitude: places(lng), radius_miles: miles > 0 ? miles : 1 });
        this.draw();
        return;
      }
      points.push([lat, lng]);
      this.sketch();
    }

    sketch() {
      const { name, points } = this.drawing;
      const ends = name === "polygons" ? "" : "-not";
      this.draft.clearLayers();
      this.L.polygon(points, { className: `map-area${ends}`, interactive: false }).addTo(this.draft);
      points.forEach((point, place) => {
        const dot = this.L.marker(point, { icon: this.L.divIcon({ className: `map-corner map-corner${ends}`, iconSize: [14, 14] }), keyboard: false }).addTo(this.draft);
        if (place === 0 && points.length > 2) dot.on("click", () => this.done());
      });
      this.tell(`${points.length} ${points.length === 1 ? "corner" : "corners"}${points.length < 3 ? "; an area needs three" : ""}.`);
    }

    done() {
      const { name, points } = this.drawing ?? {};
      if (!name || name === "radius") return this.stop();
      if (points.length < 3) return this.tell("An area needs three corners.");
      this.stop();
      write({ [name]: [...linesOf(name), written(points)].join("\n") });
      this.draw();
      this.tell(name === "polygons" ? "The area is drawn." : "The area is crossed out.");
    }

    act(what) {
      if (what === "fit") this.fit();
      else if (what === "cancel") { this.stop(); this.tell(""); }
      else if (what === "done") this.done();
      else if (!this.drawing) return;
      else if (what === "corner") this.corner(this.map.getCenter());
      else if (what === "back") { this.drawing.points.pop(); this.sketch(); }
    }

    key(event) {
      const spot = event.target.closest(".leaflet-marker-icon[tabindex]");
      const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
      if (spot && event.key in steps) { // from one home to the next; the map itself stays
        const dots = all(".leaflet-marker-icon[tabindex]", this.map.getContainer());
        const next = dots[(dots.indexOf(spot) + steps[event.key] + dots.length) % dots.length];
        spot.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
        event.preventDefault();
        event.stopPropagation();
      } else if (this.drawing && event.target === this.map.getContainer()) {
        const what = { Enter: "corner", " ": "corner", Backspace: "back", Escape: "cancel" }[event.key];
        if (!what) return;
        event.preventDefault();
        event.stopPropagation();
        this.act(what);
      }
    }

    // What matches

    async ask() {
      if (!this.box.open || !form()) return;
      const body = new FormData(form());
      if (this.isFitted) {
        const view = this.map.getBounds();
        for (const [side, value] of Object.entries({ south: view.getSouth(), west: view.getWest(), north: view.getNorth(), east: view.getEast() })) body.set(`view_${side}`, places(Math.max(-180, Math.min(180, value))));
      }
      this.asking?.abort();
      const asking = this.asking = new AbortController();
      const found = await fetch(this.box.dataset.points, { method: "POST", body, signal: asking.signal, headers: { Accept: "application/json", "X-CSRFToken": one('meta[name="csrf-token"]')?.content ?? "" } })
        .then((answer) => (answer.ok && (answer.headers.get("Content-Type") ?? "").includes("json") ? answer.json() : null))
        .catch(() => null); // given up for a newer one, or nobody answers: the preview beside says so
      if (found) this.show(found);
    }

    show({ total, nowhere, homes }) {
      this.found = homes;
      const { L } = this;
      const held = document.activeElement?.closest?.(".leaflet-marker-icon")?.title;
      const open = this.popup?.isOpen() ? this.popup.key : null;
      this.homes.clearLayers();
      homes.forEach((home) => {
        const size = home.fits ? 14 : 10;
        const title = `${home.price}, ${home.address}`;
        const dot = L.marker([home.latitude, home.longitude], { icon: L.divIcon({ className: home.fits ? "map-dot" : "map-dot-quiet", iconSize: [size, size] }), title, alt: title, keyboard: true, riseOnHover: true, zIndexOffset: home.fits ? 100 : 0 });
        dot.bindPopup(() => this.card(home)).addTo(this.homes);
        dot.getElement().setAttribute("aria-label", title);
        dot.getElement().tabIndex = -1;
        if (open === home.key) dot.openPopup();
        if (held === title) dot.getElement().focus();
      });
      const first = one(".leaflet-marker-icon[role='button']", this.map.getContainer());
      if (first && !one(".leaflet-marker-icon[tabindex='0']", this.map.getContainer())) first.tabIndex = 0;
      const fits = homes.filter((home) => home.fits).length;
      const more = total - nowhere - fits;
      if (!this.drawing) this.tell(`${fits} of ${total.toLocaleString("en-US")} ${total === 1 ? "home" : "homes"} on the map${more > 0 ? ", the newest" : ""}${nowhere ? `; ${nowhere} without coordinates` : ""}. Grey: fits all but the place.`);
      if (!this.isFitted) this.fit();
    }

    card(home) {
      this.popup = { key: home.key, isOpen: () => Boolean(one(".leaflet-popup", this.map.getContainer())) };
      const card = document.createElement("div");
      const add = (tag, attributes) => { const part = Object.assign(document.createElement(tag), attributes); card.append(part); return part; };
      card.className = "stack-sm";
      add("b", { textContent: home.price });
      add("a", { textContent: home.address, href: home.at });
      if (home.facts) add("small", { textContent: home.facts });
      if (home.fits) add("button", { textContent: "Leave this home out", className: "btn btn-sm", type: "submit", name: "add", value: `excluded_listing_keys:${home.key}` }).setAttribute("form", "search");
      return card;
    }

    fit() {
      const bounds = this.L.latLngBounds([]);
      for (const layer of this.shapes.getLayers()) bounds.extend(layer.getBounds ? layer.getBounds() : layer.getLatLng());
      for (const home of this.found ?? []) if (home.fits) bounds.extend([home.latitude, home.longitude]);
      if (!bounds.isValid()) return;
      this.isFitted = true;
      this.map.fitBounds(bounds, { padding: [32, 32], maxZoom: 15, animate: false });
    }

    tell(words) { this.said.textContent = words; }
  }

  let shown = null;

  async function open(box) {
    if (!box.open) return;
    if (!window.L) {
      one("#map-said", box).textContent = "The map is on its way…";
      try {
        await Promise.all([load("script", { src: box.dataset.leaflet }), load("link", { rel: "stylesheet", href: box.dataset.sheet })]);
      } catch {
        one("#map-said", box).textContent = "The map did not load. Circle, box and corners can be typed above.";
        return;
      }
    }
    if (shown?.box !== box) shown = new SearchMap(box);
    shown.map.invalidateSize();
    shown.draw();
    shown.ask();
  }

  function ready() {
    const box = one("#map-box");
    if (!box || "ready" in box.dataset) return;
    box.dataset.ready = "";
    box.hidden = false;
    box.addEventListener("toggle", () => open(box));
    box.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-draw], [data-act]");
      if (!button || !shown) return;
      if (button.dataset.act) shown.act(button.dataset.act);
      else if (button.getAttribute("aria-pressed") === "true") shown.act("cancel");
      else shown.begin(button.dataset.draw);
    });
  }
  for (const name of ["htmx:afterSettle", "htmx:after:settle"]) {
    document.addEventListener(name, (event) => {
      ready();
      const target = event.detail?.target?.id;
      if (shown?.box.open && (target === "preview" || target === "builder")) { shown.map.invalidateSize(); shown.draw(); shown.ask(); }
    });
  }
  ready();
})();
