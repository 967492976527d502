// Throughput: chunks in each second of the last minute, as a number and a small curve.
import { write } from './words.js';

const SECONDS = 60;
/** The number shown is the mean over so many seconds. */
const WINDOW = 10;

export class Rate {
  #curve; #number; #bins = []; #last = null; #now = 0;

  constructor(curve, number) {
    this.#curve = curve;
    this.#number = number;
  }

  /** So many chunks are done in all. */
  count(done) {
    if (this.#last !== null && done > this.#last) this.#now += done - this.#last;
    this.#last = done;
  }

  /** A second went by. */
  tick() {
    this.#bins.push(this.#now);
    this.#now = 0;
    if (this.#bins.length > SECONDS) this.#bins.shift();
    const rate = this.perSecond();
    write(this.#number, rate === 0 ? '0' : rate.toFixed(rate < 10 ? 1 : 0));
    this.#draw();
  }

  perSecond() {
    const bins = this.#bins.slice(-WINDOW);
    return bins.length === 0 ? 0 : bins.reduce((sum, n) => sum + n, 0) / bins.length;
  }

  #draw() {
    if (this.#bins.length < 4) return;
    // A mean over three seconds reads better than single steps.
    const smooth = this.#bins.map((_, i) => {
      const near = this.#bins.slice(Math.max(0, i - 1), i + 2);
      return near.reduce((sum, n) => sum + n, 0) / near.length;
    });
    const top = Math.max(...smooth, 0.1);
    const x = (i) => (240 * (SECONDS - smooth.length + i + 1)) / SECONDS;
    const y = (n) => 42 - (38 * n) / top;
    const line = smooth.map((n, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(n).toFixed(1)}`).join('');
    this.#curve.querySelector('.line').setAttribute('d', line);
    this.#curve.querySelector('.area').setAttribute('d', `${line}V44H${x(0).toFixed(1)}Z`);
  }
}
