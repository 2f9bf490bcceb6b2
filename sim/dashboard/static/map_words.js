// The words of the map: names of places, notes and scale, the legend, and what the card says. `map` is a TheatreMap.

const KM_PER_DEGREE = 111.19;
const SMALL = `11px ${FONT}`;
const LEGEND_FONT = `11.5px ${FONT}`, LEGEND_LINE_PX = 19;
const LINE_PX = 14, FOOT_PX = 330, HEAD_BOX = [0, 0, 260, 44], TOOLS_BOX = [190, 40];
const KILLED_PX = 84; // room for the killed below the name of a front
const MOST_COVERED = 0.12; // share of a name that may stand on something else
const LATER_SPOT = 0.004; // what a less good spot counts beside what is covered
const MARKS = { air_strike: "air strike", explosion: "explosion", border_fire: "fire over a border" };

// Where words stand: the legend, the notes that end before it, the names of places.
function laidOut(map) {
  const { width, height } = map, entries = map.showsLegend() ? legendEntries(map) : [], legend = legendBox(map, entries);
  map.context.font = SMALL;
  const notes = map.ground.notes.flatMap((note) => wrapped(map.context, note, legend[0] - 20));
  const foot = [0, height - 30 - LINE_PX * notes.length, FOOT_PX, height], tools = [width - TOOLS_BOX[0], 0, width, TOOLS_BOX[1]];
  return { entries, legend, notes, names: placeNames(map, [HEAD_BOX, foot, tools, legend]) };
}

// --- names ------------------------------------------------------------------------------------------------

// Names stand where they cover least, the weightiest first; those that find no room are left out.
function placeNames(map, taken) {
  const dots = map.at.map((_, p) => discBox(map, p)), names = [];
  for (const p of map.order) {
    const name = bestSpot(map, p, taken, dots);
    if (name) {
      names.push(name);
      taken.push(name.box);
    }
  }
  return names;
}

function discBox(map, p) {
  const [x, y] = map.camera.toScreen(...map.at[p]), r = map.radius(p) + (map.ground.places[p].front ? 7 : 1);
  return [x - r, y - r, x + r, y + r];
}

// Fronts and places with streets are heavy: bolder, with room for the killed below.
function bestSpot(map, p, taken, dots) {
  const { context, width, height } = map, place = map.ground.places[p], heavy = place.front || place.quarters.length > 0;
  const font = heavy ? `600 12.5px ${FONT}` : `11.5px ${FONT}`, tall = heavy ? 2 * LINE_PX : LINE_PX;
  context.font = font;
  const wide = Math.max(context.measureText(place.name).width, heavy ? KILLED_PX : 0);
  let best = null, least = MOST_COVERED;
  spotsAround(map, p, tall).forEach(([align, at, middle], i) => {
    const left = at - { left: 0, right: wide, center: wide / 2 }[align];
    const box = [left - 2, middle - tall / 2, left + wide + 2, middle + tall / 2];
    if (box[0] < 2 || box[1] < 2 || box[2] > width - 2 || box[3] > height - 2) return;
    const words = taken.reduce((sum, other) => sum + overlap(box, other), 0);
    const discs = dots.reduce((sum, dot, q) => sum + (q === p ? 0 : overlap(box, dot)), 0);
    const cost = (4 * words + discs) / (wide * tall) + LATER_SPOT * i;
    if (cost < least) [best, least] = [{ p, align, at, middle, font, heavy, box }, cost];
  });
  return best;
}

// Where a name may stand, best first: its alignment, and the point that it is aligned to.
function spotsAround(map, p, tall) {
  const [x, y] = map.camera.toScreen(...map.at[p]), r = map.radius(p) + (map.ground.places[p].front ? 10 : 5);
  const [near, high] = [0.7 * r, 0.7 * r + tall / 4];
  return [
    ["left", x + r, y], ["right", x - r, y], ["center", x, y - r - tall / 2], ["center", x, y + r + tall / 2],
    ["left", x + near, y - high], ["left", x + near, y + high], ["right", x - near, y - high], ["right", x - near, y + high],
  ];
}

function writeNames(map, to, names) {
  const halo = clear(map.theme.land, 0.9);
  for (const { p, align, at, middle, font, heavy } of names)
    write(to, map.ground.places[p].name, at, middle - (heavy ? LINE_PX / 2 : 0), map.theme.ink, halo, { font, align });
}

// --- notes and scale --------------------------------------------------------------------------------------

