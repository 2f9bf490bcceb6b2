// The shapes of the city view, and what is worked out of lines and boxes.

// Bytes at the start of a buffer of their own, as typed arrays want them.
function copied(view) {
  const { buffer, byteOffset = 0, byteLength } = view.buffer ? view : { buffer: view, byteLength: view.byteLength };
  return buffer.slice(byteOffset, byteOffset + byteLength);
}

// A colour as a pixel of a picture has it: one number, on machines that begin with the least part.
function pixelOf(colour) {
  const [red, green, blue] = channelsOf(colour);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

function dashes(i) {
  return [[], [9, 4], [2, 4], [12, 4, 2, 4]][i % 4];
}

function boxOf(points) {
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

function unionOf(boxes) {
  return [0, 1, 2, 3].map((side) => Math[side < 2 ? "min" : "max"](...boxes.map((box) => box[side])));
}

function lengthOf(path) {
  return path.slice(1).reduce((sum, [x, y], i) => sum + Math.hypot(x - path[i][0], y - path[i][1]), 0) || 1;
}

function pointAlong(path, share) {
  let left = share * lengthOf(path);
  for (let i = 0; i + 1 < path.length; i++) {
    const [[ax, ay], [bx, by]] = [path[i], path[i + 1]], length = Math.hypot(bx - ax, by - ay);
    if (left <= length) return [ax + ((bx - ax) * left) / (length || 1), ay + ((by - ay) * left) / (length || 1)];
    left -= length;
  }
  return path.at(-1);
}

function shield(to, x, y, fill, edge) {
  to.beginPath();
  to.moveTo(x - 4, y - 4.5);
  to.lineTo(x + 4, y - 4.5);
  to.lineTo(x + 4, y + 1);
  to.quadraticCurveTo(x + 3, y + 4, x, y + 5.5);
  to.quadraticCurveTo(x - 3, y + 4, x - 4, y + 1);
  to.closePath();
  Object.assign(to, { fillStyle: fill, strokeStyle: edge, lineWidth: 1.5, lineJoin: "round" });
  to.fill();
  to.stroke();
}

function north(to, x, y, colour) {
  to.fillStyle = colour;
  to.beginPath();
  to.moveTo(x, y - 14);
  to.lineTo(x + 6, y + 4);
  to.lineTo(x, y);
  to.lineTo(x - 6, y + 4);
  to.fill();
  write(to, "N", x, y + 12, colour, null, { font: `600 11px ${FONT}`, align: "center" });
}
