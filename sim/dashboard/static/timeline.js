// The hours of a run as a line: what has been run is filled, the handle stands at the hour shown, diamonds are what the
// scenario has scheduled. Drag, buttons and keys ask for another hour.

const TIMELINE_STYLE = `
.sp-scrubber { container-type: inline-size; position: relative; z-index: 6; width: 100%; color: var(--c-ink); font: 12px/1.4 ${FONT}; font-variant-numeric: tabular-nums; user-select: none; }
.sp-scrubber-row { display: grid; grid-template: "acts date line" / auto auto minmax(0, 1fr); gap: 0 14px; align-items: center; }
.sp-scrubber-acts { grid-area: acts; display: flex; gap: 2px; align-items: center; }
.sp-scrubber-acts button { display: grid; place-items: center; width: 30px; height: 30px; padding: 0; border: 0; border-radius: 50%; background: none; color: inherit; cursor: pointer; }
.sp-scrubber-acts button:hover { background: var(--c-hover); }
.sp-scrubber-acts button.sp-go { width: 36px; height: 36px; background: var(--c-accent); color: var(--c-paper); }
.sp-scrubber-acts svg { width: 18px; height: 18px; fill: currentColor; display: block; }
.sp-scrubber button:focus-visible, .sp-scrubber [role=slider]:focus-visible { outline: 2px solid var(--c-accent); outline-offset: 2px; }
.sp-scrubber-date { grid-area: date; min-width: 204px; }
.sp-scrubber-date b { display: block; font-size: 14px; font-weight: 600; white-space: nowrap; }
.sp-scrubber-date span { color: var(--c-faint); font-size: 11px; white-space: nowrap; }
.sp-scrubber-line { grid-area: line; position: relative; margin: 0 10px; touch-action: none; cursor: pointer; }
.sp-scrubber-marks { position: relative; pointer-events: none; }
.sp-scrubber-marks button { position: absolute; width: 15px; height: 15px; margin: 0 0 0 -7.5px; padding: 0; border: 0; border-radius: 4px; background: none; pointer-events: auto; cursor: pointer; }
.sp-scrubber-marks button::before { content: ""; position: absolute; inset: 3.5px; transform: rotate(45deg); background: var(--c-ink); border: 1.5px solid var(--c-ink); border-radius: 1px; }
.sp-scrubber-marks button.sp-only::before { background: var(--c-paper); }
.sp-scrubber-marks button:hover::before, .sp-scrubber-marks button:focus-visible::before { background: var(--c-accent); border-color: var(--c-accent); }
.sp-scrubber-rail { position: relative; height: 8px; margin: 6px 0; border-radius: 4px; background: var(--c-rail); }
.sp-scrubber-rail > * { position: absolute; top: 0; }
.sp-scrubber-run, .sp-scrubber-past { left: 0; height: 8px; border-radius: 4px; }
.sp-scrubber-run { background: var(--c-run); }
.sp-scrubber-past { background: var(--c-accent); }
.sp-scrubber-fork { width: 2px; margin-left: -1px; top: -5px !important; height: 18px; background: var(--c-ink); }
.sp-scrubber-goal { width: 14px; height: 14px; margin: -3px 0 0 -7px; border-radius: 50%; border: 2px dashed var(--c-accent); box-sizing: border-box; }
.sp-scrubber-handle { width: 18px; height: 18px; margin: -5px 0 0 -9px; border-radius: 50%; background: var(--c-accent); border: 3px solid var(--c-paper); box-shadow: 0 0 0 1px var(--c-accent), 0 1px 4px rgba(0,0,0,.35); box-sizing: border-box; }
.sp-scrubber-ticks { position: relative; height: 16px; color: var(--c-faint); font-size: 11px; line-height: 16px; pointer-events: none; }
.sp-scrubber-ticks span { position: absolute; transform: translateX(calc(-50% + var(--c-aside))); white-space: nowrap; }
.sp-scrubber-ticks span::before { content: ""; position: absolute; left: calc(50% - var(--c-aside)); top: -5px; height: 5px; border-left: 1px solid currentColor; opacity: .6; }
.sp-scrubber-ticks span.sp-forks { color: var(--c-ink); font-weight: 600; background: var(--c-paper); padding: 0 3px; }
.sp-scrubber-ticks span.sp-forks::before { display: none; }
.sp-scrubber-hint { position: absolute; z-index: 2; top: auto !important; bottom: 15px; padding: 1px 6px; border-radius: 5px; background: var(--c-ink); color: var(--c-paper); font-size: 11px; white-space: nowrap; pointer-events: none; transform: translateX(-50%); }
.sp-scrubber .sp-card { z-index: 5; max-width: 280px; }
@container (max-width: 700px) { .sp-scrubber-row { grid-template: "acts date" "line line" / auto 1fr; row-gap: 4px; } .sp-scrubber-date { text-align: right; min-width: 0; } }
`;
const ICONS = {
  dayBack: "M11 5 4 12l7 7zM19 5l-7 7 7 7z", hourBack: "M16 5 8 12l8 7z", play: "M8 5v14l11-7z", pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  hourOn: "M8 5l8 7-8 7z", dayOn: "M13 5l7 7-7 7zM5 5l7 7-7 7z",
};
const ASKED_EVERY_MS = 50;
const SETTLES_MS = 400;  // longest time for which the handle stays where it was let go before the run has followed
const LANE = 13, MARK_WIDE = 14, MOST_LANES = 4, DATES_APART = 66, BETWEEN_NAMES = 6, HALF_LETTER = 3.2, BESIDE = 10;
const STEPS_WITHOUT_DAYS = 10;
const TAKES_KEYS = "input, select, textarea, [contenteditable=''], [contenteditable=true], [role=slider], [role=spinbutton], [role=listbox], [role=option], [role=menu], [role=combobox], [role=tab]";
const TAKES_SPACE = "button, a[href], summary, [role=button], [role=checkbox], [role=switch]";

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS(svg.namespaceURI, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function part(name, tag = "div") {
  return Object.assign(document.createElement(tag), { className: `sp-scrubber-${name}` });
}

class TimelineView {
  constructor(model, el) {
    Object.assign(this, { model, held: null, asks: 0, sentAt: -Infinity });
    this.build(el);
    this.resizing = new ResizeObserver(() => this.lay());
    this.resizing.observe(this.line);
    this.endTheme = onTheme(this.root, () => this.paint());
    this.listeners = { "change:ground": () => this.later(), "change:state": () => this.later(), "change:number": () => this.later() };
    for (const [name, heard] of Object.entries(this.listeners)) model.on(name, heard);
    this.onKey = (event) => this.key(event);
    this.onPointer = (event) => { this.clicked = event.target.closest?.(TAKES_SPACE) ?? null; };
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("pointerdown", this.onPointer, true);
    this.paint();
    this.later();
  }

  close() {
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("pointerdown", this.onPointer, true);
    cancelAnimationFrame(this.asked);
    clearTimeout(this.waits);
    clearTimeout(this.settles);
    this.resizing.disconnect();
    this.endTheme();
    for (const [name, heard] of Object.entries(this.listeners)) this.model.off(name, heard);
  }

  // --- what there is -----------------------------------------------------------------------------------------

  build(el) {
    styled();
    if (!document.getElementById("sp-scrubber-style")) document.head.append(Object.assign(document.createElement("style"), { id: "sp-scrubber-style", textContent: TIMELINE_STYLE }));
    this.root = Object.assign(document.createElement("div"), { className: "sp-scrubber" });
    const row = part("row");
    row.append(this.acts(), this.dates(), this.track());
    this.root.append(row);
    el.append(this.root);
    this.card = new Card({ box: this.root, get width() { return this.box.clientWidth; }, get height() { return Infinity; } });
  }

  acts() {
    const acts = part("acts");
    this.buttons = {
      dayBack: this.button("dayBack", () => this.step(-this.day())), hourBack: this.button("hourBack", () => this.step(-1)),
      play: this.button("play", () => this.ask({ toggle: true })),
      hourOn: this.button("hourOn", () => this.step(1)), dayOn: this.button("dayOn", () => this.step(this.day())),
    };
    this.buttons.play.classList.add("sp-go");
    acts.setAttribute("role", "group");
    acts.setAttribute("aria-label", "time");
    acts.append(...Object.values(this.buttons));
    return acts;
  }

  button(name, act) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(icon(name));
    button.addEventListener("click", (event) => {
      if (event.detail) button.blur();  // after the pointer, the space bar means play again
      act();
    });
    return button;
  }

  dates() {
    const dates = part("date");
    [this.date, this.hours] = [document.createElement("b"), document.createElement("span")];
    dates.append(this.date, this.hours);
    return dates;
  }

  track() {
    this.line = part("line");
    [this.marks, this.rail, this.ticks, this.hint] = ["marks", "rail", "ticks", "hint"].map((name) => part(name));
    [this.run, this.past, this.fork, this.goal, this.handle] = ["run", "past", "fork", "goal", "handle"].map((name) => part(name));
    this.handle.tabIndex = 0;
    this.handle.setAttribute("role", "slider");
    this.handle.setAttribute("aria-label", "hour shown");
    this.handle.setAttribute("aria-valuemin", "0");
    this.rail.append(this.run, this.past, this.fork, this.goal, this.handle, this.hint);
    this.line.append(this.marks, this.rail, this.ticks);
    this.hint.hidden = this.goal.hidden = this.fork.hidden = true;
    const heard = { pointerdown: (e) => this.take(e), pointermove: (e) => this.drag(e), pointerup: (e) => this.drop(e), pointercancel: (e) => this.drop(e), pointerleave: () => { this.hint.hidden = true; } };
    for (const [name, act] of Object.entries(heard)) this.line.addEventListener(name, act);
    return this.line;
  }

  paint() {
    const theme = this.theme = themeOf(this.root);
    for (const name of ["ink", "paper", "faint", "accent"]) this.root.style.setProperty(`--c-${name}`, theme[name]);
    this.root.style.setProperty("--c-hover", clear(theme.faint, 0.16));
    this.root.style.setProperty("--c-rail", clear(theme.faint, 0.22));
    this.root.style.setProperty("--c-run", clear(theme.accent, 0.42));
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  later() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      this.draw();
      const number = this.model.get("number");
      if (this.model.get("shown") !== number) { this.model.set("shown", number); this.model.save_changes(); }
    });
  }

  draw() {
    this.state = this.model.get("state");
    const ground = this.model.get("ground"), { steps } = this.state;
    if (!steps || !ground?.days) return;
    if (ground !== this.ground || steps !== this.steps) {
      [this.ground, this.steps, this.clock] = [ground, steps, new Clock(ground)];
      this.name();
      this.lay();
    }
    if (this.held !== null && !this.dragging && (this.state.at === this.held || this.state.running_to !== null)) this.held = null;
    this.show();
  }

  // Say what the buttons do: by hours and days, or by steps where there is no calendar.
  name() {
    const [hour, day] = this.clock.zone ? [this.clock.step_ms === HOUR_MS ? "an hour" : "a step", "a day"] : ["a step", `${this.day()} steps`];
    const names = { dayBack: `back ${day}`, hourBack: `back ${hour}`, hourOn: `on ${hour}`, dayOn: `on ${day}` };
    for (const [button, words] of Object.entries(names)) {
      this.buttons[button].setAttribute("aria-label", words);
      this.buttons[button].title = words;
    }
    this.handle.setAttribute("aria-valuemax", String(this.steps - 1));
  }

  day() {
    return this.clock?.steps_a_day > 1 ? this.clock.steps_a_day : STEPS_WITHOUT_DAYS;
  }

  // Where a step stands on the line, as a share of it.
  at(step) {
    return this.steps > 1 ? step / (this.steps - 1) : 0;
  }

  show() {
    const { done, playing, running_to: goal } = this.state, step = this.held ?? this.state.at;
    const place = (share) => `${100 * share}%`;
    this.run.style.width = place(this.at(Math.max(0, done - 1)));
    this.past.style.width = this.handle.style.left = place(this.at(step));
    this.goal.hidden = goal === null || goal === undefined || goal === step;
    if (!this.goal.hidden) this.goal.style.left = place(this.at(goal));
    const date = this.clock.told(step), many = this.howFar(step);
    this.date.textContent = date;
    this.hours.textContent = this.goal.hidden ? many : `running to ${this.clock.told(goal)}`;
    this.handle.setAttribute("aria-valuenow", String(step));
    this.handle.setAttribute("aria-valuetext", `${date}, ${many}`);
    if (playing !== this.playing) this.playing = this.tell(playing);
  }

  howFar(step) {
    if (!this.clock.zone) return `of ${count(this.steps)} steps`;
    return `${this.clock.step_ms === HOUR_MS ? "hour" : "step"} ${count(step + 1)} of ${count(this.steps)}`;
  }

  // Let the middle button say what it does.
  tell(playing) {
    const button = this.buttons.play, words = playing ? "pause" : "play";
    button.replaceChildren(icon(words));
    button.setAttribute("aria-label", words);
    button.title = `${words} (space)`;
    return playing;
  }

  // Lay out what depends on the width: dates, events, the fork.
  lay() {
    const wide = this.line.clientWidth;
    if (!this.ground || !wide) return;
    this.layMarks(wide);
    const fork = this.ground.begins, left = this.at(fork) * wide;
    this.fork.hidden = !fork;
    this.fork.style.left = `${left}px`;
    const shown = fork ? [this.forkName(left, wide)] : [];
    for (const { step, text, under } of this.clock.ticks(this.steps, wide, DATES_APART)) {
      const tick = this.tick(this.at(step) * wide, wide, under && this.clock.zone ? `${text} ${under}` : text);
      if (shown.every((other) => Math.abs(other.at - tick.at) > other.half + tick.half + BETWEEN_NAMES)) shown.push(tick);
    }
    this.ticks.replaceChildren(...shown.map((tick) => tick.span));
  }

  tick(at, wide, text) {
    const span = Object.assign(document.createElement("span"), { textContent: text }), half = HALF_LETTER * text.length;
    span.style.left = `${at}px`;
    const aside = Math.max(0, half - BESIDE - at) - Math.max(0, at + half - BESIDE - wide);
    span.style.setProperty("--c-aside", `${aside}px`);
    return { span, half, at: at + aside };
  }

  forkName(left, wide) {
    const name = this.tick(left, wide, `${this.ground.runs[1]} forks here`);
    name.span.className = "sp-forks";
    return name;
  }

  // Events that would cover each other stand one above the other.
  layMarks(wide) {
    const ends = Array(MOST_LANES).fill(-Infinity), buttons = [];
    let lanes = 1;
    for (const mark of this.ground.marks) {
      const left = this.at(mark.step) * wide, free = ends.findIndex((end) => left - end >= MARK_WIDE);
      const lane = free < 0 ? MOST_LANES - 1 : free;
      ends[lane] = left;
      lanes = Math.max(lanes, lane + 1);
      buttons.push(this.mark(mark, left, lane));
    }
    this.marks.style.height = buttons.length ? `${lanes * LANE + 2}px` : "4px";
    this.marks.replaceChildren(...buttons);
  }

  mark({ step, text, only }, left, lane) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: only ? "sp-only" : "" });
    const when = this.clock.told(step), words = only ? `${text} (run ${only} only)` : text;
    Object.assign(button.style, { left: `${left}px`, bottom: `${lane * LANE}px` });
    button.setAttribute("aria-label", `${when}: ${words}`);
    const tell = () => {
      this.hint.hidden = true;
      this.card.show(this.line.offsetLeft + left, this.line.offsetTop + this.marks.offsetHeight + 24, [when, [words]], this.theme);
    };
    for (const name of ["pointerenter", "focus"]) button.addEventListener(name, tell);
    for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => this.card.hide());
    button.addEventListener("pointerdown", (event) => event.stopPropagation());
    button.addEventListener("click", () => this.seek(step));
    return button;
  }

  // --- what is asked -------------------------------------------------------------------------------------------

  ask(what) {
    this.asks += 1;
    this.model.set("asked", { ...what, n: this.asks });
    this.model.save_changes();
  }

  // Say where to stop, not how far on: of what is asked in quick succession only the last may be heard.
  step(many) {
    const from = this.held ?? this.state.running_to ?? this.state.at;
    this.go(Math.max(0, Math.min(this.steps - 1, from + many)), "stop");
  }

  settle() {
    clearTimeout(this.settles);
    this.settles = setTimeout(() => { this.held = null; this.later(); }, SETTLES_MS);
  }

  seek(step) {
    this.go(step, "seek");
  }

  // Stand where one will be when that is answered.
  go(step, how) {
    this.held = step;
    this.show();
    this.ask({ [how]: step });
    this.settle();
  }

  // Ask for the hour under the pointer: at most 20 times a second, and always for the last.
  seekHeld() {
    const wait = this.sentAt + ASKED_EVERY_MS - performance.now();
    clearTimeout(this.waits);
    if (wait > 0) { this.waits = setTimeout(() => this.seekHeld(), wait); return; }
    if (this.held === null || this.held === this.sent) return;
    [this.sentAt, this.sent] = [performance.now(), this.held];
    this.ask({ seek: this.held });
  }

  stepUnder(event) {
    const box = this.rail.getBoundingClientRect();
    return Math.round(Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * (this.steps - 1));
  }

  take(event) {
    if (!this.ground || event.button > 0) return;
    this.line.setPointerCapture(event.pointerId);
    clearTimeout(this.settles);
    [this.dragging, this.sent] = [true, null];
    this.handle.focus({ preventScroll: true });
    event.preventDefault();
    this.drag(event);
  }

  drag(event) {
    if (!this.ground) return;
    const step = this.stepUnder(event);
    this.hint.hidden = Boolean(event.target.closest?.("button")) && !this.dragging;
    this.hint.textContent = this.clock.told(step);
    this.hint.style.left = `${100 * this.at(step)}%`;
    if (!this.dragging) return;
    this.held = step;
    this.show();
    this.seekHeld();
  }

  drop(event) {
    if (!this.dragging) return;
    this.dragging = false;
    if (event.pointerType !== "mouse") this.hint.hidden = true;
    this.seekHeld();
    this.settle();
  }

  // --- keys ----------------------------------------------------------------------------------------------------

  key(event) {
    const on = document.activeElement, own = on === this.handle;
    if (event.key === "Tab") this.clicked = null;
    if (!this.ground || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!own && on?.closest?.(TAKES_KEYS)) return;
    // A button that was clicked has the focus by the way; only one that was come to by key takes the space.
    const button = own ? null : on?.closest?.(TAKES_SPACE), act = this.acting(event, !button || button === this.clicked);
    if (!act) return;
    event.preventDefault();
    button?.blur();
    act();
  }

  acting({ key, shiftKey, repeat }, space) {
    const many = shiftKey ? this.day() : 1;
    return {
      " ": space && !repeat && (() => this.ask({ toggle: true })),
      ArrowLeft: () => this.step(-many), ArrowRight: () => this.step(many),
      Home: () => this.seek(0), End: () => this.seek(Math.max(0, this.state.done - 1)),
    }[key];
  }
}

function render({ model, el }) {
  const view = new TimelineView(model, el);
  return () => view.close();
}

export default { render };
