// The streets of a place: cells shaded by one layer, the neighbourhoods they belong to, the line of contact between
// them, and the soldiers along it.

const MARK_PX = 14; // of a line of contact for each mark, were all soldiers there
const LEAST_SOLDIERS_A_MARK = 10;
const RAMP_STEPS = 256;
const GRID_FROM_PX = 14; // side of a cell on the screen from which cells are set apart
const NO_GROUND = { quarters: [], lines: [], layers: [], notes: [], shape: [0, 0], origin: [0, 0] };
const NOTHING = "No streets are modelled here.";

class CityView {
  constructor(model, el) {
    this.model = model;
    this.camera = new Camera();
    this.surface = new Surface(el, "Streets", (...to) => this.draw(...to));
    this.surface.onresize = () => this.resized();
    this.card = new Card(this.surface);
    this.image = document.createElement("canvas");
    this.paintTools = tools(this.surface, [
      ["+", "Zoom in (+)", () => this.zoom(ZOOM_STEP)],
      ["−", "Zoom out (−)", () => this.zoom(1 / ZOOM_STEP)],
      ["All", "Show all neighbourhoods (0 or double click)", () => this.fit()],
    ]);
    this.endSteering = steer(this.surface, this.camera, {
      moved: () => this.surface.ask(), reset: () => this.fit(), hover: (x, y) => this.hover(x, y),
      leave: () => this.leave(), click: (x, y) => this.hover(x, y),
    });
    const grounded = () => { this.take(); this.fit(); this.surface.ask(); };
    model.on("change:ground", grounded);
    grounded();
    const endFrames = onFrames(model, this.surface, () => this.frameCame());
    this.close = () => {
      model.off("change:ground", grounded);
      endFrames();
      this.endSteering();
      this.surface.close();
    };
  }

  // --- what is to be drawn ---------------------------------------------------------------------------------

  take() {
    const ground = (this.ground = { ...NO_GROUND, ...this.model.get("ground") });
    this.owner = ground.owner ? new Int16Array(copied(ground.owner)) : new Int16Array(0);
    this.people = ground.people ? new Float32Array(copied(ground.people)) : new Float32Array(0);
    this.most = {};
    this.card.hide();
    this.frameCame();
  }

  frameCame() {
    const sent = this.model.get("frame") || {};
    const frame = (this.frame = sent.place === this.ground.place ? sent : {}); // it may still be of another place
    this.layer = this.ground.layers.find((one) => one.id === frame.layer);
    const values = frame.values ? new Float32Array(copied(frame.values)) : null;
    this.values = values && values.length === this.owner.length ? values : null;
    if (this.layer && this.values) this.setScale();
    this.painted = this.told = false;
    this.surface.say(this.inWords());
  }

  // The scale of a layer is fixed or grows with what is seen, and never shrinks while one looks at a place.
  setScale() {
    const key = `${this.layer.id} ${this.frame.whole}`;
    let most = this.most[key] || 0;
    for (const value of this.values) if (value > most) most = value;
    this.most[key] = this.scale = this.layer.most && !this.frame.whole ? this.layer.most : roundUp(most);
  }

  inWords() {
    const said = this.ground.quarters.map((quarter, i) => quarterInWords(quarter, i, this.frame.quarters || {}));
    const what = this.layer?.says || "nothing";
    return `Streets of ${this.ground.name || "no place"}, ${this.frame.time || ""}, shaded by ${what}. ${said.join("; ")}.`;
  }

  // "people" a cell, a "share" of something, or a "level" without a unit.
  kind() {
    if (this.layer.most) return "level";
    return this.layer.unit === "people a cell" && !this.frame.whole ? "people" : "share";
  }

  number(value) {
    if (this.kind() === "level") return String(Number(value.toFixed(2)));
    if (this.kind() === "people") return Number.isInteger(value) ? count(value) : value.toFixed(1);
    return value >= 0.01 || value === 0 ? percent(value) : `${Number((100 * value).toPrecision(1))} %`;
  }

  unitInWords() {
    if (this.kind() === "people") return `people a cell of ${this.ground.cell_m} × ${this.ground.cell_m} m`;
    return this.kind() === "share" && this.layer.unit === "people a cell" ? "share of the residents" : this.layer.unit;
  }

  // --- moving about ----------------------------------------------------------------------------------------

