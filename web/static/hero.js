// The picture on the front page: a made-up microscope picture whose cells are outlined tile by tile,
// by one machine or by two. Stands still where motion is not wanted, and out of sight.

const canvas = document.getElementById('hero');
const caption = document.getElementById('hero-count');
const pen = canvas.getContext('2d');
const [W, H, TILE] = [640, 480, 80];
const [COLUMNS, ROWS] = [W / TILE, H / TILE];
const N = COLUMNS * ROWS;
const MACHINES = ['#7db4ff', '#fbbf24'];
const VERIFIED = '#2dd4bf';
const ratio = Math.min(devicePixelRatio || 1, 2);
canvas.width = W * ratio;
canvas.height = H * ratio;

// A small generator, so that everybody sees the same cells.
let seed = 20;
const random = () => {
  seed = (seed * 1664525 + 1013904223) % 4294967296;
  return seed / 4294967296;
};

const cells = [];
for (let tries = 0; tries < 1400 && cells.length < 92; tries += 1) {
  const cell = { x: random() * W, y: random() * H, r: 12 + random() * 15, turn: random() * 3.2, long: 0.68 + random() * 0.28, light: 0.3 + random() * 0.5, wave: random() * 6.3 };
  const free = cells.every((other) => Math.hypot(cell.x - other.x, cell.y - other.y) > (cell.r + other.r) * 1.04);
  if (free) cells.push(cell);
}

function outline(to, cell, grow = 0) {
  to.beginPath();
  for (let a = 0; a <= 40; a += 1) {
    const angle = (a / 40) * Math.PI * 2;
    const r = (cell.r + grow) * (1 + 0.07 * Math.sin(3 * angle + cell.wave) + 0.04 * Math.sin(5 * angle));
    const [u, v] = [Math.cos(angle) * r, Math.sin(angle) * r * cell.long];
    to.lineTo(cell.x + u * Math.cos(cell.turn) - v * Math.sin(cell.turn), cell.y + u * Math.sin(cell.turn) + v * Math.cos(cell.turn));
  }
  to.closePath();
}

/** A picture drawn once: the raw one, or the one with outlines. */
function picture(found) {
  const sheet = document.createElement('canvas');
  sheet.width = W * ratio;
  sheet.height = H * ratio;
  const to = sheet.getContext('2d');
  to.scale(ratio, ratio);
  to.fillStyle = found ? '#0c1a1c' : '#0a1113';
  to.fillRect(0, 0, W, H);
  for (const cell of cells) {
    const glow = to.createRadialGradient(cell.x, cell.y, 0, cell.x, cell.y, cell.r * 1.25);
    const tone = found ? '120, 190, 182' : '150, 168, 166';
    glow.addColorStop(0, `rgba(${tone}, ${cell.light * (found ? 0.62 : 0.5)})`);
    glow.addColorStop(0.7, `rgba(${tone}, ${cell.light * (found ? 0.42 : 0.3)})`);
    glow.addColorStop(1, `rgba(${tone}, 0)`);
    to.fillStyle = glow;
    outline(to, cell, 4);
    to.fill();
    if (!found) continue;
    to.strokeStyle = VERIFIED;
    to.lineWidth = 1.6;
    outline(to, cell);
    to.stroke();
  }
  return sheet;
}
const raw = picture(false);
const found = picture(true);

// The tiles by time. Of some a second machine makes another copy, which confirms the first.
const order = [...Array(N).keys()].sort((a, b) => key(a) - key(b));
const copies = [...Array(N).keys()].map(() => (random() < 0.4 ? 2 : 1));
function key(tile) {
  return (tile % COLUMNS) + Math.floor(tile / COLUMNS) * 1.35 + random() * 2.6;
}
const PACE = 150;
const WORK = 900;
const REST = 3200;
const LOOP = N * PACE + 2 * WORK + REST;

function frame(time) {
  const now = time % LOOP;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  let done = 0;
  order.forEach((tile, turn) => {
    const x = (tile % COLUMNS) * TILE;
    const y = Math.floor(tile / COLUMNS) * TILE;
    const age = now - turn * PACE;
    const takes = copies[tile] * WORK;
    const sheet = age >= takes ? found : raw;
    pen.drawImage(sheet, x * ratio, y * ratio, TILE * ratio, TILE * ratio, x, y, TILE, TILE);
    if (age >= takes) {
      done += 1;
      fade(x, y, age - takes);
    } else if (age >= 0) {
      scan(x, y, age);
    }
  });
  grid();
  const text = `${done} of ${N} tiles verified`;
  if (caption.textContent !== text) caption.textContent = text;
}

function fade(x, y, age) {
  if (age > 700) return;
  pen.globalAlpha = 0.34 * (1 - age / 700);
  pen.fillStyle = VERIFIED;
  pen.fillRect(x, y, TILE, TILE);
  pen.globalAlpha = 1;
}

/** A machine goes over the tile, and perhaps another one after it. */
function scan(x, y, age) {
  const second = age >= WORK;
  const part = (age % WORK) / WORK;
  pen.drawImage(found, x * ratio, y * ratio, TILE * ratio, TILE * (second ? 1 : part) * ratio, x, y, TILE, TILE * (second ? 1 : part));
  pen.globalAlpha = second ? 0.45 : 0.62;
  pen.fillStyle = '#0a1113';
  pen.fillRect(x, y, TILE, TILE * (second ? 1 : part));
  pen.globalAlpha = 1;
  pen.fillStyle = MACHINES[second ? 1 : 0];
  pen.fillRect(x + 2, y + TILE * part - 1, TILE - 4, 1.5);
  pen.strokeStyle = MACHINES[second ? 1 : 0];
  pen.lineWidth = 1.5;
  const c = 10;
  for (const [px, py, sx, sy] of [[x, y, 1, 1], [x + TILE, y, -1, 1], [x, y + TILE, 1, -1], [x + TILE, y + TILE, -1, -1]]) {
    pen.beginPath();
    pen.moveTo(px + 3 * sx, py + (3 + c) * sy);
    pen.lineTo(px + 3 * sx, py + 3 * sy);
    pen.lineTo(px + (3 + c) * sx, py + 3 * sy);
    pen.stroke();
  }
}

function grid() {
  pen.strokeStyle = 'rgba(150, 175, 172, .13)';
  pen.lineWidth = 1;
  pen.beginPath();
  for (let x = TILE; x < W; x += TILE) { pen.moveTo(x + 0.5, 0); pen.lineTo(x + 0.5, H); }
  for (let y = TILE; y < H; y += TILE) { pen.moveTo(0, y + 0.5); pen.lineTo(W, y + 0.5); }
  pen.stroke();
}

const calm = matchMedia('(prefers-reduced-motion: reduce)');
// The picture opens half done: the idea is there before anything moves.
const START = 22 * PACE + 2 * WORK;
let seen = false;
let running = false;
function step(time) {
  if (!seen || calm.matches) { running = false; return; }
  frame(time + START);
  requestAnimationFrame(step);
}
function go() {
  if (running || calm.matches) return;
  running = true;
  requestAnimationFrame(step);
}
frame(START);
calm.addEventListener('change', go);
new IntersectionObserver(([entry]) => {
  seen = entry.isIntersecting;
  if (seen) go();
}).observe(canvas);
