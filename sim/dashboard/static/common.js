// What the widgets share: the colours of the page, a sharp canvas that follows its container, a card at the
// pointer, zoom and pan, and words for numbers. What scenarios say is put in as text, never as HTML.

const FONT = 'Roboto, system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif';
const THEMES = {
  light: { ink: "#23262B", paper: "#FFFFFF", land: "#F7F5F0", sea: "#DFEAF1", border: "#B9B4A8", faint: "#676C73", accent: "#0B57D0" },
  dark: { ink: "#E8EAED", paper: "#15181C", land: "#24282E", sea: "#131E29", border: "#565D66", faint: "#9AA0A6", accent: "#8AB4F8" },
};
const STYLE = `
.sp-surface { position: relative; width: 100%; height: 100%; min-height: var(--sp-canvas-height, 420px); overflow: hidden; font: 12px/1.4 ${FONT}; }
.sp-surface > canvas { position: absolute; inset: 0; display: block; touch-action: none; outline: none; }
.sp-surface > canvas:focus-visible { box-shadow: inset 0 0 0 2px var(--sp-focus); }
.sp-card { position: absolute; z-index: 3; pointer-events: none; max-width: 370px; padding: 8px 10px; border-radius: 8px; font-variant-numeric: tabular-nums; box-shadow: 0 2px 12px rgba(0,0,0,.22); }
.sp-card b { display: block; font-size: 13px; }
.sp-card .sp-row { display: flex; gap: 14px; justify-content: space-between; }
.sp-card .sp-row span:last-child { text-align: right; white-space: nowrap; }
.sp-card .sp-swatch { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 6px; }
.sp-card .sp-quiet { opacity: .75; }
.sp-card .sp-gap { height: 5px; }
.sp-tools { position: absolute; z-index: 2; top: 8px; right: 8px; display: flex; gap: 4px; }
.sp-tools button { min-width: 26px; height: 26px; padding: 0 7px; border-radius: 6px; border: 1px solid; font: 12px ${FONT}; cursor: pointer; }
`;

function styled() {
  if (document.getElementById("sp-widgets")) return;
  const style = document.createElement("style");
  style.id = "sp-widgets";
  style.textContent = STYLE;
  document.head.append(style);
}

// --- colours ---------------------------------------------------------------------------------------------

function themeOf(el) {
  const dark = Boolean(el.closest(".sp-dark"));
  const said = getComputedStyle(el), theme = { dark };
  for (const [name, usual] of Object.entries(THEMES[dark ? "dark" : "light"]))
    theme[name] = said.getPropertyValue(`--sp-${name}`).trim() || usual;
  return theme;
}

// Call `changed` when the page turns light or dark; return what ends it.
function onTheme(el, changed) {
  let dark = Boolean(el.closest(".sp-dark"));
  const watcher = new MutationObserver(() => {
    const now = Boolean(el.closest(".sp-dark"));
    if (now !== dark) { dark = now; changed(); }
  });
  watcher.observe(document.documentElement, { attributes: true, subtree: true, attributeFilter: ["class"] });
  return () => watcher.disconnect();
}

const PARTS = new Map();
const READER = document.createElement("canvas").getContext("2d");

// Red, green and blue of any colour that CSS knows.
function channelsOf(colour) {
  if (!PARTS.has(colour)) {
    READER.fillStyle = colour;
    const hex = READER.fillStyle;
    PARTS.set(colour, hex[0] === "#" ? [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) : hex.match(/[\d.]+/g).slice(0, 3).map(Number));
  }
  return PARTS.get(colour);
}

function clear(colour, alpha) {
  return `rgba(${channelsOf(colour).join(",")},${alpha})`;
}

function mixed(one, other, share) {
  const [a, b] = [channelsOf(one), channelsOf(other)];
  return "#" + a.map((part, i) => Math.round(part + (b[i] - part) * share).toString(16).padStart(2, "0")).join("");
}

