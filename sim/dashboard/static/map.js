// The theatre: countries, places and who holds them, corridors and what moves on them, fighting, flight, strikes.

const ALL_PLACES_MARGIN = 0.05, NEAR_MARGIN = 0.3; // of the ground between the outermost places, left free around them
const LEAST_SPAN = 0.08; // degrees: two towns next to each other still have ground around them
const PLACE_PX = 12, LEAST_PLACE_PX = 3.2; // radius of the largest place, and of the smallest
const LANE_PX = 13, STRAND_PX = 1.3; // width of the widest flow, and of a road on which nothing moves
const GLOW_PX = 9, GLOW_PER_ROOT_KILLED = 4.6;
const SQUARE_PX = 130; // side of a square for all who live in the modelled neighbourhoods
const NO_GROUND = { places: [], corridors: [], factions: [], sides: [], forces: [], countries: [], provinces: [], notes: [] };
const LEGEND_PX = 216; // what is kept free for the legend
const TITLE = `600 14px ${FONT}`, USUAL = `12px ${FONT}`;
const PULSE_MS = 2400, MARCH_PX_PER_S = 9;

class TheatreMap {
  constructor(model, el) {
    this.model = model;
    this.camera = new Camera();
    this.surface = new Surface(el, "Map of the theatre", (...to) => this.draw(...to));
    this.surface.onresize = () => this.resized();
    this.card = new Card(this.surface);
    [this.below, this.above] = [document.createElement("canvas"), document.createElement("canvas")];
    this.over = null; // what the pointer is on: {place} or {corridor}
    this.legend = null; // whether it is shown; until someone says, where there is room
    this.paintTools = tools(this.surface, [
      ["+", "Zoom in (+)", () => this.zoom(ZOOM_STEP)],
      ["−", "Zoom out (−)", () => this.zoom(1 / ZOOM_STEP)],
      ["All", "Show all places (0 or double click)", () => this.fit()],
      ["Near", "Show the places whose streets are modelled", () => this.fit(true)],
      ["Legend", "Show or hide the legend", () => { this.legend = !this.showsLegend(); this.resized(); }],
    ]);
    this.endSteering = steer(this.surface, this.camera, {
      moved: () => this.changed(), reset: () => this.fit(), hover: (x, y) => this.hover(x, y),
      leave: () => this.leave(), click: (x, y) => this.click(x, y), key: (event) => this.key(event),
    });
    const grounded = () => { this.take(); this.fit(); this.changed(); };
    const picked = () => this.changed();
    model.on("change:ground", grounded);
    model.on("change:picked", picked);
    grounded();
    const endFrames = onFrames(model, this.surface, () => this.frameCame());
    this.close = () => {
      model.off("change:ground", grounded);
      model.off("change:picked", picked);
      endFrames();
      this.endSteering();
      this.surface.close();
    };
  }

  // --- what is to be drawn ---------------------------------------------------------------------------------

  take() {
    const ground = (this.ground = { ...NO_GROUND, ...this.model.get("ground") });
    const { places } = ground;
    this.over = null;
    this.card.hide();
    const latitude = places.reduce((sum, place) => sum + place.at[1], 0) / (places.length || 1);
    this.narrow = Math.cos((latitude * Math.PI) / 180); // a degree of longitude, in degrees of latitude
    this.at = places.map((place) => this.world(...place.at));
    this.most = Math.max(1, ...places.map((place) => place.population));
    this.order = places.map((_, p) => p).sort((a, b) => this.weight(b) - this.weight(a));
    this.frameCame();
  }

  frameCame() {
    const frame = this.model.get("frame") || {};
    this.frame = String(frame.shape) === String(this.ground.shape) ? frame : {}; // it may still be of another ground
    this.now = this.frame.places || {};
    this.surface.moves = this.isMoving();
    this.surface.say(this.inWords());
    if (this.over && !this.card.box.hidden) this.told = false;
  }

  world(longitude, latitude) {
    return [longitude * this.narrow, latitude];
  }

  // Who is named first where there is no room for all.
  weight(p) {
    const place = this.ground.places[p];
    return (place.front ? 2 : 0) + (place.quarters.length ? 3 : 0) + place.population / this.most;
  }

