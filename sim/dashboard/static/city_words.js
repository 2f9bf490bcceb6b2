// The words of the city view: names of neighbourhoods and lines, the scale of the layer, notes, and what the card says.
// `view` is a CityView.

const NAMED = `600 13px ${FONT}`, LESSER = `11.5px ${FONT}`, SMALL = `11px ${FONT}`, OF_LINE = `600 12px ${FONT}`;
const HEAD_PX = 82, FOOT_PX = 58; // room for title and scale, and for the notes
const TITLE = `600 14px ${FONT}`, USUAL = `12px ${FONT}`;
const BESIDE_PX = 140, NAME_PX = 36; // room for names beside neighbourhoods, and above
const SCALE_PX = 150, SCALE_TOP_PX = 52;
const LEVELS = { mobilised: "Mobilised", armed: "Mobilised and armed", sheltering: "Sheltering", displaced: "Displaced" };
const SO_FAR = { killed: "Killed so far", wounded: "Wounded so far" };

// --- neighbourhoods ---------------------------------------------------------------------------------------

function writeNames(view) {
  const boxes = view.boxes(), union = unionOf(boxes), writeOne = view.names === "beside" ? nameBeside : nameAbove;
  view.ground.quarters.forEach((quarter, i) => writeOne(view, quarter, i, boxes[i], union));
}

// On the side away from the middle.
function nameBeside(view, quarter, i, [left, top, right, bottom], union) {
  const lines = [quarter.name, ...quarter.communities.slice(0, 2).map(whoLives), `${count(quarter.residents)} residents`];
  const wide = widest(view.context, lines), leftwards = left + right < union[0] + union[2] - 2;
  const y = Math.max(HEAD_PX + 24, Math.min(view.height - 80, (top + bottom) / 2 - 24));
  const x = leftwards ? Math.max(10 + wide, left - 10) : Math.min(view.width - 10 - wide, right + 10);
  writeName(view, lines, i, x, y, leftwards ? "right" : "left", wide);
}

// Above, or below where another lies above; two side by side stand back to back.
function nameAbove(view, quarter, i, [left, , right, bottom], union) {
  const lines = [quarter.name, `${whoLives(quarter.communities[0])}, ${count(quarter.residents)} residents`];
  const wide = widest(view.context, lines), middle = (union[0] + union[2]) / 2, off = (left + right) / 2 - middle;
  const align = off < -8 ? "right" : off > 8 ? "left" : "center";
  const x = { right: Math.max(middle - 9, wide + 8), left: Math.min(middle + 9, view.width - wide - 8), center: middle }[align];
  const above = Math.max(HEAD_PX + 18, union[1] - NAME_PX + 6), below = Math.min(view.height - FOOT_PX - 6, bottom + 20);
  writeName(view, lines, i, x, isBelow(view.ground, i) ? below : above, align, wide);
}

// A name has the outline of its neighbourhood above it.
function writeName(view, lines, i, x, y, align, wide) {
  const { context, theme } = view, begin = x - before(wide, align);
  paperUnder(context, theme, [begin - 5, y - 14, begin + wide + 5, y - 6 + 15 * lines.length]);
  lines.forEach((line, n) => {
    write(context, line, x, y + 15 * n, n ? theme.faint : theme.ink, null, { font: n ? LESSER : NAMED, align });
  });
  Object.assign(context, { strokeStyle: legible(view.ground.quarters[i].colour, theme.paper, 3), lineWidth: 2.6 });
  context.setLineDash(dashes(i));
  context.beginPath();
  context.moveTo(begin, y - 11);
  context.lineTo(begin + wide, y - 11);
  context.stroke();
  context.setLineDash([]);
}

function whoLives({ name, share }) {
  return share < 0.995 ? `${name} ${percent(share)}` : name;
}

// Whether a neighbourhood lies south of another, so that its name cannot stand above it.
function isBelow(ground, i) {
  const boxes = ground.quarters.map((quarter) => boxOf(quarter.outline)), [west, south, east, north] = boxes[i];
  return boxes.some((other) => {
    const shared = Math.min(east, other[2]) - Math.max(west, other[0]);
    return other[3] > north && other[1] >= (north + south) / 2 && shared > (east - west) / 2;
  });
}

// --- lines of contact -------------------------------------------------------------------------------------

// The name of a line stands beyond one end of it, the soldiers beyond the other: clear of the neighbourhoods.
function nameLine(view, line) {
  const path = view.onScreen(line.path), union = unionOf(view.boxes()), [first, last] = [path[0], path.at(-1)];
  const across = Math.abs(last[0] - first[0]) > Math.abs(last[1] - first[1]), axis = across ? 0 : 1;
  const [near, far] = [first, last].sort((a, b) => a[axis] - b[axis]), soldiers = soldiersInWords(view, line);
  const low = lowestText(view, union), high = Math.max(HEAD_PX + 8, union[1] - 14);
  if (view.names === "above") {
    const end = across ? near : far;
    label(view, `${line.name}; ${soldiers}`.replace(/; $/, ""), end, [end[0], low], across ? "left" : "center");
  } else if (across) {
    label(view, line.name, near, [union[0] - 12, near[1]], "right");
    label(view, soldiers, far, [union[2] + 12, far[1]], "left");
  } else {
    label(view, line.name, near, [near[0], high], "center");
    label(view, soldiers, far, [far[0], low], "center");
  }
}

function soldiersInWords(view, line) {
  const { soldiers } = view.frame, said = ({ name, number }) => (soldiers ? `${name}: ${count(soldiers[number] || 0)} soldiers` : name);
  return line.forces.map(said).join("; ");
}

