// A chart over the hours of a run, or of two: the first solid, the second dashed in the same colours. What was reported
// stands beside the curves as marks that say so when they are pointed at. A click asks for an hour.

const CHART_STYLE = `
.sp-graph { display: flex; flex-direction: column; width: 100%; height: 100%; margin: 0; color: var(--c-ink); font: 12px/1.4 ${FONT}; font-variant-numeric: tabular-nums; }
.sp-graph-title { flex: none; font-weight: 600; font-size: 13px; line-height: 1.35; }
.sp-graph-legend { display: flex; flex-wrap: wrap; gap: 0 2px; margin: 1px 0 2px -6px; flex: none; max-height: 40%; overflow-y: auto; scrollbar-width: thin; }
.sp-graph-legend button { display: inline-flex; align-items: center; gap: 6px; padding: 1px 6px; border: 0; border-radius: 6px; background: none; color: inherit; font: inherit; cursor: pointer; }
.sp-graph-legend button:hover { background: var(--c-hover); }
.sp-graph-legend button[aria-pressed=false] { color: var(--c-faint); text-decoration: line-through; }
.sp-graph-legend button[aria-pressed=false] i { opacity: .3; }
.sp-graph-legend i { width: 12px; height: 12px; border-radius: 3px; }
.sp-graph-legend b { font-weight: 600; white-space: nowrap; }
.sp-graph-legend b.sp-dashed { font-weight: 400; border-bottom: 1.5px dashed; line-height: 1.25; }
.sp-graph-legend span.sp-key { display: inline-flex; align-items: center; gap: 5px; padding: 1px 6px; color: var(--c-faint); white-space: nowrap; }
.sp-graph-legend span.sp-key u { width: 20px; border-top: 2px solid currentColor; text-decoration: none; }
.sp-graph-legend span.sp-key u.sp-dashed { border-top-style: dashed; }
.sp-graph button:focus-visible { outline: 2px solid var(--c-accent); outline-offset: 1px; }
.sp-graph-plot { position: relative; flex: 1 1 210px; min-height: 110px; }
.sp-graph-plot > .uplot { position: absolute; inset: 0; }
.sp-graph-plot .u-over { cursor: crosshair; }
.sp-graph-plot .u-cursor-x { border-right: 1px solid var(--c-faint); opacity: .6; }
.sp-graph-strip { position: absolute; inset: -1px 0 auto; display: flex; justify-content: space-between; gap: 10px; color: var(--c-faint); pointer-events: none; font-size: 11px; line-height: 14px; white-space: nowrap; }
.sp-graph-strip span:first-child { overflow: hidden; text-overflow: ellipsis; }
.sp-graph-at { position: absolute; top: 0; bottom: 0; width: 0; border-left: 1.5px solid var(--c-accent); pointer-events: none; }
.sp-graph-at::before { content: ""; position: absolute; top: -5px; left: -5.25px; border: 4.5px solid transparent; border-top: 6px solid var(--c-accent); border-bottom: 0; }
.sp-mark { position: absolute; padding: 0; border: 0; background: none; cursor: help; z-index: 2; }
.sp-mark::before { content: ""; position: absolute; inset: var(--m-edge) 4px; border: 0 solid var(--m-colour); background: var(--m-fill); }
.sp-mark.sp-band::before { border-width: 1.5px; border-radius: 2px; }
.sp-mark.sp-least::before { border-bottom-width: 2px; }
.sp-mark.sp-most::before { border-top-width: 2px; }
.sp-mark.sp-point::after { content: ""; position: absolute; top: var(--m-point); left: calc(50% - 4px); width: 8px; height: 8px; margin-top: -4px; transform: rotate(45deg); background: var(--m-colour); box-shadow: 0 0 0 1.5px var(--c-paper); }
.sp-mark span { position: absolute; top: var(--m-name); left: calc(50% + var(--m-shift)); transform: translate(-50%, -100%); padding: 0 2px; font: 600 11px/13px ${FONT}; color: var(--c-ink); text-shadow: 0 0 3px var(--c-paper), 0 0 3px var(--c-paper), 0 0 2px var(--c-paper); }
.sp-mark.sp-awaited { opacity: .55; }
.sp-graph-note { flex: none; margin-top: 1px; font-size: 11px; color: var(--c-faint); }
.sp-graph .sp-card { max-width: min(300px, 86%); line-height: 1.4; }
`;
const TICKS_APART = 58, Y_APART = 34, Y_APART_SMALL = 22, SMALL = 240;
const DASH = [5, 4], FILL = 0.85, FILL_OF_TWO = 0.5, FAINT_GRID = 0.13;
const BAR = 0.82;  // of a day's width
const LEAST_CONTRAST = 3.0;  // of a curve with the paper: W3C's for graphics
const WHITE = 255, MOST_INK = 221;  // the darkest grey of the palette is so far below white
const LEAST_WIDE = 10, OPEN_TALL = 16, EDGE = 4, EDGE_FLAT = 6, HALF_NAME = 14, NAME_TALL = 13;  // of a mark and its name, in pixels
const ROOM = 1.08;  // above the highest
const INTEGERS = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 2500, 5000, 10000, 20000, 25000, 50000, 100000, 250000, 500000, 1000000];
const SHARES = [0.25, 0.5];

