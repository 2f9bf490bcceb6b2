// The shapes of the map: they are told apart without colour.

function circle(to, x, y, r) {
  to.beginPath();
  to.arc(x, y, Math.max(0.1, r), 0, 2 * Math.PI);
}

// Light that fades from a disc outwards.
function glow(to, x, y, inner, reach, colour, bright) {
  const fades = to.createRadialGradient(x, y, inner, x, y, reach);
  fades.addColorStop(0, clear(colour, bright));
  fades.addColorStop(0.55, clear(colour, bright * 0.4));
  fades.addColorStop(1, clear(colour, 0));
  to.fillStyle = fades;
  circle(to, x, y, reach);
  to.fill();
}

// A break: a cross on a disc of paper.
function cross(to, x, y, colour, paper, size = 1) {
  circle(to, x, y, 7 * size);
  to.fillStyle = paper;
  to.fill();
  Object.assign(to, { strokeStyle: colour, lineWidth: 1.2, lineCap: "round" });
  to.stroke();
  to.lineWidth = 2.2 * size;
  to.beginPath();
  for (const s of [3.2 * size, -3.2 * size]) {
    to.moveTo(x - 3.2 * size, y - s);
    to.lineTo(x + 3.2 * size, y + s);
  }
  to.stroke();
}

// What fell: a star for an air strike, a square on its corner for an explosion, a triangle for fire over a border.
function fallen(to, kind, x, y, colour, paper) {
  const corners = { air_strike: 16, explosion: 4, border_fire: 3 }[kind];
  to.beginPath();
  for (let i = 0; i < corners; i++) {
    const r = kind === "air_strike" && i % 2 ? 3.2 : 7.5, turn = (i / corners) * 2 * Math.PI - Math.PI / 2;
    to[i ? "lineTo" : "moveTo"](x + r * Math.cos(turn), y + r * Math.sin(turn));
  }
  to.closePath();
  Object.assign(to, { strokeStyle: paper, lineWidth: 2.5, fillStyle: colour, lineJoin: "round" });
  to.stroke();
  to.fill();
}

function distanceToSegment(x, y, ax, ay, bx, by) {
  const length = (bx - ax) ** 2 + (by - ay) ** 2 || 1;
  const t = Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length));
  return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay));
}