  // Show all, as large as can be: with names beside the neighbourhoods, or above and below them.
  fit() {
    if (!this.surface.width || !this.ground.shape[0]) return;
    const under = this.ground.quarters.some((_, i) => isBelow(this.ground, i)) ? NAME_PX : 0;
    const ways = {
      beside: { left: BESIDE_PX, right: BESIDE_PX, top: HEAD_PX + 24, bottom: FOOT_PX },
      above: { left: 14, right: 14, top: HEAD_PX + NAME_PX + 12, bottom: FOOT_PX + under },
    };
    this.names = this.fitted(ways.beside) >= this.fitted(ways.above) ? "beside" : "above";
    this.fitted(ways[this.names]);
    this.surface.ask();
  }

  // Fit the camera inside margins, and return its scale.
  fitted(margins) {
    const { origin, shape, cell_m } = this.ground, { width, height } = this.surface;
    this.camera.fit([...origin, origin[0] + shape[1] * cell_m, origin[1] + shape[0] * cell_m], width, height, margins);
    return this.camera.scale;
  }

  resized() {
    if (!this.camera.free) return this.fit();
    [this.camera.width, this.camera.height] = [this.surface.width, this.surface.height];
    this.surface.ask();
  }

  zoom(factor) {
    this.camera.zoomAt(factor, this.surface.width / 2, this.surface.height / 2);
    this.surface.ask();
  }

  hover(x, y) {
    this.pointer = [x, y];
    this.told = false;
    this.surface.ask();
  }

  leave() {
    this.pointer = null;
    this.card.hide();
    this.surface.ask();
  }

  // The cell at a point of the screen, null where it is nobody's.
  cellAt(x, y) {
    const { origin, shape, cell_m } = this.ground, [east, north] = this.camera.toWorld(x, y);
    const [column, row] = [Math.floor((east - origin[0]) / cell_m), Math.floor((north - origin[1]) / cell_m)];
    const inside = column >= 0 && row >= 0 && column < shape[1] && row < shape[0];
    return inside && this.owner[row * shape[1] + column] >= 0 ? row * shape[1] + column : null;
  }

  // --- the picture -----------------------------------------------------------------------------------------

