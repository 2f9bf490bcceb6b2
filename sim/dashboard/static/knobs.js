// The sliders: parameters by group, one group open at a time, found by name; what was changed is marked.
// What scenarios say is put in as text, never as HTML.

const POSITIONS = 1000; // of a slider
const MOST_FOUND = 60; // rows that a search opens
const PATIENCE_MS = 80; // between what is sent while a slider moves

function made(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// A slider is straight, or bent so that the scenario's own value stands in the middle.
function valueAt(knob, position) {
  const share = position / POSITIONS, span = knob.high - knob.low;
  const value = knob.bend === null ? span * share : knob.bend * ((1 + span / knob.bend) ** share - 1);
  return knob.low + value;
}

function positionOf(knob, value) {
  const span = knob.high - knob.low, at = Math.min(Math.max(value - knob.low, 0), span);
  const share = knob.bend === null ? at / span : Math.log1p(at / knob.bend) / Math.log1p(span / knob.bend);
  return Math.round(share * POSITIONS);
}

function rounded(knob, value) {
  return knob.whole ? Math.round(value) : Number(value.toPrecision(4));
}

function told(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
}

function said(knob) {
  const range = knob.low === null ? "" : `Range ${told(knob.low)} to ${told(knob.high)}${unitOf(knob)}. `;
  return `${knob.about ? knob.about + ". " : ""}${range}In this scenario ${told(knob.value)}${unitOf(knob)}. Grade: ${knob.grade}. Source: ${knob.source}`;
}

function unitOf(knob) {
  return ["1", "switch", "rule"].includes(knob.unit) ? "" : ` ${knob.unit}`;
}

function render({ model, el }) {
  const root = made("div", "sp-knobs"), rows = new Map();
  const search = made("input", "sp-search"), list = made("div", "sp-groups"), none = made("p", "sp-none", "No parameter of that name.");
  const channels = made("fieldset", "sp-channels");
  search.type = "search";
  search.placeholder = "Find a parameter";
  search.setAttribute("aria-label", "Find a parameter");
  root.append(channels, search, list);
  el.append(root);

  let open = "", sent = 0, waiting = 0, moves = {};
  const changed = () => model.get("values");
  const valueOf = (knob) => (knob.path in changed() ? changed()[knob.path] : knob.value);

  // All moves that have not been answered are sent: of several in quick succession only the last may be heard.
  function send(knob, value) {
    clearTimeout(waiting);
    waiting = 0;
    moves[knob.path] = value;
    model.set("moved", { values: { ...moves }, n: ++sent });
    model.save_changes();
  }

  function answered() {
    for (const knob of [...model.get("knobs"), ...model.get("switches")])
      if (knob.path in moves && valueOf(knob) === moves[knob.path]) delete moves[knob.path];
    mark();
  }

  function numberRow(knob, row) {
    const slider = made("input", "sp-slider"), field = made("input", "sp-field");
    slider.type = "range";
    [slider.min, slider.max, slider.step] = [0, POSITIONS, 1];
    slider.setAttribute("aria-label", `${knob.name}${unitOf(knob)}`);
    slider.style.setProperty("--at", `${(100 * positionOf(knob, knob.value)) / POSITIONS}%`);
    field.type = "number";
    [field.min, field.max, field.step] = [knob.low, knob.high, knob.whole ? 1 : "any"];
    field.setAttribute("aria-label", `${knob.name}, number`);
    slider.addEventListener("input", () => {
      const at = Number(slider.value);
      const value = at === positionOf(knob, knob.value) ? knob.value : rounded(knob, valueAt(knob, at));
      field.value = told(value);
      slider.setAttribute("aria-valuetext", `${told(value)}${unitOf(knob)}`);
      clearTimeout(waiting);
      waiting = setTimeout(() => send(knob, value), PATIENCE_MS);
    });
    field.addEventListener("change", () => {
      const value = rounded(knob, Number(field.value));
      if (field.value === "" || !field.checkValidity()) return field.reportValidity();
      slider.value = positionOf(knob, value);
      send(knob, value);
    });
    row.show = (value) => {
      if (document.activeElement !== field) field.value = told(value);
      if (!waiting) slider.value = positionOf(knob, value);
      slider.setAttribute("aria-valuetext", `${told(value)}${unitOf(knob)}`);
    };
    row.head.append(field, made("span", "sp-unit", unitOf(knob).trim()));
    row.node.append(slider);
  }

  function choiceRow(knob, row) {
    const choice = made("select", "sp-choice");
    const options = knob.options.length ? knob.options : [true, false];
    for (const option of options) choice.append(new Option(typeof option === "boolean" ? (option ? "on" : "off") : option, option));
    choice.setAttribute("aria-label", knob.name);
    choice.addEventListener("change", () => send(knob, knob.options.length ? choice.value : choice.value === "true"));
    row.show = (value) => { choice.value = String(value); };
    row.head.append(choice);
  }

  function rowOf(knob) {
    const node = made("div", "sp-knob"), head = made("div", "sp-knob-head");
    const name = made("button", "sp-knob-name", knob.name), reset = made("button", "sp-reset", "↺"), hint = made("p", "sp-hint", said(knob));
    const row = { node, head };
    name.type = reset.type = "button";
    name.title = said(knob);
    name.setAttribute("aria-expanded", "false");
    name.addEventListener("click", () => {
      hint.hidden = !hint.hidden;
      name.setAttribute("aria-expanded", String(!hint.hidden));
    });
    hint.hidden = true;
    reset.title = `Back to ${told(knob.value)}${unitOf(knob)}`;
    reset.setAttribute("aria-label", `${knob.name}: back to ${told(knob.value)}`);
    reset.addEventListener("click", () => send(knob, knob.value));
    head.append(name);
    node.append(head);
    (knob.low === null ? choiceRow : numberRow)(knob, row);
    head.append(reset);
    node.append(hint);
    row.mark = () => {
      const value = valueOf(knob);
      row.show(value);
      node.classList.toggle("sp-changed", value !== knob.value);
    };
    row.mark();
    rows.set(knob.path, row);
    return node;
  }

  function switchRow(one) {
    const node = made("label", "sp-switch"), box = made("input"), words = made("span", "sp-switch-words");
    box.type = "checkbox";
    box.setAttribute("role", "switch");
    box.addEventListener("change", () => send(one, box.checked));
    words.append(made("b", "", one.name), ` ${one.about}`);
    node.append(box, words);
    node.title = one.about;
    rows.set(one.path, {
      mark() {
        box.checked = valueOf(one);
        node.classList.toggle("sp-changed", valueOf(one) !== one.value);
      },
    });
    rows.get(one.path).mark();
    return node;
  }

  function group(title, knobs, isOpen, toggle) {
    const node = made("section", "sp-group"), head = made("button", "sp-group-head"), moved = knobs.filter((knob) => knob.path in changed()).length;
    head.type = "button";
    head.setAttribute("aria-expanded", String(isOpen));
    head.append(made("span", "sp-group-title", title), made("span", "sp-count", moved ? `${moved} changed` : String(knobs.length)));
    head.classList.toggle("sp-changed", moved > 0);
    head.addEventListener("click", toggle);
    node.append(head);
    if (isOpen) node.append(...knobs.map((one) => (one.kind ? switchRow(one) : rowOf(one))));
    return node;
  }

  // Channels stand on top; all else that can be moved or left out is in a group.
  function all() {
    return [...model.get("switches").filter((one) => one.kind !== "channel"), ...model.get("knobs")];
  }

  function found(one, wanted) {
    return `${one.title ?? one.name} ${one.path} ${one.about}`.toLowerCase().includes(wanted);
  }

  function draw() {
    const wanted = search.value.trim().toLowerCase(), groups = new Map(), scroll = list.scrollTop;
    for (const one of all()) {
      if (!wanted || found(one, wanted)) groups.set(one.heading, [...(groups.get(one.heading) ?? []), one]);
    }
    rows.clear();
    const on = model.get("switches").filter((one) => one.kind === "channel");
    channels.hidden = !on.length;
    channels.replaceChildren(made("legend", "sp-head", "Channels"), ...on.map(switchRow));
    let room = MOST_FOUND;
    const nodes = [...groups].map(([title, knobs]) => {
      const isOpen = wanted ? (room -= knobs.length) > 0 : title === open;
      return group(title, knobs, isOpen, () => { open = open === title ? "" : title; search.value = ""; draw(); });
    });
    list.replaceChildren(...(nodes.length ? nodes : [none]));
    list.scrollTop = scroll;
  }

  // Marks what was changed without making anything anew: whoever holds a slider keeps it.
  function mark() {
    for (const row of rows.values()) row.mark();
    const many = new Map(), moved = new Map();
    for (const one of all()) {
      many.set(one.heading, (many.get(one.heading) ?? 0) + 1);
      if (one.path in changed()) moved.set(one.heading, (moved.get(one.heading) ?? 0) + 1);
    }
    for (const head of list.querySelectorAll(".sp-group-head")) {
      const title = head.firstChild.textContent, some = moved.get(title);
      head.lastChild.textContent = some ? `${some} changed` : String(many.get(title));
      head.classList.toggle("sp-changed", Boolean(some));
    }
  }

  search.addEventListener("input", draw);
  model.on("change:knobs", draw);
  model.on("change:values", answered);
  draw();
  return () => {
    clearTimeout(waiting);
    model.off("change:knobs", draw);
    model.off("change:values", answered);
  };
}

export default { render };
