// The feed: what happened and what was said of it, newest first. A line is a way to its hour.
// What scenarios say is put in as text, never as HTML.

function made(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function keyOf(line) {
  return `${line.step} ${line.place} ${line.kind} ${line.text} ${line.claim}`;
}

function render({ model, el }) {
  const list = made("ol", "sp-feed"), none = made("p", "sp-none", "Nothing to tell yet.");
  list.setAttribute("aria-label", "What happened, newest first");
  el.append(list, none);
  let nodes = new Map();

  // A line begins with where and when; that part is the way to its hour.
  function lineOf(line) {
    const node = made("li", `sp-line sp-line-${line.kind}`), first = line.claim || line.text, colon = first.indexOf(": ");
    const when = made("button", "sp-when", first.slice(0, Math.max(colon, 0)) || line.time), rest = first.slice(colon < 0 ? 0 : colon + 2);
    when.type = "button";
    when.title = "Go to this hour";
    when.addEventListener("click", () => {
      model.set("sought", -1);
      model.set("sought", line.step);
      model.save_changes();
    });
    node.append(when, made("p", line.claim ? "sp-said" : "sp-text", rest));
    if (line.claim) node.append(made("p", "sp-so", line.text));
    return node;
  }

  function draw() {
    const lines = model.get("lines"), before = nodes, height = list.scrollHeight, scrolled = list.scrollTop;
    nodes = new Map(lines.map((line) => [keyOf(line), before.get(keyOf(line)) ?? lineOf(line)]));
    list.replaceChildren(...nodes.values());
    if (scrolled > 0) list.scrollTop = scrolled + list.scrollHeight - height; // who reads further down keeps his place
    none.hidden = lines.length > 0;
    model.set("shown", model.get("number"));
    model.save_changes();
  }

  model.on("change:number", draw);
  draw();
  return () => model.off("change:number", draw);
}

export default { render };
