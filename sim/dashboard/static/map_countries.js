// Countries and provinces below the map, drawn once for each view. `map` is a TheatreMap.

const COUNTRY_FONT = `600 12px ${FONT}`, COUNTRY_SPACING_PX = 3;
const FADE_PX = 70; // how wide the edge of what we have outlines of is
const NOTES_BOX = [340, 70]; // the corner where the notes stand
const COUNTRY_SPOTS = [24, 18]; // columns and rows of points where the name of a country may stand
const LEAST_AWAY_PX = 20, MOST_AWAY_PX = 90; // from places: nearer it is left out, farther is no better

function drawCountries(map, to) {
  const { theme, ground, camera } = map, [west, south, east, north] = ground.box;
  const [left, top] = camera.toScreen(...map.world(west, north)), [right, bottom] = camera.toScreen(...map.world(east, south));
  to.fillStyle = theme.sea;
  to.fillRect(left, top, right - left, bottom - top);
  const [countries, provinces] = [ground.countries, ground.provinces].map((outlines) => traced(map, outlines));
  to.fillStyle = theme.land;
  to.fill(countries, "evenodd");
  Object.assign(to, { strokeStyle: clear(theme.border, 0.55), lineWidth: 0.7, lineJoin: "round" });
  to.stroke(provinces);
  Object.assign(to, { strokeStyle: mixed(theme.border, theme.ink, 0.25), lineWidth: 1.3 });
  to.stroke(countries);
  fadeEdges(to, left, top, right, bottom);
  for (const country of ground.countries) if (country.name) nameCountry(map, to, country);
}

function traced(map, outlines) {
  const path = new Path2D();
  for (const outline of outlines)
    for (const ring of outline.rings) {
      for (let i = 0; i < ring.length; i += 2) {
        const [x, y] = map.camera.toScreen(...map.world(ring[i], ring[i + 1]));
        if (i) path.lineTo(x, y);
        else path.moveTo(x, y);
      }
      path.closePath();
    }
  return path;
}

// Outlines end at the edge of what we have; that edge is no border, so it fades into the paper.
function fadeEdges(to, left, top, right, bottom) {
  const soft = Math.min(FADE_PX, (right - left) / 6), [wide, tall] = [right - left, bottom - top];
  to.globalCompositeOperation = "destination-out";
  fadeEdge(to, [left, 0], [left + soft, 0], [left - 2, top - 2, soft + 4, tall + 4]);
  fadeEdge(to, [right, 0], [right - soft, 0], [right - soft - 2, top - 2, soft + 4, tall + 4]);
  fadeEdge(to, [0, top], [0, top + soft], [left - 2, top - 2, wide + 4, soft + 4]);
  fadeEdge(to, [0, bottom], [0, bottom - soft], [left - 2, bottom - soft - 2, wide + 4, soft + 4]);
  to.globalCompositeOperation = "source-over";
}

function fadeEdge(to, edge, inside, strip) {
  const gone = to.createLinearGradient(...edge, ...inside);
  gone.addColorStop(0, "rgba(0,0,0,1)");
  gone.addColorStop(1, "rgba(0,0,0,0)");
  to.fillStyle = gone;
  to.fillRect(...strip);
}

// The name of a country stands inside it, as far from places as it can.
function nameCountry(map, to, country) {
  to.save();
  Object.assign(to, { font: COUNTRY_FONT, letterSpacing: `${COUNTRY_SPACING_PX}px` });
  const name = country.name.toUpperCase(), half = to.measureText(name).width / 2;
  const at = spotInside(map, to, traced(map, [country]), half);
  if (at) write(to, name, ...at, clear(map.theme.faint, 0.75), null, { font: COUNTRY_FONT, align: "center" });
  to.restore();
}

function spotInside(map, to, path, half) {
  const dots = map.at.map((at) => map.camera.toScreen(...at)), [columns, rows] = COUNTRY_SPOTS, { width, height } = map;
  let best = null, most = LEAST_AWAY_PX;
  for (let i = 1; i < columns; i++)
    for (let j = 2; j < rows; j++) {
      const [x, y] = [(i * width) / columns, (j * height) / rows];
      const away = Math.min(MOST_AWAY_PX, ...dots.map(([left, top]) => Math.hypot(Math.max(0, Math.abs(left - x) - half), top - y)));
      if (away > most && isFree(map, x, y, half) && isInside(map, to, path, x, y, half)) [best, most] = [[x, y], away];
    }
  return best;
}

function isFree(map, x, y, half) {
  const { width, height } = map, right = width - (map.showsLegend() ? LEGEND_PX + 16 : 8);
  return x - half > 8 && x + half < right && (y < height - NOTES_BOX[1] || x - half > NOTES_BOX[0]);
}

function isInside(map, to, path, x, y, half) {
  const sharp = map.surface.sharp;
  return [-half - 6, -half / 2, 0, half / 2, half + 6].every((off) => to.isPointInPath(path, (x + off) * sharp, y * sharp, "evenodd"));
}