// Where text stands below the neighbourhoods, and below their names if any stand there.
function lowestText(view, union) {
  const named = view.names === "above" && view.ground.quarters.some((_, i) => isBelow(view.ground, i));
  return Math.min(view.height - FOOT_PX + 16, union[3] + 16 + (named ? NAME_PX : 0));
}

function label(view, text, from, to, align) {
  if (!text) return;
  const { context, theme } = view, wide = widthOf(context, text, OF_LINE), left = before(wide, align);
  Object.assign(context, { strokeStyle: theme.ink, lineWidth: 1 });
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.setLineDash([]);
  const x = Math.max(left + 8, Math.min(view.width - 8 - (wide - left), to[0]));
  paperUnder(context, theme, [x - left - 5, to[1] - 9, x - left + wide + 5, to[1] + 9]);
  write(context, text, x, to[1], theme.ink, null, { font: OF_LINE, align });
}

// --- title, scale and notes -------------------------------------------------------------------------------

function writeHead(view) {
  const { context, theme, frame, ground, layer } = view, title = [ground.name, frame.time].filter(Boolean).join(", ");
  const says = layer ? `${layer.name}: ${layer.says}` : "", scale = layer && view.values ? view.unitInWords() : "";
  const ends = [widthOf(context, title, TITLE), widthOf(context, says, USUAL), SCALE_PX + 10 + widthOf(context, scale, SMALL)];
  paperUnder(context, theme, [6, 6, 18 + Math.max(...ends.slice(0, scale ? 3 : 2)), scale ? HEAD_PX : 48]);
  write(context, title, 12, 17, theme.ink, null, { font: TITLE });
  write(context, says, 12, 36, theme.ink, null, { font: USUAL });
}

// The legend of the layer: its ramp, from nought to its most, in its unit.
function drawScale(view) {
  if (!view.layer || !view.values) return;
  const { context, theme } = view, stops = view.stops(), [left, top] = [12, SCALE_TOP_PX];
  const ramp = context.createLinearGradient(left, 0, left + SCALE_PX, 0);
  stops.forEach((colour, i) => ramp.addColorStop(i / (stops.length - 1), colour));
  Object.assign(context, { fillStyle: ramp, strokeStyle: theme.faint, lineWidth: 0.8 });
  context.fillRect(left, top, SCALE_PX, 10);
  context.strokeRect(left - 0.5, top - 0.5, SCALE_PX + 1, 11);
  write(context, "0", left, top + 20, theme.ink, null, { font: SMALL });
  write(context, view.number(view.scale), left + SCALE_PX, top + 20, theme.ink, null, { font: SMALL, align: "right" });
  write(context, view.unitInWords(), left + SCALE_PX + 10, top + 5, theme.ink, null, { font: SMALL });
}

// Notes, the length of some metres, and which way is north.
function writeFoot(view) {
  const { context, theme, width, height } = view, halo = clear(theme.paper, 0.85);
  context.font = SMALL;
  const lines = wrapped(context, notesOf(view), width - 190).reverse();
  const wide = Math.max(...lines.map((line) => widthOf(context, line, SMALL)));
  paperUnder(context, theme, [6, height - 6 - 14 * lines.length, 18 + wide, height - 3]);
  lines.forEach((line, i) => write(context, line, 12, height - 12 - 14 * i, theme.faint, null, { font: SMALL }));
  const metres = roundDown(110 / view.camera.scale), long = metres * view.camera.scale, right = width - 40, y = height - 14;
  measure(context, right - long, y, long, theme.ink);
  write(context, `${count(metres)} m`, right - long / 2, y - 9, theme.ink, halo, { font: SMALL, align: "center" });
  north(context, width - 20, height - 26, theme.ink);
}

function notesOf(view) {
  const manned = view.ground.lines.find((line) => line.forces.length);
  const shields = manned ? `A shield: ${count(view.soldiersAMark(manned))} soldiers.` : "";
  return [...view.ground.notes, shields, view.frame.note].filter(Boolean).join(" ");
}

// --- the card ---------------------------------------------------------------------------------------------

function linesOfCell(view, cell) {
  const { ground, frame, layer } = view, i = view.owner[cell], { cell_m } = ground;
  const value = view.values ? view.values[cell] : NaN, shown = layer && !Number.isNaN(value);
  const lines = [ground.quarters[i].name, [`Cell of ${cell_m} × ${cell_m} m`], ["Residents at the start", people(view.people[cell])]];
  if (shown && !frame.whole) lines.push([layer.name, view.kind() === "people" ? people(value) : view.number(value)]);
  if (!frame.quarters) return lines;
  lines.push("", ["The whole neighbourhood"], ...linesOfQuarter(frame.quarters, i));
  if (shown && frame.whole) lines.push([layer.name, `${view.number(value)}, ${view.unitInWords()}`]);
  return lines;
}

function linesOfQuarter(told, i) {
  const known = Object.entries({ ...LEVELS, ...SO_FAR }).filter(([name]) => typeof told[name]?.[i] === "number");
  return known.map(([name, label]) => [label, people(told[name][i])]);
}

function quarterInWords(quarter, i, told) {
  const [mobilised, killed, wounded, gone] = ["mobilised", "killed", "wounded", "displaced"].map((name) => count(told[name]?.[i] || 0));
  return `${quarter.name}: ${mobilised} mobilised, ${killed} killed and ${wounded} wounded so far, ${gone} displaced`;
}

// --- measures of text -------------------------------------------------------------------------------------

function widest(context, lines) {
  return Math.max(...lines.map((line, n) => widthOf(context, line, n ? LESSER : NAMED)));
}

// How much of a text stands left of the point that it is aligned to.
function before(wide, align) {
  return { left: 0, center: wide / 2, right: wide }[align];
}
