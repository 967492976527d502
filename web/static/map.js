// The chunk map: one cell a chunk on a canvas, drawn at most once a frame. States differ by shape as
// well as by colour. Of a very large job the server tells one digit for several neighbours; where
// cells would still be too small, one stands for several digits.

const PITCH_MAX = 34;
const PITCH_MIN = 5;
const HEIGHT_MAX = 460;
const FLASH_MS = 420;
const STATES = ['waiting', 'computing', 'verified', 'unverified', 'failed'];
const calm = matchMedia('(prefers-reduced-motion: reduce)');

export class ChunkMap {
  #canvas; #pen; #cells = new Uint8Array(0); #flash = new Map(); #colours = [];
  #pitch = 1; #columns = 1; #group = 1; #each = 1; #total = 0; #asked = false; #after = []; #chosen = -1;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
    this.readColours();
    new ResizeObserver(() => this.#layout()).observe(canvas.parentElement);
    document.addEventListener('medusa:theme', () => { this.readColours(); this.#draw(); });
  }

  get size() { return this.#total; }
  get chosen() { return this.#chosen; }
  get columns() { return this.#columns * this.step; }
  /** Chunks that a cell stands for. */
  get step() { return this.#group * this.#each; }
  /** What the cell of a chunk shows. */
  stateOf(index) { return STATES[this.#summary(Math.floor(index / this.step) * this.#group)]; }

  /** Colours live in the stylesheet: marks of the legend carry them. */
  readColours() {
    this.#colours = STATES.map((state) => {
      const mark = document.querySelector(`.mark.${state}`);
      return mark ? getComputedStyle(mark).color : '#888';
    });
    this.#colours.ink = getComputedStyle(this.#canvas).color;
  }

  /** All anew, of so many chunks: one digit a chunk, or for several neighbours. */
  set(digits, total) {
    this.#cells = Uint8Array.from(digits, (digit) => digit.charCodeAt(0) - 48);
    this.#total = total;
    this.#each = Math.max(1, Math.ceil(total / Math.max(digits.length, 1)));
    this.#layout();
  }

  /** What changed: `place:digit` pairs joined by commas. */
  apply(pairs) {
    if (!pairs) return;
    const now = performance.now();
    for (const pair of pairs.split(',')) {
      const [index, digit] = pair.split(':').map(Number);
      if (!(index < this.#cells.length) || this.#cells[index] === digit) continue;
      this.#cells[index] = digit;
      if (!calm.matches) this.#flash.set(index, now);
    }
    this.#draw();
  }

  /** Calls back in the frame that shows what was applied. */
  painted(tell) {
    this.#after.push(tell);
    this.#draw();
  }

  choose(index) {
    this.#chosen = Math.max(-1, Math.min(index, this.size - 1));
    this.#draw();
  }

  /** The first chunk of the cell at a point of the page, or -1. */
  at(x, y) {
    const box = this.#canvas.getBoundingClientRect();
    const column = Math.floor((x - box.left) / this.#pitch);
    const row = Math.floor((y - box.top) / this.#pitch);
    if (column < 0 || row < 0 || column >= this.#columns) return -1;
    const index = (row * this.#columns + column) * this.step;
    return index < this.size ? index : -1;
  }

  #layout() {
    const width = this.#canvas.parentElement.clientWidth;
    const n = Math.max(this.#cells.length, 1);
    const room = Math.floor(width / PITCH_MIN) * Math.floor(HEIGHT_MAX / PITCH_MIN);
    this.#group = Math.max(1, Math.ceil(n / Math.max(room, 1)));
    const shown = Math.ceil(n / this.#group);
    const fit = Math.sqrt((width * HEIGHT_MAX) / shown);
    this.#pitch = Math.max(PITCH_MIN, Math.min(PITCH_MAX, Math.floor(fit), Math.floor(width / 4)));
    let rows;
    do {
      this.#columns = Math.max(1, Math.min(shown, Math.floor(width / this.#pitch)));
      rows = Math.ceil(shown / this.#columns);
    } while (rows * this.#pitch > HEIGHT_MAX && this.#pitch > PITCH_MIN && (this.#pitch -= 1));
    // A block is easier to read than one long line.
    if (rows < 4 && shown > 12) {
      this.#columns = Math.min(this.#columns, Math.ceil(shown / Math.min(4, Math.ceil(Math.sqrt(shown)))));
      rows = Math.ceil(shown / this.#columns);
      this.#pitch = Math.min(Math.floor(width / this.#columns), 64, Math.floor(HEIGHT_MAX / rows));
    }
    const ratio = Math.min(devicePixelRatio || 1, 3);
    const [w, h] = [this.#columns * this.#pitch, rows * this.#pitch];
    Object.assign(this.#canvas.style, { width: `${w}px`, height: `${h}px` });
    this.#canvas.width = Math.round(w * ratio);
    this.#canvas.height = Math.round(h * ratio);
    this.#pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#draw();
  }

  #draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.#asked = false;
    const pen = this.#pen;
    pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    for (let i = 0, cell = 0; i < this.#cells.length; i += this.#group, cell += 1) {
      const x = (cell % this.#columns) * this.#pitch;
      const y = Math.floor(cell / this.#columns) * this.#pitch;
      this.#cell(x, y, this.#summary(i));
    }
    this.#glow(now);
    if (this.#chosen >= 0) this.#ring();
    for (const tell of this.#after.splice(0)) tell();
    if (this.#flash.size > 0) this.#draw();
  }

  #cell(x, y, state) {
    const pen = this.#pen;
    const gap = this.#pitch >= 12 ? 3 : 1;
    const size = this.#pitch - gap;
    const colour = this.#colours[state] ?? this.#colours[0];
    pen.fillStyle = pen.strokeStyle = colour;
    if (size < 8) {
      pen.globalAlpha = state === 0 ? 0.55 : 1;
      pen.fillRect(x, y, size, size);
      pen.globalAlpha = 1;
      return;
    }
    const line = Math.max(1.5, size / 9);
    pen.lineWidth = line;
    const box = (inset) => {
      pen.beginPath();
      pen.roundRect(x + inset, y + inset, size - 2 * inset, size - 2 * inset, size / 5);
    };
    if (state === 0) {
      pen.lineWidth = 1;
      box(0.5); pen.stroke();
      pen.beginPath(); pen.arc(x + size / 2, y + size / 2, size / 8, 0, 7); pen.fill();
    } else if (state === 1) {
      pen.globalAlpha = 0.16; box(0); pen.fill(); pen.globalAlpha = 1;
      box(line / 2); pen.stroke();
    } else if (state === 2) {
      box(0); pen.fill();
    } else {
      pen.save(); box(line / 2); pen.clip(); pen.beginPath();
      if (state === 3) {
        pen.moveTo(x, y); pen.lineTo(x + size, y); pen.lineTo(x, y + size); pen.fill();
      } else {
        const [a, b] = [size * 0.27, size * 0.73];
        pen.moveTo(x + a, y + a); pen.lineTo(x + b, y + b);
        pen.moveTo(x + b, y + a); pen.lineTo(x + a, y + b); pen.stroke();
      }
      pen.restore();
      box(line / 2); pen.stroke();
    }
  }

  /** Several digits in one cell: what needs attention wins. */
  #summary(from) {
    if (this.#group === 1) return this.#cells[from] ?? 0;
    const seen = [0, 0, 0, 0, 0];
    const to = Math.min(from + this.#group, this.#cells.length);
    for (let i = from; i < to; i += 1) seen[this.#cells[i]] += 1;
    if (seen[4]) return 4;
    if (seen[1]) return 1;
    if (seen[0]) return 0;
    return seen[3] ? 3 : 2;
  }

  #glow(now) {
    for (const [index, since] of this.#flash) {
      const left = 1 - (now - since) / FLASH_MS;
      if (left <= 0) { this.#flash.delete(index); continue; }
      const cell = Math.floor(index / this.#group);
      const x = (cell % this.#columns) * this.#pitch;
      const y = Math.floor(cell / this.#columns) * this.#pitch;
      const size = this.#pitch - (this.#pitch >= 12 ? 3 : 1);
      this.#pen.globalAlpha = left * 0.6;
      this.#pen.fillStyle = '#fff';
      this.#pen.beginPath();
      this.#pen.roundRect(x, y, size, size, size / 5);
      this.#pen.fill();
      this.#pen.globalAlpha = 1;
    }
  }

  #ring() {
    const cell = Math.floor(this.#chosen / this.step);
    const x = (cell % this.#columns) * this.#pitch;
    const y = Math.floor(cell / this.#columns) * this.#pitch;
    const size = this.#pitch - (this.#pitch >= 12 ? 3 : 1);
    this.#pen.strokeStyle = this.#colours.ink;
    this.#pen.lineWidth = 2;
    this.#pen.strokeRect(x + 1, y + 1, size - 2, size - 2);
  }
}