function luminance(colour) {
  const [r, g, b] = channelsOf(colour).map((part) => (part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// How much two colours differ in light, 1 to 21 (WCAG 2).
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const TONES = new Map();

// A colour, lightened or darkened until it stands out from a ground.
function legible(colour, ground, least) {
  const key = [colour, ground, least].join();
  if (!TONES.has(key)) {
    const towards = luminance(ground) < 0.2 ? "#ffffff" : "#000000";
    let share = 0;
    while (share < 1 && contrast(mixed(colour, towards, share), ground) < least) share += 0.04;
    TONES.set(key, mixed(colour, towards, share));
  }
  return TONES.get(key);
}

// A colour of the palette as a shape of this theme: as it is on a light ground, lighter on a dark one.
function tone(colour, theme) {
  return theme.dark ? legible(colour, theme.paper, 5) : colour;
}

// --- words -----------------------------------------------------------------------------------------------

const COUNT = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

function count(number) {
  return COUNT.format(number);
}

function people(number) {
  return `${count(number)} ${Math.round(number) === 1 ? "person" : "people"}`;
}

function percent(share) {
  const said = 100 * share;
  return `${said > 0 && said < 1 ? said.toFixed(1) : Math.round(said)} %`;
}

function tonnes(flow) {
  const size = Math.abs(flow);
  return `${size >= 10 ? count(size) : Number(size.toFixed(1))} t/day`;
}

// The least of 1, 2, 5, 10, 20, … (and their tenths) that is not below a number.
function roundUp(number) {
  if (!(number > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= number * 0.999999);
}

// --- a canvas that is sharp and follows its container -------------------------------------------------------

const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");
const BETWEEN_MOVES_MS = 100;

class Surface {
  // `draw(context, width, height, theme)` is called when something has changed; sizes are CSS pixels.
  constructor(el, label, draw) {
    styled();
    this.box = document.createElement("div");
    this.box.className = "sp-surface";
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    this.box.append(this.canvas);
    el.append(this.box);
    this.context = this.canvas.getContext("2d");
    this.draw = draw;
    this.width = this.height = 0;
    this.asked = this.waits = 0;
    this.moves = false;
    this.after = [];
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.box);
    this.endTheme = onTheme(this.box, () => this.ask());
  }

  resize() {
    const { clientWidth, clientHeight } = this.box, sharp = window.devicePixelRatio || 1;
    const [wide, tall] = [Math.round(clientWidth * sharp), Math.round(clientHeight * sharp)];
    if (wide === this.canvas.width && tall === this.canvas.height && clientWidth === this.width) return;
    [this.width, this.height, this.sharp] = [clientWidth, clientHeight, sharp];
    [this.canvas.width, this.canvas.height] = [wide, tall];
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    this.onresize?.();
    this.paint();
  }

  // Draw before the browser next shows the page; `then` is called once it is drawn.
  ask(then) {
    if (then) this.after.push(then);
    if (!this.asked) this.asked = requestAnimationFrame(() => { this.asked = 0; this.paint(); });
  }

  paint() {
    try {
      if (this.width && this.height) this.paintNow();
    } finally {
      this.after.splice(0).forEach((then) => then()); // whoever waits for this frame is told, even of one that failed
    }
    if (this.moves && !STILL.matches && this.width && !this.waits)
      this.waits = setTimeout(() => { this.waits = 0; this.ask(); }, BETWEEN_MOVES_MS);
  }

  paintNow() {
    const theme = themeOf(this.box);
    this.box.style.setProperty("--sp-focus", theme.accent);
    this.context.setTransform(this.sharp, 0, 0, this.sharp, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    this.draw(this.context, this.width, this.height, theme);
  }

  say(label) {
    if (this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
  }

  close() {
    this.moves = false;
    cancelAnimationFrame(this.asked);
    clearTimeout(this.waits);
    this.resizing.disconnect();
    this.endTheme();
  }
}

// Draw when a frame has come, and tell the sender when it is drawn: hidden canvases have nothing to draw.
function onFrames(model, surface, take) {
  const came = () => {
    const number = model.get("number");
    take();
    surface.ask(() => {
      if (model.get("shown") !== number) { model.set("shown", number); model.save_changes(); }
    });
  };
  const names = ["change:frame", "change:number"];
  names.forEach((name) => model.on(name, came));
  came();
  return () => names.forEach((name) => model.off(name, came));
}

// --- a card at the pointer --------------------------------------------------------------------------------

class Card {
  constructor(surface) {
    this.surface = surface;
    this.box = document.createElement("div");
    this.box.className = "sp-card";
    this.box.hidden = true;
    surface.box.append(this.box);
  }

  // `lines`: a string is a heading, "" a gap, [text] a quiet line, [label, value, colour?] a row.
  show(x, y, lines, theme) {
    this.box.replaceChildren(...lines.map((line) => this.line(line)));
    Object.assign(this.box.style, { background: theme.paper, color: theme.ink, border: `1px solid ${theme.border}` });
    this.box.hidden = false;
    const { offsetWidth: wide, offsetHeight: tall } = this.box, { width, height } = this.surface;
    const right = x + 16 + wide <= width - 4, beside = right || x - 16 - wide >= 4;
    const left = right ? x + 16 : beside ? x - 16 - wide : x - wide / 2;
    const top = beside ? y - 12 : y + 18 + tall <= height - 4 ? y + 18 : y - 18 - tall;
    this.box.style.left = `${Math.max(4, Math.min(left, width - wide - 4))}px`;
    this.box.style.top = `${Math.max(4, Math.min(top, height - tall - 4))}px`;
  }

  line(line) {
    const made = document.createElement(typeof line === "string" && line ? "b" : "div");
    if (line === "") made.className = "sp-gap";
    else if (typeof line === "string") made.textContent = line;
    else if (line.length === 1) { made.className = "sp-quiet"; made.textContent = line[0]; }
    else {
      made.className = "sp-row";
      const [label, value] = line.slice(0, 2).map((text) => Object.assign(document.createElement("span"), { textContent: text }));
      if (line[2]) {
        const swatch = Object.assign(document.createElement("i"), { className: "sp-swatch" });
        swatch.style.background = line[2];
        label.prepend(swatch);
      }
      made.append(label, value);
    }
    return made;
  }

  hide() {
    this.box.hidden = true;
  }
}

// --- zoom and pan -----------------------------------------------------------------------------------------

const ZOOM_STEP = 1.3, MOST_ZOOM = 60, LEAST_ZOOM = 0.6;

// Where a world (x to the right, y upwards) stands on the screen.
class Camera {
  constructor() {
    Object.assign(this, { x: 0, y: 0, scale: 1, fitted: 1, free: false });
  }

  // Show a box of the world [west, south, east, north] inside the margins {left, top, right, bottom}.
  fit(box, width, height, margins) {
    const [west, south, east, north] = box, { left, top, right, bottom } = margins;
    this.scale = Math.min((width - left - right) / (east - west), (height - top - bottom) / (north - south));
    this.fitted = this.scale;
    this.x = (west + east) / 2 + (right - left) / 2 / this.scale;
    this.y = (south + north) / 2 + (top - bottom) / 2 / this.scale;
    [this.width, this.height, this.free] = [width, height, false];
  }

  toScreen(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  toWorld(left, top) {
    return [this.x + (left - this.width / 2) / this.scale, this.y - (top - this.height / 2) / this.scale];
  }

  get zoom() {
    return this.scale / this.fitted;
  }

  zoomAt(factor, left, top) {
    const [x, y] = this.toWorld(left, top);
    this.scale = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.zoom * factor)) * this.fitted;
    this.x = x - (left - this.width / 2) / this.scale;
    this.y = y + (top - this.height / 2) / this.scale;
    this.free = true;
  }

  pan(right, down) {
    this.x -= right / this.scale;
    this.y += down / this.scale;
    this.free = true;
  }
}

// Let wheel, drag, two fingers, + and - (and shift with arrows) move a camera. `on` has moved(), reset(), hover(x, y),
// leave(), click(x, y) and, if wanted, key(event), which says whether it took a key.
function steer(surface, camera, on) {
  const canvas = surface.canvas, fingers = new Map();
  let from = null, dragged = false;
  const at = (event) => [event.offsetX, event.offsetY];
  const apart = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
  const listeners = {
    wheel(event) {
      event.preventDefault();
      camera.zoomAt(Math.exp(-Math.sign(event.deltaY) * Math.min(60, Math.abs(event.deltaY)) / 240), ...at(event));
      on.moved();
    },
    pointerdown(event) {
      fingers.set(event.pointerId, at(event));
      [from, dragged] = [at(event), false];
      canvas.setPointerCapture(event.pointerId);
    },
    pointermove(event) {
      const here = at(event);
      if (!fingers.has(event.pointerId)) return on.hover(...here);
      const before = fingers.size === 2 ? apart() : 0, last = fingers.get(event.pointerId);
      fingers.set(event.pointerId, here);
      if (before) camera.zoomAt(apart() / before, ...here);
      else if (dragged || Math.hypot(here[0] - from[0], here[1] - from[1]) > 3) camera.pan(here[0] - last[0], here[1] - last[1]);
      else return;
      dragged = true;
      on.leave();
      on.moved();
    },
    pointerup(event) {
      fingers.delete(event.pointerId);
      if (!dragged) on.click(...at(event));
    },
    pointercancel(event) { fingers.delete(event.pointerId); },
    pointerleave() { on.leave(); },
    dblclick() { on.reset(); },
    keydown(event) {
      const middle = [surface.width / 2, surface.height / 2], step = 40;
      const pans = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      if (event.key === "+" || event.key === "=") camera.zoomAt(ZOOM_STEP, ...middle);
      else if (event.key === "-") camera.zoomAt(1 / ZOOM_STEP, ...middle);
      else if (event.key === "0") on.reset();
      else if (event.shiftKey && pans[event.key]) camera.pan(...pans[event.key]);
      else if (!on.key?.(event)) return;
      event.preventDefault();
      event.stopPropagation();
      on.moved();
    },
  };
  for (const [name, listener] of Object.entries(listeners)) canvas.addEventListener(name, listener, { passive: false });
  return () => { for (const [name, listener] of Object.entries(listeners)) canvas.removeEventListener(name, listener); };
}

// Buttons in the corner: [text, what it is for, what it does].
function tools(surface, buttons) {
  const bar = Object.assign(document.createElement("div"), { className: "sp-tools" });
  for (const [text, title, act] of buttons) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, title });
    button.setAttribute("aria-label", title);
    button.addEventListener("click", act);
    bar.append(button);
  }
  surface.box.append(bar);
  return (theme) => {
    for (const button of bar.children)
      Object.assign(button.style, { background: theme.paper, color: theme.ink, borderColor: theme.border });
  };
}

// --- drawing ----------------------------------------------------------------------------------------------

// Write text with a halo that sets it off from what is below.
function write(context, text, x, y, colour, halo, { font = `12px ${FONT}`, align = "left", base = "middle" } = {}) {
  Object.assign(context, { font, textAlign: align, textBaseline: base, lineJoin: "round" });
  if (halo) {
    Object.assign(context, { strokeStyle: halo, lineWidth: 3.5 });
    context.strokeText(text, x, y);
  }
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

// A length on the ground, as a line with ends.
function measure(context, left, y, long, colour) {
  Object.assign(context, { strokeStyle: colour, lineWidth: 1.5, lineCap: "butt" });
  context.beginPath();
  context.moveTo(left, y - 4);
  context.lineTo(left, y);
  context.lineTo(left + long, y);
  context.lineTo(left + long, y - 4);
  context.stroke();
}

// The lines in which a text fits into some room.
function wrapped(to, text, room) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (to.measureText(longer).width <= room || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

// Paper under words that may stand over what is drawn: [left, top, right, bottom].
function paperUnder(context, theme, [left, top, right, bottom]) {
  roundBox(context, left, top, right - left, bottom - top, 6);
  context.fillStyle = clear(theme.paper, 0.85);
  context.fill();
}

function widthOf(context, text, font) {
  context.font = font;
  return context.measureText(text).width;
}

function roundBox(context, x, y, wide, tall, radius) {
  context.beginPath();
  context.roundRect(x, y, wide, tall, radius);
}

// The greatest of 1, 2, 5, 10, 20, … (and their tenths) that is not above a number.
function roundDown(number) {
  const ten = 10 ** Math.floor(Math.log10(number));
  return [5, 2, 1].map((n) => n * ten).find((n) => n <= number * 1.000001) ?? ten;
}

function overlap(a, b) {
  return Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
}