// A colour of the palette as a curve of this theme; a grey is so much ink, on dark paper light.
function shade(colour, theme) {
  const [r, g, b] = channelsOf(colour);
  if (r !== g || g !== b) return tone(colour, theme);
  return legible(mixed(theme.paper, theme.ink, Math.min(1, (WHITE - r) / MOST_INK)), theme.paper, theme.dark ? LEAST_CONTRAST : 1);
}

function made(tag, className = "", textContent = "") {
  return Object.assign(document.createElement(tag), { className, textContent });
}

const DECIMALS = [0, 1, 2, 3].map((places) => new Intl.NumberFormat("en-GB", { minimumFractionDigits: places, maximumFractionDigits: places }));

function number(value, places) {
  if (value === null || value === undefined) return "–";
  return DECIMALS[Math.abs(value) >= 100 ? 0 : places].format(value).replace("-", "−");
}

// Decimals that numbers of a unit are told with.
function placesOf(unit) {
  return unit.startsWith("people") ? 0 : unit === "t" ? 1 : 2;
}

// Decimals that tell ticks apart.
function placesBetween(ticks) {
  const apart = Math.abs(ticks[1] - ticks[0]) || 1;
  return [0, 1, 2].find((places) => Math.abs(apart * 10 ** places - Math.round(apart * 10 ** places)) < 1e-9) ?? 3;
}

// The columns of a frame: the steps, then the curves of each run; null where a run has nothing.
function columnsOf(view, spec) {
  const values = new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const rows = values.length / spec.columns;
  if (!rows || !Number.isInteger(rows)) return [[0], ...Array.from({ length: spec.columns - 1 }, () => [null])];
  return Array.from({ length: spec.columns }, (_, i) => Array.from(values.subarray(i * rows, (i + 1) * rows), (v) => (Number.isNaN(v) ? null : v)));
}