function writeFoot(map, to, notes) {
  const { theme, height } = map, halo = clear(theme.paper, 0.7), wide = Math.max(0, ...notes.map((line) => widthOf(to, line, SMALL)));
  paperUnder(to, theme, [4, height - 5 - LINE_PX * notes.length, 16 + wide, height - 3]);
  [...notes].reverse().forEach((line, i) => write(to, line, 10, height - 11 - LINE_PX * i, theme.faint, null, { font: SMALL }));
  const per = map.camera.scale / KM_PER_DEGREE, km = roundDown(110 / per), y = height - 18 - LINE_PX * notes.length;
  measure(to, 10, y, km * per, theme.ink);
  write(to, `${km >= 1 ? count(km) : km.toFixed(1)} km`, 16 + km * per, y - 2, theme.ink, halo, { font: SMALL });
}

// --- the legend -------------------------------------------------------------------------------------------

// What the legend has: a painter of each sign, and what it means.
function legendEntries(map) {
  const { ground, theme } = map, fighting = tone(ground.colours.fighting, theme);
  const entries = ground.factions.map((faction) => [signOfDisc(tone(faction.colour, theme), theme), faction.name]);
  if (ground.places.some((place) => place.neutral)) entries.push([signOfDisc(theme.paper, theme), "held by no faction"]);
  if (ground.places.some((place) => place.front)) entries.push([signOfFront(theme), "front: ring by share held"]);
  entries.push([signOfFighting(fighting), "fighting, by killed in 24 h"]);
  if (ground.corridors.length) entries.push(...roadEntries(map));
  if (ground.residents) entries.push(...flightEntries(map));
  entries.push([signOfFire(fighting, theme.paper), "strike, border fire, 24 h"]);
  return entries;
}

function roadEntries(map) {
  const { ground, theme } = map, flow = roundDown(ground.widest / 8);
  const closed = ground.corridors.some((road) => road.barred.length === ground.factions.length);
  const entries = [
    [signOfLine(theme.faint, map.laneWidth(flow)), `${tonnes(flow)} of supplies`],
    [signOfLine(theme.faint, STRAND_PX), "open, nothing moves"],
    [signOfCut(theme), "cut for all, or for a side"],
  ];
  return closed ? [...entries, [signOfLine(theme.faint, 1.5, [1.5, 4]), "closed to all factions"]] : entries;
}

function flightEntries(map) {
  const number = roundDown(map.ground.residents / 60), side = map.square(number), colour = tone(map.ground.colours.displaced, map.theme);
  const square = (to, x, y) => {
    Object.assign(to, { strokeStyle: colour, lineWidth: 1.3 });
    to.strokeRect(x - side / 2, y - side / 2, side, side);
  };
  const dots = (to, x, y) => {
    to.fillStyle = colour;
    for (const off of [-9, -3, 3, 9]) { circle(to, x + off, y, 1.4); to.fill(); }
  };
  return [[square, `${count(number)} displaced here`], [dots, "flight in 24 h"]];
}

function signOfDisc(fill, theme) {
  return (to, x, y) => {
    circle(to, x, y, 5);
    Object.assign(to, { fillStyle: fill, strokeStyle: mixed(theme.ink, theme.paper, 0.15), lineWidth: 1 });
    to.fill();
    to.stroke();
  };
}

function signOfFront(theme) {
  return (to, x, y) => {
    Object.assign(to, { strokeStyle: theme.ink, lineWidth: 3 });
    circle(to, x, y, 6);
    to.stroke();
  };
}

function signOfFighting(colour) {
  return (to, x, y) => glow(to, x, y, 1, 10, colour, 0.6);
}

function signOfLine(colour, wide, dashes = []) {
  return (to, x, y) => {
    Object.assign(to, { strokeStyle: colour, lineWidth: wide, lineCap: "butt" });
    to.setLineDash(dashes);
    to.beginPath();
    to.moveTo(x - 11, y);
    to.lineTo(x + 11, y);
    to.stroke();
    to.setLineDash([]);
  };
}

function signOfCut(theme) {
  const dashed = signOfLine(theme.ink, 1.5, [5, 3]);
  return (to, x, y) => {
    dashed(to, x, y);
    cross(to, x, y, theme.ink, theme.paper);
  };
}

function signOfFire(colour, paper) {
  return (to, x, y) => {
    fallen(to, "air_strike", x - 8, y, colour, paper);
    fallen(to, "border_fire", x + 8, y + 1, colour, paper);
  };
}

