// A large file on its way to the server, in parts: some at once, paused and taken up again, and after
// a reload or a broken line only what is missing. The server keeps the parts; this browser keeps, for
// each file, which upload it is.
import { get, post, send } from './api.js';

/** What is smaller goes in one piece. */
export const PARTS_FROM = 8 * 1024 * 1024;
const AT_ONCE = 3;
const STANDSTILL_MS = 120_000;
const LOOK_MS = 300;
const SAMPLE = 1024 * 1024;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const passing = (error) => !error.problem?.status || error.problem.status >= 500 || error.problem.status === 429;
const hex = (digest) => [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** The same for the same file after a reload: its size, and its beginning and end. */
async function fingerprint(file) {
  const ends = new Blob([file.slice(0, SAMPLE), file.slice(-SAMPLE)]);
  const digest = crypto.subtle ? hex(await crypto.subtle.digest('SHA-256', await ends.arrayBuffer())) : '';
  return `upload:${file.size}:${file.lastModified}:${digest.slice(0, 32)}`;
}

async function begun(file, name) {
  const known = localStorage.getItem(name);
  if (known) {
    try {
      const upload = await get(`/v1/uploads/${known}`);
      if (upload.state !== 'refused') return upload;
    } catch (error) {
      if (error.problem?.status !== 404) throw error;
    }
  }
  const upload = await post('/v1/uploads', { size: file.size });
  localStorage.setItem(name, upload.id);
  return upload;
}

const missing = (upload) => upload.missing.reduce((sum, gap) => sum + gap.end - gap.first, 0);

/** What is missing, cut where the server lets parts begin. */
function parts(upload) {
  const all = [];
  for (const gap of upload.missing) {
    for (let { first } = gap; first < gap.end;) {
      const end = Math.min(gap.end, (Math.floor(first / upload.part_bytes) + 1) * upload.part_bytes);
      all.push([first, end]);
      first = end;
    }
  }
  return all;
}

/** One upload: `told({ sent, state })` hears how far it is; `run()` gives the blob. */
export class PartUpload {
  constructor(file, told) {
    Object.assign(this, { file, told, paused: null, stop: new AbortController(), gone: false });
  }

  pause() {
    if (this.paused) return;
    let resume;
    this.paused = new Promise((resolve) => { resume = resolve; });
    this.resume = () => { this.paused = null; resume(); };
    this.stop.abort();
  }

  /** For good; what is at the server stays there for a week. */
  drop() {
    this.gone = true;
    this.stop.abort();
    this.resume?.();
  }

  async run() {
    const name = await fingerprint(this.file);
    let upload = await begun(this.file, name);
    let moved = Date.now();
    for (let turn = 0; upload.state === 'open'; turn += 1) {
      if (this.paused) { await this.paused; moved = Date.now(); }
      if (this.gone) throw new DOMException('stopped', 'AbortError');
      const before = missing(upload);
      try {
        await this.send(upload);
        upload = await get(`/v1/uploads/${upload.id}`);
      } catch (error) {
        if (error.name === 'AbortError') { await pause(LOOK_MS); } else {
          if (!passing(error) || Date.now() - moved > STANDSTILL_MS) throw error;
          this.told({ sent: this.file.size - before, state: 'waiting' });
          await pause(Math.min(500 * 2 ** Math.min(turn, 4), 8000));
        }
        upload = await get(`/v1/uploads/${upload.id}`).catch(() => upload);
      }
      if (missing(upload) < before) { moved = Date.now(); turn = -1; }
    }
    while (upload.state === 'joining') {
      this.told({ sent: upload.joined, state: 'joining' });
      await pause(LOOK_MS);
      upload = await get(`/v1/uploads/${upload.id}`).catch(() => upload);
    }
    localStorage.removeItem(name);
    if (!upload.blob) throw new Error('the file was changed while it was uploaded; choose it again');
    return upload.blob;
  }

  async send(upload) {
    this.stop = new AbortController();
    const { signal } = this.stop;
    const queue = parts(upload);
    const there = this.file.size - missing(upload);
    const through = new Map();
    const tell = () => {
      let sent = there;
      for (const bytes of through.values()) sent += bytes;
      this.told({ sent, state: 'sending' });
    };
    tell();
    const worker = async () => {
      for (let part = queue.shift(); part && !signal.aborted; part = queue.shift()) {
        const [first, end] = part;
        const told = (loaded) => { through.set(first, loaded); tell(); };
        await send('PUT', `/v1/uploads/${upload.id}/parts/${first}`, this.file.slice(first, end), { told, stop: signal });
        told(end - first);
      }
      if (signal.aborted) throw new DOMException('stopped', 'AbortError');
    };
    const workers = Array.from({ length: AT_ONCE }, worker);
    try {
      await Promise.all(workers);
    } finally {
      this.stop.abort();
      await Promise.allSettled(workers);
    }
  }
}
