// The timeline of a job that runs: fetched again when something changed, not more often than every
// three seconds and not out of sight. What is focused, scrolled to or open
// stays so.

const WAIT_MS = 3000;
// A picture that takes long to make is asked for less often.
const WAIT_TIMES = 10;

export class LiveTimeline {
  #address;
  #timer = 0;
  #busy = false;
  #late = false;
  #readyAt = performance.now() + WAIT_MS;

  constructor(job) {
    this.#address = `/app/jobs/${job}/timeline`;
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.#late) this.changed(); });
  }

  /** Something happened: the picture follows before long. */
  changed() {
    this.#late = true;
    if (this.#timer || this.#busy || document.hidden) return;
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, this.#readyAt - performance.now()));
  }

  /** The job has ended: one more picture, at once. */
  end() {
    this.#readyAt = 0;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.changed();
  }

  async #turn() {
    this.#timer = 0;
    if (document.hidden) return;
    this.#late = false;
    this.#busy = true;
    const since = performance.now();
    const fresh = await part(this.#address);
    const now = performance.now();
    this.#readyAt = now + Math.max(WAIT_MS, (now - since) * WAIT_TIMES);
    if (fresh) replace(document.getElementById('timeline'), fresh);
    this.#busy = false;
    if (this.#late) this.changed();
  }
}

/** The timeline out of its own page, which the browser parsed: no text is made into markup here. */
function part(address) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open('GET', address);
    request.responseType = 'document';
    request.onloadend = () => resolve(request.response?.getElementById('timeline'));
    request.send();
  });
}

function replace(old, fresh) {
  const open = old.querySelector('details')?.open;
  if (open) fresh.querySelector('details')?.setAttribute('open', '');
  if (old.isEqualNode(fresh)) return;
  const place = placeIn(old);
  const [left, top] = [old.querySelector('.lanes')?.scrollLeft, old.querySelector('.lanes')?.scrollTop];
  old.replaceChildren(...document.adoptNode(fresh).childNodes);
  old.querySelector('.lanes')?.scrollTo({ left, top, behavior: 'instant' });
  place?.(old)?.focus({ preventScroll: true });
}

/** How to find again what has the focus: the same bar, else the picture as a whole. */
function placeIn(section) {
  const active = document.activeElement;
  if (!section.contains(active)) return null;
  if (active.matches('summary')) return (now) => now.querySelector('summary');
  const href = active.getAttribute('href');
  const bars = (root) => [...root.querySelectorAll('a')].filter((bar) => bar.getAttribute('href') === href);
  const at = href ? bars(section).indexOf(active) : -1;
  return (now) => (at >= 0 && bars(now)[at]) || now.querySelector('.lanes');
}