  number(name, p) {
    const said = this.now[name];
    return said && said[p] !== null && said[p] !== undefined ? said[p] : null;
  }

  isMoving() {
    const busy = (this.now.fire || []).some((n) => n > 0) || (this.now.killed_day || []).some((n) => n > 0);
    return busy || (this.frame.moves || []).length > 0 || (this.frame.corridors?.flow || []).flat().some((n) => n !== 0);
  }

  inWords() {
    const said = this.ground.places.map((place, p) => [place.name, this.number("killed_day", p), this.number("wounded_day", p)]);
    const hurt = said.filter(([, killed, wounded]) => killed || wounded).sort((a, b) => b[1] - a[1]);
    const words = hurt.slice(0, 5).map(([name, killed, wounded]) => `${name} ${count(killed)} killed, ${count(wounded)} wounded`);
    const cut = (this.frame.corridors?.state || []).filter((state) => state === "cut").length;
    const when = this.frame.time || "before the first hour", who = words.join("; ") || "nobody hurt";
    return `Map of the theatre, ${when}. Last 24 hours: ${who}. ${cut} corridors cut.`;
  }

  // --- moving about ----------------------------------------------------------------------------------------

  // Show all places or, near, those whose streets are modelled and what is about as far again around them.
  fit(near = false) {
    const shown = this.at.filter((_, p) => !near || this.ground.places[p].quarters.length);
    if (!this.surface.width || !shown.length) return;
    const xs = shown.map(([x]) => x), ys = shown.map(([, y]) => y);
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    const span = Math.max(box[2] - box[0], box[3] - box[1], LEAST_SPAN);
    const margin = near ? NEAR_MARGIN : ALL_PLACES_MARGIN, around = Math.max(margin * span, LEAST_SPAN / 2);
    const wide = [box[0] - around, box[1] - around, box[2] + around, box[3] + around];
    const right = this.showsLegend() && this.surface.width >= 2 * LEGEND_PX ? LEGEND_PX : 24;
    this.camera.fit(wide, this.surface.width, this.surface.height, { left: 24, top: 50, right, bottom: 46 });
    this.camera.free = near;
    this.changed();
  }

  resized() {
    if (!this.camera.free) return this.fit();
    [this.camera.width, this.camera.height] = [this.surface.width, this.surface.height];
    this.changed();
  }

  zoom(factor) {
    this.camera.zoomAt(factor, this.surface.width / 2, this.surface.height / 2);
    this.changed();
  }

  changed() {
    this.layers = null;
    this.surface.ask();
  }

  hover(x, y) {
    this.over = this.found(x, y);
    this.pointer = [x, y];
    this.surface.canvas.style.cursor = this.over ? "pointer" : "grab";
    this.told = false;
    this.surface.ask();
  }

  leave() {
    this.over = null;
    this.card.hide();
    this.surface.ask();
  }

  click(x, y) {
    const found = this.found(x, y);
    if (found?.place !== undefined) this.pick(found.place);
  }

  pick(p) {
    this.model.set("picked", this.ground.places[p].id);
    this.model.save_changes();
    this.changed();
  }

  // n and p go from place to place, the weightiest first; Enter picks one.
  key(event) {
    const step = { n: 1, p: -1 }[event.key], { order } = this;
    if (step && order.length) {
      const next = (order.indexOf(this.over?.place ?? -1) + step + order.length) % order.length;
      this.over = { place: order[next] };
      this.pointer = this.camera.toScreen(...this.at[order[next]]);
      this.told = false;
    } else if (event.key === "Enter" && this.over?.place !== undefined) this.pick(this.over.place);
    else if (event.key === "Escape") this.leave();
    else return false;
    return true;
  }

  found(x, y) {
    let best = null, nearest = Infinity;
    this.at.forEach((at, p) => {
      const [left, top] = this.camera.toScreen(...at), away = Math.hypot(left - x, top - y);
      if (away < Math.max(this.radius(p) + 5, 10) && away < nearest) [best, nearest] = [{ place: p }, away];
    });
    if (best) return best;
    this.ground.corridors.forEach((_, k) => {
      for (let i = 0; i <= 24; i++) {
        const [left, top] = this.along(k, i / 24, 0), [right, down] = this.along(k, Math.min(1, (i + 1) / 24), 0);
        const away = distanceToSegment(x, y, left, top, right, down);
        if (away < 7 && away < nearest) [best, nearest] = [{ corridor: k }, away];
      }
    });
    return best;
  }