  draw(context, width, height, theme) {
    this.paintTools(theme);
    Object.assign(this, { context, width, height, theme });
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, width, height);
    if (!this.owner.length) return write(context, NOTHING, width / 2, height / 2, theme.faint, null, { align: "center" });
    this.drawCells();
    this.drawGrid();
    this.drawOutlines();
    this.ground.lines.forEach((line) => this.drawLine(line));
    writeNames(this);
    this.ground.lines.forEach((line) => nameLine(this, line));
    writeHead(this);
    drawScale(this);
    writeFoot(this);
    this.drawPointer();
  }

  // The colours of the layer on this theme, from least to most.
  stops() {
    return this.layer[this.theme.dark ? "dark" : "light"];
  }

  // The same in many steps, each as one number as pixels have it.
  ramp() {
    const stops = this.stops(), key = stops.join();
    if (this.rampOf !== key) {
      this.steps = Uint32Array.from({ length: RAMP_STEPS }, (_, i) => {
        const along = (i / (RAMP_STEPS - 1)) * (stops.length - 1), from = Math.min(stops.length - 2, Math.floor(along));
        return pixelOf(mixed(stops[from], stops[from + 1], along - from));
      });
      this.rampOf = key;
    }
    return this.steps;
  }

  // One pixel a cell, painted once a frame; row 0 is the southern edge.
  paintCells() {
    const [rows, columns] = this.ground.shape, ramp = this.layer && this.ramp(), { owner, values, scale, image } = this;
    [image.width, image.height] = [columns, rows];
    const to = image.getContext("2d"), picture = to.createImageData(columns, rows), pixels = new Uint32Array(picture.data.buffer);
    const unknown = pixelOf(mixed(this.theme.land, this.theme.border, 0.25));
    for (let cell = 0; cell < owner.length; cell++) {
      if (owner[cell] < 0) continue;
      const share = values ? Math.min(1, values[cell] / scale) : NaN, column = cell % columns;
      pixels[(rows - 1 - (cell - column) / columns) * columns + column] = share >= 0 ? ramp[Math.round(share * (RAMP_STEPS - 1))] : unknown;
    }
    to.putImageData(picture, 0, 0);
    [this.painted, this.paintedDark] = [true, this.theme.dark];
  }

  drawCells() {
    if (!this.painted || this.paintedDark !== this.theme.dark) this.paintCells();
    const [left, top, wide, tall] = this.frameOnScreen();
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(this.image, left, top, wide, tall);
  }

  // Where the raster stands: left, top, width and height.
  frameOnScreen() {
    const { origin, shape, cell_m } = this.ground, side = cell_m * this.camera.scale;
    return [...this.camera.toScreen(origin[0], origin[1] + shape[0] * cell_m), shape[1] * side, shape[0] * side];
  }

  drawGrid() {
    const [left, top, wide, tall] = this.frameOnScreen(), [rows, columns] = this.ground.shape, { context, theme } = this;
    if (wide / columns < GRID_FROM_PX) return;
    Object.assign(context, { strokeStyle: clear(theme.paper, 0.55), lineWidth: 1 });
    context.beginPath();
    for (let i = 0; i <= columns; i++) {
      context.moveTo(left + (i * wide) / columns, top);
      context.lineTo(left + (i * wide) / columns, top + tall);
    }
    for (let i = 0; i <= rows; i++) {
      context.moveTo(left, top + (i * tall) / rows);
      context.lineTo(left + wide, top + (i * tall) / rows);
    }
    context.stroke();
  }

  // Outlines tell the neighbourhoods apart: each in the colour of most of its people, with its own dashes.
  drawOutlines() {
    const { context, theme } = this;
    this.ground.quarters.forEach((quarter, i) => {
      this.trace(quarter.outline);
      context.closePath();
      Object.assign(context, { strokeStyle: theme.paper, lineWidth: 5, lineJoin: "round" });
      context.stroke();
      Object.assign(context, { strokeStyle: legible(quarter.colour, theme.paper, 3), lineWidth: 2.6 });
      context.setLineDash(dashes(i));
      context.stroke();
      context.setLineDash([]);
    });
  }

  trace(path) {
    const [first, ...rest] = this.onScreen(path);
    this.context.beginPath();
    this.context.moveTo(...first);
    rest.forEach((point) => this.context.lineTo(...point));
  }

  onScreen(path) {
    return path.map((point) => this.camera.toScreen(...point));
  }

  boxes() {
    return this.ground.quarters.map((quarter) => boxOf(this.onScreen(quarter.outline)));
  }

  drawLine(line) {
    const { context, theme } = this;
    for (const [colour, wide] of [[theme.paper, 9], [theme.ink, 4]]) {
      this.trace(line.path);
      Object.assign(context, { strokeStyle: colour, lineWidth: wide, lineCap: "round", lineJoin: "round" });
      context.stroke();
    }
    this.drawSoldiers(line);
  }

  // Soldiers stand along the line: a shield for so many of them.
  drawSoldiers(line) {
    const { context, theme } = this, path = this.onScreen(line.path);
    const soldiers = line.forces.reduce((sum, force) => sum + (this.frame.soldiers?.[force.number] || 0), 0);
    const marks = Math.round(soldiers / this.soldiersAMark(line));
    for (let i = 0; i < marks; i++) shield(context, ...pointAlong(path, (i + 0.5) / marks), theme.paper, theme.ink);
  }

  soldiersAMark(line) {
    const most = line.forces.reduce((sum, force) => sum + force.most, 0);
    return Math.max(LEAST_SOLDIERS_A_MARK, roundUp((most * MARK_PX) / lengthOf(this.onScreen(line.path))));
  }

  // The cell at the pointer, and its card.
  drawPointer() {
    const cell = this.pointer ? this.cellAt(...this.pointer) : null;
    if (cell === null) return this.card.hide();
    const [left, top, wide, tall] = this.frameOnScreen(), [rows, columns] = this.ground.shape, side = wide / columns;
    const column = cell % columns, row = (cell - column) / columns;
    Object.assign(this.context, { strokeStyle: this.theme.ink, lineWidth: 2 });
    this.context.strokeRect(left + column * side, top + (rows - 1 - row) * (tall / rows), side, side);
    if (!this.told) this.card.show(...this.pointer, linesOfCell(this, cell), this.theme);
    this.told = true;
  }
}

export default {
  render({ model, el }) {
    const view = new CityView(model, el);
    return () => view.close();
  },
};