function legendBox(map, entries) {
  const { context, width, height } = map;
  if (!entries.length) return [width, height, width, height];
  context.font = LEGEND_FONT;
  const wide = 42 + Math.max(...entries.map(([, text]) => context.measureText(text).width));
  const tall = 14 + LEGEND_LINE_PX * entries.length;
  return [width - wide - 8, height - tall - 8, width - 8, height - 8];
}

function drawLegend(map, to, [left, top, right, bottom], entries) {
  if (!entries.length) return;
  roundBox(to, left, top, right - left, bottom - top, 8);
  to.fillStyle = clear(map.theme.paper, 0.86);
  to.fill();
  entries.forEach(([sign, text], i) => {
    const y = top + 16 + LEGEND_LINE_PX * i;
    sign(to, left + 18, y);
    write(to, text, left + 36, y, map.theme.ink, null, { font: LEGEND_FONT });
  });
}

// --- the card ---------------------------------------------------------------------------------------------

function linesOfPlace(map, p) {
  const place = map.ground.places[p], population = place.population ? count(place.population) : "not said";
  const now = [whoHolds, whoFights, whoIsHurt, whatFell].flatMap((told) => told(map, p));
  const streets = place.quarters.length ? ["", [`Click for the streets of ${place.quarters.join(", ")}`]] : [];
  return [`${place.name}, ${place.country}`, ["Population", population], "", ...now, ...streets];
}

function ofFactions(map, shares, words) {
  const { factions } = map.ground, named = factions.map(({ name, colour }, f) => [name, words(shares[f]), tone(colour, map.theme)]);
  return named.filter((_, f) => shares[f] > 0);
}

function whoHolds(map, p) {
  const shares = map.number("control", p);
  return shares ? [["Held by"], ...ofFactions(map, shares, percent)] : [["Held by no faction"]];
}

function whoFights(map, p) {
  const fighters = map.number("fighters", p), soldiers = map.frame.soldiers || [];
  const forces = map.ground.forces.map((force, i) => [force, soldiers[i]]);
  const armies = forces.filter(([force, number]) => force.place === p && number > 0);
  const lines = fighters?.some((number) => number > 0) ? ["", ["Fighters"], ...ofFactions(map, fighters, people)] : [];
  return [...lines, ...armies.map(([force, number]) => [force.name, `${count(number)} soldiers`])];
}

function whoIsHurt(map, p) {
  const lines = [], [here, left] = ["here", "left"].map((name) => map.number(name, p));
  for (const name of ["killed", "wounded"])
    if (map.number(name, p) !== null) {
      const [day, all] = [map.number(`${name}_day`, p), map.number(name, p)].map(count);
      lines.push([`${day} ${name} in 24 h`, `${all} so far`]);
    }
  if (here) lines.push(["Displaced, staying here", people(here)]);
  if (left) lines.push(["Displaced from here", people(left)]);
  return lines.length ? ["", ...lines] : [];
}

function whatFell(map, p) {
  const marks = (map.frame.marks || []).filter((mark) => mark.place === p);
  const hurt = (mark) => `${count(mark.killed)} killed, ${count(mark.wounded)} wounded`;
  const lines = marks.map((mark) => [`${MARKS[mark.kind]}, ${count(mark.ago)} h ago`, hurt(mark)]);
  return lines.length ? ["", ...lines] : [];
}

const STATES = { open: "open", cut: "cut: nobody can pass", closed: "closed to all factions in this scenario" };

function linesOfCorridor(map, k) {
  const { factions, corridors } = map.ground, road = corridors[k], roads = map.frame.corridors;
  const passing = factions.map(({ name, colour }, f) => roads && [name, whoPasses(map, k, f), tone(colour, map.theme)]);
  const always = [["Capacity", tonnes(road.capacity)], ["Time on the road", `${road.delay} h`], ["Lost on the way", percent(road.risk)]];
  return [road.name, ...(roads ? [[STATES[roads.state[k]]], ...passing] : []), "", ...always];
}

function whoPasses(map, k, f) {
  const road = map.ground.corridors[k], { flow, open } = map.frame.corridors, moved = flow[k][f];
  if (!(open[k][f] > 0)) return road.barred.includes(f) ? "barred" : "cannot pass";
  const way = moved ? ` to ${map.ground.places[road.ends[moved > 0 ? 1 : 0]].name}` : "";
  return `${tonnes(moved)}${way}; ${percent(open[k][f])} open`;
}