  showsLegend() {
    return this.legend ?? (this.surface.width >= 560 && this.surface.height >= 340);
  }

  // --- the picture -----------------------------------------------------------------------------------------

  draw(context, width, height, theme) {
    this.paintTools(theme);
    if (!this.at.length) return this.drawNothing(context, width, height, theme);
    Object.assign(this, { context, width, height, theme });
    this.clock = STILL.matches ? 0 : performance.now();
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, width, height);
    if (!this.layers || this.layers.dark !== theme.dark) this.layers = this.drawLayers();
    context.drawImage(this.below, 0, 0, width, height);
    this.at.forEach((_, p) => this.drawFighting(p));
    this.at.forEach((_, p) => this.drawDisplaced(p));
    this.drawMoves();
    this.ground.corridors.forEach((_, k) => this.drawCorridor(k));
    [...this.order].reverse().forEach((p) => this.drawPlace(p));
    this.drawMarks();
    context.drawImage(this.above, 0, 0, width, height);
    this.writeKilled();
    this.writeHead();
    this.writeHovered();
    if (this.over && !this.told) this.tell();
  }

  drawNothing(context, width, height, theme) {
    const [x, y] = [width / 2, height / 2], align = "center";
    write(context, this.ground.title || "", x, y - 12, theme.ink, null, { font: TITLE, align });
    this.ground.notes.forEach((note, i) => write(context, note, x, y + 12 + 18 * i, theme.faint, null, { align }));
  }

  // Countries below, and names, notes and legend above, change with the view alone: each is drawn once.
  drawLayers() {
    const words = laidOut(this), [under, over] = [this.below, this.above].map((canvas) => {
      [canvas.width, canvas.height] = [this.surface.canvas.width, this.surface.canvas.height];
      const to = canvas.getContext("2d");
      to.setTransform(this.surface.sharp, 0, 0, this.surface.sharp, 0, 0);
      return to;
    });
    if (this.ground.box) drawCountries(this, under);
    else {
      under.fillStyle = this.theme.land;
      under.fillRect(0, 0, this.width, this.height);
    }
    writeNames(this, over, words.names);
    writeFoot(this, over, words.notes);
    drawLegend(this, over, words.legend, words.entries);
    return { dark: this.theme.dark, names: words.names };
  }

  radius(p) {
    const { width, height } = this.surface, room = Math.min(1.35, Math.max(0.85, Math.sqrt(Math.min(width, height) / 480)));
    const sized = PLACE_PX * Math.sqrt(this.ground.places[p].population / this.most);
    return Math.max(LEAST_PLACE_PX, sized) * room * Math.min(2, Math.max(0.8, this.camera.zoom ** 0.3));
  }

  // Fighting glows, by the killed of the last day, and pulses while there is fire.
  drawFighting(p) {
    const killed = this.number("killed_day", p) || 0, wounded = this.number("wounded_day", p) || 0;
    if (!killed && !wounded && !this.number("fire", p)) return;
    const { context, theme } = this, [x, y] = this.camera.toScreen(...this.at[p]), inner = this.radius(p);
    const reach = inner + GLOW_PX + GLOW_PER_ROOT_KILLED * Math.sqrt(killed), colour = tone(this.ground.colours.fighting, theme);
    glow(context, x, y, inner * 0.6, reach, colour, killed ? Math.min(0.75, 0.38 + 0.05 * Math.sqrt(killed)) : 0.22);
    if (!killed) return;
    const waves = STILL.matches ? [0.75] : [0, 0.5].map((late) => ((this.clock / PULSE_MS + late + p * 0.13) % 1));
    for (const wave of waves) {
      Object.assign(context, { strokeStyle: clear(colour, 0.75 * (1 - wave)), lineWidth: 1.6 });
      circle(context, x, y, inner + (reach - inner) * wave);
      context.stroke();
    }
  }

  drawDisplaced(p) {
    const here = this.number("here", p);
    if (!here) return;
    const { context, theme } = this, [x, y] = this.camera.toScreen(...this.at[p]);
    const colour = tone(this.ground.colours.displaced, theme), side = this.square(here);
    context.fillStyle = clear(colour, 0.13);
    context.fillRect(x - side / 2, y - side / 2, side, side);
    Object.assign(context, { strokeStyle: clear(colour, 0.8), lineWidth: 1.2 });
    context.strokeRect(x - side / 2, y - side / 2, side, side);
  }

  square(people) {
    return Math.min(60, SQUARE_PX * Math.sqrt(people / (this.ground.residents || 1)));
  }

  // People on the move in the last day, as arcs of dots from where they left.
  drawMoves() {
    const { context } = this, colour = tone(this.ground.colours.displaced, this.theme);
    const moves = [...(this.frame.moves || [])].sort((a, b) => b[2] - a[2]).slice(0, 24);
    for (const [from, to, moved] of moves) {
      const [ax, ay] = this.camera.toScreen(...this.at[from]), [bx, by] = this.camera.toScreen(...this.at[to]);
      const [mx, my] = [(ax + bx) / 2 + (by - ay) * 0.16, (ay + by) / 2 - (bx - ax) * 0.16];
      context.beginPath();
      context.moveTo(ax, ay);
      context.quadraticCurveTo(mx, my, bx, by);
      context.save();
      context.setLineDash([0.1, 6]);
      context.lineDashOffset = -(this.clock / 1000) * MARCH_PX_PER_S;
      const wide = Math.min(5, 1.2 + 0.14 * Math.sqrt(moved));
      Object.assign(context, { strokeStyle: clear(colour, 0.6), lineWidth: wide, lineCap: "round" });
      context.stroke();
      context.restore();
    }
  }

  // --- corridors -------------------------------------------------------------------------------------------

  // A point of a corridor, from its first end (0) to its second (1), `off` pixels to the side.
  along(k, t, off) {
    const road = this.ground.corridors[k];
    const [ax, ay] = this.camera.toScreen(...this.at[road.ends[0]]), [bx, by] = this.camera.toScreen(...this.at[road.ends[1]]);
    const length = Math.hypot(bx - ax, by - ay) || 1, [nx, ny] = [(by - ay) / length, (ax - bx) / length];
    const bow = road.aside * Math.min(52, length * 0.3) * 4 * t * (1 - t) / 2 + off;
    return [ax + (bx - ax) * t + nx * bow, ay + (by - ay) * t + ny * bow];
  }

  line(k, off, from, to) {
    const pieces = this.ground.corridors[k].aside ? 16 : 1;
    this.context.beginPath();
    this.context.moveTo(...this.along(k, from, off));
    for (let i = 1; i <= pieces; i++) this.context.lineTo(...this.along(k, from + ((to - from) * i) / pieces, off));
  }

  // The lanes of a corridor: a faction's flow, or a strand for each side that can pass.
  lanes(k) {
    const roads = this.frame.corridors, { sides, factions } = this.ground;
    if (!roads || roads.state[k] !== "open") return [];
    return sides.flatMap((side) => {
      const able = side.filter((f) => roads.open[k][f] > 0), moving = side.filter((f) => roads.flow[k][f]);
      const lane = (f, flow) => ({ colour: factions[f].colour, flow, width: this.laneWidth(flow) });
      if (moving.length) return moving.map((f) => lane(f, roads.flow[k][f]));
      return able.length ? [lane(able[0], 0)] : [];
    });
  }

  laneWidth(flow) {
    return STRAND_PX + (LANE_PX - STRAND_PX) * Math.min(1, Math.sqrt(Math.abs(flow) / (this.ground.widest || 1)));
  }

  drawCorridor(k) {
    const { context, theme } = this, lanes = this.lanes(k), state = this.frame.corridors?.state[k];
    const wide = lanes.reduce((sum, lane) => sum + lane.width, 0) + Math.max(0, lanes.length - 1);
    const lit = this.over?.corridor === k;
    const [edge, colour] = lit ? [7, clear(theme.accent, 0.45)] : [2.4, clear(theme.land, 0.85)];
    Object.assign(context, { lineCap: "butt", strokeStyle: colour, lineWidth: (wide || STRAND_PX) + edge });
    this.line(k, 0, 0, 1);
    context.stroke();
    if (!lanes.length) return this.drawClosed(k, state);
    let off = -wide / 2;
    for (const lane of lanes) {
      Object.assign(context, { strokeStyle: clear(tone(lane.colour, theme), 0.9), lineWidth: lane.width });
      this.line(k, off + lane.width / 2, 0, 1);
      context.stroke();
      if (lane.flow) this.drawDirection(k, off + lane.width / 2, lane);
      off += lane.width + 1;
    }
    const lost = this.frame.corridors.lost[k];
    if (lost.length) this.drawCross(k, tone(this.ground.factions[this.ground.sides[lost[0]][0]].colour, theme));
  }

  // Which way supplies go: arrowheads, which walk unless motion is unwanted.
  drawDirection(k, off, lane) {
    const { context, theme } = this, forward = lane.flow > 0;
    const [[ax, ay], [bx, by]] = [this.along(k, 0, off), this.along(k, 1, off)], length = Math.hypot(bx - ax, by - ay);
    const gap = 36, size = Math.max(3.4, lane.width * 0.8), walked = ((this.clock / 1000) * MARCH_PX_PER_S) % gap;
    context.fillStyle = mixed(tone(lane.colour, theme), theme.dark ? "#ffffff" : "#000000", 0.25);
    for (let gone = walked || gap / 2; gone < length; gone += gap) {
      const t = forward ? gone / length : 1 - gone / length, [x, y] = this.along(k, t, off);
      const [x1, y1] = this.along(k, Math.min(1, t + 0.01), off), turn = Math.atan2(y1 - y, x1 - x) + (forward ? 0 : Math.PI);
      const [c, s] = [Math.cos(turn), Math.sin(turn)];
      context.beginPath();
      context.moveTo(x + c * size, y + s * size);
      context.lineTo(x - c * size * 0.7 - s * size * 0.85, y - s * size * 0.7 + c * size * 0.85);
      context.lineTo(x - c * size * 0.7 + s * size * 0.85, y - s * size * 0.7 - c * size * 0.85);
      context.fill();
    }
  }

  drawClosed(k, state) {
    const { context, theme } = this, colour = state ? mixed(theme.faint, theme.ink, 0.3) : theme.faint;
    context.save();
    Object.assign(context, { strokeStyle: colour, lineWidth: 1.5 });
    if (state) context.setLineDash(state === "cut" ? [5, 4] : [1.5, 4]);
    for (const [from, to] of state === "cut" ? [[0, 0.42], [0.58, 1]] : [[0, 1]]) {
      this.line(k, 0, from, to);
      context.stroke();
    }
    context.restore();
    if (state === "cut") this.drawCross(k, theme.ink);
  }

  drawCross(k, colour) {
    const [x, y] = this.along(k, 0.5, 0);
    const [[ax, ay], [bx, by]] = [this.along(k, 0, 0), this.along(k, 1, 0)];
    cross(this.context, x, y, colour, this.theme.paper, Math.min(1, Math.max(0.62, Math.hypot(bx - ax, by - ay) / 60)));
  }

  // --- places ----------------------------------------------------------------------------------------------

  drawPlace(p) {
    const { context, theme } = this, place = this.ground.places[p], shares = this.number("control", p);
    const [x, y] = this.camera.toScreen(...this.at[p]), r = this.radius(p);
    if (this.model.get("picked") === place.id || this.over?.place === p) {
      Object.assign(context, { strokeStyle: theme.accent, lineWidth: 2.5 });
      circle(context, x, y, r + (place.front ? 8 : 4));
      context.stroke();
    }
    if (place.front && shares) this.drawShares(x, y, Math.max(r + 5.5, 8.5), shares);
    context.fillStyle = theme.paper;
    circle(context, x, y, r + 1.2);
    context.fill();
    if (shares) this.drawPie(x, y, r, shares);
    Object.assign(context, { strokeStyle: mixed(theme.ink, theme.paper, 0.15), lineWidth: shares ? 1 : 1.4 });
    circle(context, x, y, r);
    context.stroke();
  }

  drawPie(x, y, r, shares) {
    this.slices(shares, (from, to, colour) => {
      this.context.fillStyle = colour;
      this.context.beginPath();
      this.context.moveTo(x, y);
      this.context.arc(x, y, r, from, to);
      this.context.fill();
    });
  }

  // A front has a ring, by who holds what share of it.
  drawShares(x, y, r, shares) {
    const { context, theme } = this;
    Object.assign(context, { strokeStyle: theme.paper, lineWidth: 6.4 });
    circle(context, x, y, r);
    context.stroke();
    this.slices(shares, (from, to, colour) => {
      Object.assign(context, { strokeStyle: colour, lineWidth: 4 });
      context.beginPath();
      context.arc(x, y, r, from, to);
      context.stroke();
    });
  }

  slices(shares, paint) {
    let from = -Math.PI / 2;
    shares.forEach((share, f) => {
      if (!share) return;
      const to = from + 2 * Math.PI * share;
      paint(from, to, tone(this.ground.factions[f].colour, this.theme));
      from = to;
    });
  }

  // What fell in the last day fades as it ages.
  drawMarks() {
    const { context, theme, ground } = this, colour = tone(ground.colours.fighting, theme), nth = {};
    for (const mark of this.frame.marks || []) {
      const n = (nth[mark.place] = (nth[mark.place] ?? -1) + 1), turn = -Math.PI / 4 - n * 0.7;
      const [px, py] = this.camera.toScreen(...this.at[mark.place]), away = this.radius(mark.place) + 13;
      const [x, y] = [px + Math.cos(turn) * away, py + Math.sin(turn) * away];
      context.globalAlpha = Math.max(0.25, 1 - mark.ago / 26);
      fallen(context, mark.kind, x, y, colour, theme.paper);
      context.globalAlpha = 1;
    }
  }

  // --- words that change with the hour ----------------------------------------------------------------------

  writeKilled() {
    const { context, theme } = this, halo = clear(theme.land, 0.9), colour = legible(this.ground.colours.fighting, theme.land, 4.5);
    for (const { p, align, at, middle, heavy } of this.layers.names) {
      const killed = heavy && this.number("killed_day", p);
      if (killed) write(context, `${count(killed)} killed, 24 h`, at, middle + LINE_PX / 2, colour, halo, { font: SMALL, align });
    }
  }

  writeHead() {
    const { context, theme, frame } = this, title = frame.time || this.ground.title || "", hurt = this.hurtInWords();
    const wide = Math.max(widthOf(context, title, TITLE), widthOf(context, hurt, USUAL));
    paperUnder(context, theme, [6, 6, 18 + wide, hurt ? 46 : 28]);
    write(context, title, 12, 17, theme.ink, null, { font: TITLE });
    write(context, hurt, 12, 35, theme.ink, null, { font: USUAL });
  }

  hurtInWords() {
    if (!this.now.killed_day) return "";
    const [killed, wounded] = [this.now.killed_day, this.now.wounded_day].map((by) => count(by.reduce((sum, n) => sum + (n || 0), 0)));
    return `Last 24 h: ${killed} killed, ${wounded} wounded`;
  }

  // The name of the place at the pointer, where there was no room for it.
  writeHovered() {
    const { context, theme } = this, p = this.over?.place;
    if (p === undefined || this.layers.names.some((name) => name.p === p)) return;
    const [x, y] = this.camera.toScreen(...this.at[p]);
    const style = { font: `600 12px ${FONT}`, align: "center" };
    write(context, this.ground.places[p].name, x, y - this.radius(p) - 12, theme.ink, clear(theme.land, 0.9), style);
  }

  tell() {
    this.told = true;
    const lines = this.over.place !== undefined ? linesOfPlace(this, this.over.place) : linesOfCorridor(this, this.over.corridor);
    this.card.show(...this.pointer, lines, this.theme);
  }
}

export default {
  render({ model, el }) {
    const map = new TheatreMap(model, el);
    return () => map.close();
  },
};