class ChartView {
  constructor(model, el) {
    Object.assign(this, { model, hidden: new Set(), pointed: null });
    this.build(el);
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.plotBox);
    this.endTheme = onTheme(this.root, () => this.renew());
    this.listeners = { "change:spec": () => this.later(true), "change:data": () => this.later(), "change:number": () => this.later(), "change:at": () => this.moved() };
    for (const [name, heard] of Object.entries(this.listeners)) model.on(name, heard);
    this.later(true);
  }

  build(el) {
    styled();
    if (!document.getElementById("sp-graph-style")) document.head.append(Object.assign(made("style", "", CHART_STYLE), { id: "sp-graph-style" }));
    this.root = made("figure", "sp-graph");
    [this.title, this.legend, this.plotBox, this.note] = ["title", "legend", "plot", "note"].map((part) => made("div", `sp-graph-${part}`));
    [this.unit, this.when] = [made("span"), made("span")];
    const strip = made("div", "sp-graph-strip");
    strip.append(this.unit, this.when);
    this.plotBox.append(strip);
    this.root.append(this.title, this.legend, this.plotBox, this.note);
    el.append(this.root);
    this.card = new Card({ box: this.plotBox, get width() { return this.box.clientWidth; }, get height() { return this.box.clientHeight; } });
  }

  close() {
    cancelAnimationFrame(this.asked);
    this.resizing.disconnect();
    this.endTheme();
    for (const [name, heard] of Object.entries(this.listeners)) this.model.off(name, heard);
    this.plot?.destroy();
  }

  // --- when to draw ----------------------------------------------------------------------------------------

  // Draw before the browser next shows the page, and tell the sender: even of a frame that failed, or came before there
  // was a view to draw it, for whoever is not told sends no more.
  later(anew = false) {
    this.anew = this.anew || anew;
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      try {
        if (this.anew) this.renew(); else this.refill();
      } finally {
        this.tell();
      }
    });
  }

  tell() {
    const number = this.model.get("number");
    if (this.model.get("shown") !== number) { this.model.set("shown", number); this.model.save_changes(); }
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.plotBox;
    if (!this.plot || !width || !height || (width === this.plot.width && height === this.plot.height)) return;
    this.plot.setSize({ width, height });
    this.note.hidden = this.isSmall();
  }

  // There is little room: no years under the dates, no note, ticks closer to each other.
  isSmall() {
    return this.root.clientHeight < SMALL;
  }

  // Build the chart anew: what it shows has changed, or its colours.
  renew() {
    this.anew = false;
    if (this.spec?.id !== this.model.get("spec").id) this.hidden.clear();
    this.spec = this.model.get("spec");
    this.plot?.destroy();
    this.plot = null;
    this.theme = themeOf(this.root);
    for (const name of ["ink", "paper", "faint", "accent"]) this.root.style.setProperty(`--c-${name}`, this.theme[name]);
    this.root.style.setProperty("--c-hover", clear(this.theme.faint, 0.15));
    if (!this.spec.curves) return;
    this.clock = new Clock(this.spec);
    this.colours = this.spec.curves.map((curve) => shade(curve.colour, this.theme));
    this.title.textContent = this.spec.title;
    this.note.textContent = this.spec.note;
    this.unit.textContent = this.spec.unit;
    this.plot = new uPlot(this.options(), this.columns(), this.plotBox);
    this.line = made("div", "sp-graph-at");
    this.plot.over.append(this.line);
    this.plot.over.addEventListener("click", (event) => this.seek(event));
    this.makeMarks();
    this.writeLegend();
  }

  refill() {
    if (!this.plot) return;
    this.plot.setData(this.columns());
    if (this.shownCurves().join() !== this.listed) this.writeLegend();
  }

  // --- what is drawn -----------------------------------------------------------------------------------------

  // The columns as they are drawn: stacked where the chart is; remembers them as they came, and how high they reach.
  columns() {
    this.came = columnsOf(this.model.get("data"), this.spec);
    const [steps, ...curves] = this.came;
    const stacks = this.spec.kind !== "lines", many = this.spec.curves.length;
    const drawn = curves.map((curve) => curve.slice());
    for (let start = 0; stacks && start < drawn.length; start += many) this.stack(drawn.slice(start, start + many));
    this.reach(drawn);
    return [this.spec.daily ? steps.map((step) => step + this.halfDay()) : steps, ...drawn];
  }

  halfDay() {
    return this.spec.steps_a_day / 2 - 0.5;
  }

  stack(curves) {
    let below = null;
    curves.forEach((curve, i) => {
      if (this.isHidden(i)) return;
      if (below) curve.forEach((value, row) => { if (value !== null) curve[row] = value + (below[row] ?? 0); });
      below = curve;
    });
  }

  isHidden(i) {
    return this.hidden.has(this.spec.curves[i % this.spec.curves.length].label);
  }

  reach(drawn) {
    let [low, high] = [0, 0];
    drawn.forEach((curve, i) => {
      if (this.isHidden(i)) return;
      for (const value of curve) { if (value > high) high = value; else if (value < low) low = value; }
    });
    for (const mark of this.spec.marks ?? []) {
      if (!this.isHidden(mark.curve)) high = Math.max(high, this.standsOn(mark) + (mark.high ?? mark.low));
    }
    const least = this.spec.unit.startsWith("people") ? 4 : this.spec.unit === "t" ? 1 : 0.1;
    this.low = low * ROOM;
    this.high = this.spec.top ?? Math.max(high * ROOM, low < 0 ? 0 : least);
  }

  options() {
    const { theme, spec } = this, font = `11px ${FONT}`;
    const grid = { stroke: clear(theme.ink, FAINT_GRID), width: 1 }, ticks = { show: false };
    const axis = { stroke: theme.faint, font, grid, ticks };
    return {
      width: this.plotBox.clientWidth || 1, height: this.plotBox.clientHeight || 1, padding: [23, 10, 0, 0], legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { show: false } },
      scales: { x: { time: false, range: () => [0, spec.steps - 1 || 1] }, y: { range: () => [this.low, this.high] } },
      axes: [
        { ...axis, size: () => (this.isSmall() ? 20 : 34), gap: 4, splits: (u) => this.dates(u).map((tick) => tick.step), values: (u) => this.dates(u).map((tick) => (this.isSmall() ? tick.text : `${tick.text}\n${tick.under}`)) },
        { ...axis, size: (u, said) => this.room(u, said), gap: 5, space: () => (this.isSmall() ? Y_APART_SMALL : Y_APART), incrs: this.steps(), values: (u, splits) => splits.map((value) => number(value, placesBetween(splits))) },
      ],
      series: [{}, ...this.series()], bands: this.bands(),
      hooks: { setCursor: [(u) => this.point(u)], draw: [() => this.drawn()] },
    };
  }

  dates(u) {
    return this.clock.ticks(this.spec.steps, u.over.clientWidth || u.width - 60, TICKS_APART);
  }

  room(u, said) {
    const longest = Math.max(0, ...(said ?? []).map((text) => text.length));
    return 14 + 6.4 * Math.max(2, longest);
  }

  steps() {
    if (this.spec.unit.startsWith("people")) return INTEGERS;
    return this.spec.top === 1 ? SHARES : undefined;
  }

  series() {
    const many = this.spec.curves.length, bars = this.spec.kind === "bars";
    return this.came_from().map((run, i) => {
      const colour = this.colours[i % many], of = { label: this.spec.curves[i % many].label, show: !this.isHidden(i), points: { show: false } };
      if (run === 0 && bars) return { ...of, stroke: colour, width: 0, fill: this.fill(i), paths: (u, s, from, to) => this.blocks(u, s, from, to) };
      const dash = run ? DASH : undefined, stepped = this.spec.daily ? { paths: (u, s, from, to) => this.treads(u, s, from, to) } : {};
      return { ...of, stroke: colour, width: this.spec.kind === "stacked" && !run ? 0 : 1.75, dash, ...stepped, ...this.ground(i, run) };
    });
  }

  // Which run each column after the steps is of.
  came_from() {
    return Array.from({ length: this.spec.columns - 1 }, (_, i) => Math.floor(i / this.spec.curves.length));
  }

  // Paler where a second run is drawn over it.
  fill(i) {
    return clear(this.colours[i], this.spec.runs.length > 1 ? FILL_OF_TWO : FILL);
  }

  // The lowest of a stack is filled down to zero, the others down to the one below: `bands`.
  ground(i, run) {
    const lowest = this.spec.curves.findIndex((_, n) => !this.isHidden(n));
    return this.spec.kind === "stacked" && !run && i === lowest ? { fill: this.fill(i) } : {};
  }

  bands() {
    const shown = this.spec.curves.map((_, i) => i).filter((i) => !this.isHidden(i));
    if (this.spec.kind !== "stacked") return [];
    return shown.slice(1).map((i, n) => ({ series: [i + 1, shown[n] + 1], fill: this.fill(i) }));
  }

  // The bars of each day, from the curve below to this one.
  blocks(u, series, from, to) {
    const path = new Path2D(), half = this.spec.steps_a_day / 2 * BAR;
    const below = u.data[this.spec.curves.findLastIndex((_, i) => i + 1 < series && !this.isHidden(i)) + 1];
    for (let row = from; row <= to; row++) {
      const foot = series === 1 || below === u.data[0] ? 0 : below[row] ?? 0;
      const [left, right] = [-half, half].map((aside) => u.valToPos(u.data[0][row] + aside, "x", true));
      const [top, bottom] = [u.data[series][row] ?? foot, foot].map((value) => u.valToPos(value, "y", true));
      if (bottom > top) path.rect(left, top, right - left, bottom - top);
    }
    return { stroke: null, fill: path, clip: null, band: null, gaps: null, flags: 0 };
  }

  // A path that is level over each day.
  treads(u, series, from, to) {
    const path = new Path2D(), half = this.spec.steps_a_day / 2;
    const [steps, values] = [u.data[0], u.data[series]];
    let before = null;
    for (let row = from; row <= to; row++) {
      if (values[row] === null) { before = null; continue; }
      const [left, right, y] = [u.valToPos(steps[row] - half, "x", true), u.valToPos(steps[row] + half, "x", true), u.valToPos(values[row], "y", true)];
      if (before === null) path.moveTo(left, y); else path.lineTo(left, y);
      path.lineTo(right, y);
      before = y;
    }
    return { stroke: path, fill: null, clip: null, band: null, gaps: null, flags: 0 };
  }

  // --- the hour ------------------------------------------------------------------------------------------------

  moved() {
    if (!this.plot) return;
    this.line.style.left = `${this.plot.valToPos(Math.min(this.model.get("at"), this.spec.steps - 1), "x")}px`;
    if (this.pointed === null) this.read(this.model.get("at"));
  }

  // The scales are known only now.
  drawn() {
    if (!this.line) return;
    this.placeMarks();
    this.moved();
  }

  point(u) {
    const inside = u.cursor.left >= 0 && u.cursor.idx !== null && u.cursor.idx !== undefined;
    this.pointed = inside ? Math.round(u.posToVal(u.cursor.left, "x")) : null;
    this.read(this.pointed ?? this.model.get("at"));
  }

  seek(event) {
    const box = this.plot.over.getBoundingClientRect();
    const step = Math.round(this.plot.posToVal(event.clientX - box.left, "x"));
    this.model.set("sought", Math.max(0, Math.min(step, this.spec.steps - 1)));
    this.model.save_changes();
  }

  // The last row that is not after a step; -1 where there is none yet.
  rowAt(step) {
    const steps = this.came[0];
    let low = 0, high = steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle] <= step) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  // Say what the curves are at a step, in the legend and for those who listen to the page.
  read(step) {
    const last = this.came[0].at(-1), when = Math.min(step, this.spec.daily ? this.spec.steps : last), row = this.rowAt(when);
    this.when.textContent = this.spec.daily ? this.clock.toldDay(when) : this.clock.told(when);
    const many = this.spec.curves.length, said = [];
    for (const { i, values } of this.items ?? []) {
      values.forEach((value, run) => { value.textContent = number(this.came[1 + i + run * many]?.[row], placesOf(this.spec.unit)); });
      said.push(`${this.spec.curves[i].label} ${values.map((value) => value.textContent).join(" and ")}`);
    }
    this.root.setAttribute("aria-label", `${this.spec.title}, ${this.spec.unit}, ${this.when.textContent}: ${said.join("; ")}`);
  }

  // --- the legend ------------------------------------------------------------------------------------------------

  // The curves that are not zero throughout, or all where every one is.
  shownCurves() {
    const many = this.spec.curves.length;
    const some = this.spec.curves.map((_, i) => i).filter((i) => this.came.some((column, c) => c && (c - 1) % many === i && column.some(Boolean)));
    return some.length ? some : this.spec.curves.map((_, i) => i);
  }

  writeLegend() {
    const shown = this.shownCurves(), quiet = this.spec.curves.filter((_, i) => !shown.includes(i));
    this.listed = shown.join();
    this.items = shown.map((i) => this.item(i));
    const keys = quiet.length ? [Object.assign(made("span", "sp-key", `${quiet.length} more at 0`), { title: quiet.map((curve) => curve.label).join(", ") })] : [];
    this.legend.replaceChildren(...this.items.map((item) => item.button), ...keys, ...this.markKeys(), ...this.runKeys());
  }

  item(i) {
    const { label } = this.spec.curves[i], button = made("button"), swatch = made("i");
    swatch.style.background = this.colours[i];
    const values = (this.spec.differs ? [""] : this.spec.runs).map(() => made("b", "", "–"));
    button.type = "button";
    button.setAttribute("aria-pressed", String(!this.hidden.has(label)));
    button.title = "show or hide";
    values.forEach((value, run) => value.classList.toggle("sp-dashed", values.length > 1 && run > 0));
    button.append(swatch, made("span", "", label), ...values);
    button.addEventListener("click", () => this.toggle(label));
    return { i, button, values };
  }

  // What the diamonds and bands are; each says by whom and of when.
  markKeys() {
    if (!this.spec.marks?.length) return [];
    const names = [...new Set(this.spec.marks.map((mark) => mark.claim))];
    return [Object.assign(made("span", "sp-key", `◆ ${names.join(", ")} reported`), { title: "What was reported, beside the run: point at a mark for by whom, and of when" })];
  }

  runKeys() {
    if (this.spec.differs) return [made("span", "sp-key", this.spec.runs.join(" minus "))];
    if (this.spec.runs.length < 2) return [];
    const key = made("span", "sp-key");
    this.spec.runs.forEach((name, run) => key.append(made("u", run ? "sp-dashed" : ""), made("span", "", name)));
    return [key];
  }

  toggle(label) {
    if (!this.hidden.delete(label)) this.hidden.add(label);
    const at = this.items.findIndex(({ i }) => this.spec.curves[i].label === label);
    this.renew();
    this.items[at]?.button.focus();
  }

  // --- what was reported -------------------------------------------------------------------------------------------

  makeMarks() {
    this.marks = (this.spec.marks ?? []).map((mark) => {
      const button = made("button", "sp-mark");
      button.type = "button";
      button.setAttribute("aria-label", mark.words);
      button.append(made("span", "", mark.claim));
      const { over } = this.plot, words = [mark.claim, [mark.words.replace(`${mark.claim}, `, "")]];
      const tell = () => this.card.show(button.offsetLeft + over.offsetLeft, button.offsetTop + over.offsetTop, words, this.theme);
      for (const name of ["pointerenter", "focus"]) button.addEventListener(name, tell);
      for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => this.card.hide());
      button.addEventListener("click", (event) => { event.stopPropagation(); tell(); });
      over.append(button);
      return { ...mark, button };
    });
  }

  // What a count stood at when the days began that a mark counts from; of the first run.
  standsOn(mark) {
    if (!mark.since) return 0;
    const row = this.rowAt(mark.first - 1);
    return row < 0 ? 0 : this.came[1 + mark.curve]?.[row] ?? 0;
  }

  placeMarks() {
    for (const mark of this.marks ?? []) this.place(mark);
    this.spread();
  }

  // Where a mark stands: over its days, from its lowest number to its highest. Without one of them it fades out.
  place(mark) {
    const base = this.standsOn(mark), x = (step) => this.plot.valToPos(step, "x"), y = (value) => this.plot.valToPos(base + value, "y");
    const [low, high] = [mark.low ?? mark.point, mark.high ?? mark.point], flat = low === high, edge = flat ? EDGE_FLAT : EDGE;
    const wide = Math.max(x(mark.last + 1) - x(mark.first), LEAST_WIDE), middle = (x(mark.first) + x(mark.last + 1)) / 2;
    const [top, bottom] = [high === null ? y(low) - OPEN_TALL : y(high), low === null ? y(high) + OPEN_TALL : y(low)];
    Object.assign(mark, { left: middle, top: top - edge });
    Object.assign(mark.button.style, {
      left: `${middle - wide / 2 - EDGE}px`, width: `${wide + 2 * EDGE}px`, top: `${mark.top}px`, height: `${bottom - top + 2 * edge}px`,
      display: this.isHidden(mark.curve) ? "none" : "",
    });
    mark.button.style.setProperty("--m-edge", `${edge}px`);
    if (mark.point !== null) mark.button.style.setProperty("--m-point", `${y(mark.point) - mark.top}px`);
    this.colour(mark, flat ? "sp-flat" : high === null ? "sp-least" : low === null ? "sp-most" : "sp-band");
  }

  colour(mark, kind) {
    const awaited = mark.since && this.came[0].at(-1) < mark.first, colour = this.colours[mark.curve];
    const fades = (way) => `linear-gradient(${way}, ${clear(colour, 0.5)}, ${clear(colour, 0)})`;
    const fill = { "sp-flat": "none", "sp-least": fades("to top"), "sp-most": fades("to bottom"), "sp-band": clear(colour, 0.22) }[kind];
    mark.button.className = ["sp-mark", kind, mark.point === null ? "" : "sp-point", awaited ? "sp-awaited" : ""].join(" ");
    mark.button.style.setProperty("--m-colour", colour);
    mark.button.style.setProperty("--m-fill", fill);
  }

  // Names of marks that would stand on each other are put one above the other; the same name is written once.
  spread() {
    const placed = [];
    for (const mark of [...(this.marks ?? [])].sort((a, b) => a.top - b.top)) {
      const near = placed.filter((other) => Math.abs(other.left - mark.left) < 2 * HALF_NAME), name = mark.button.firstChild;
      name.hidden = near.some((other) => other.claim === mark.claim);
      if (name.hidden) continue;
      let up = mark.top + 2;
      while (near.some((other) => Math.abs(other.up - up) < NAME_TALL)) up -= NAME_TALL;
      placed.push({ left: mark.left, claim: mark.claim, up });
      mark.button.style.setProperty("--m-name", `${up - mark.top}px`);
      mark.button.style.setProperty("--m-shift", `${Math.max(0, HALF_NAME - mark.left)}px`);
    }
  }
}

function render({ model, el }) {
  const view = new ChartView(model, el);
  return () => view.close();
}

export default { render };
