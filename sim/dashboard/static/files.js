// To take away and to bring: the set-up as a file, charts as tables, maps as pictures; a scenario from a file.

function made(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function save(blob, name) {
  const link = made("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function render({ model, el }) {
  const root = made("div", "sp-files");
  let asked = 0, sent = 0;

  function ask(what) {
    model.set("asked", { what, n: ++asked });
    model.save_changes();
  }

  function button(text, act, about) {
    const node = made("button", "sp-button", text);
    node.type = "button";
    node.addEventListener("click", act);
    root.append(node, made("p", "sp-about", about));
  }

  async function pictures() {
    for (const canvas of document.querySelectorAll(".sp-map canvas, .sp-city canvas")) {
      const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
      if (blob) save(blob, `${canvas.closest("[data-name]").dataset.name}.png`);
    }
  }

  async function bring(file) {
    if (!file) return;
    const small = file.size <= model.get("largest");
    const content = small ? new DataView(await file.arrayBuffer()) : new DataView(new ArrayBuffer(0));
    model.set("brought", { name: file.name, size: file.size, content, n: ++sent });
    model.save_changes();
  }

  root.append(made("h3", "sp-head", "Take away"));
  button("This set-up as a scenario file", () => ask("setup"), "Every value written out, your changes among them; the command “spillover run” takes it.");
  button("The charts shown, as tables", () => ask("charts"), "CSV, every hour so far; several charts come in one archive.");
  button("The maps, as pictures", pictures, "PNG, as they look now.");

  const chooser = made("input"), zone = made("label", "sp-drop");
  chooser.type = "file";
  chooser.accept = ".toml";
  chooser.className = "sp-chooser";
  chooser.addEventListener("change", () => { bring(chooser.files[0]); chooser.value = ""; });
  zone.append(chooser, made("span", "", "Choose a scenario file, or drop one here"));
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("sp-over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("sp-over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("sp-over");
    bring(event.dataTransfer.files[0]);
  });
  const most = `At most ${Math.round(model.get("largest") / 1000)} kB of TOML. It is read as data and checked as “spillover check” does; it may extend a shipped scenario, and nothing else.`;
  root.append(made("h3", "sp-head", "Bring"), zone, made("p", "sp-about", most));
  el.append(root);

  const deliver = () => {
    const { name, kind, content } = model.get("parcel");
    if (name) save(new Blob([content], { type: kind }), name);
  };
  model.on("change:parcel", deliver);
  return () => model.off("change:parcel", deliver);
}

export default { render };
