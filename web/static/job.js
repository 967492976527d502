// A job's page: snapshot and deltas become the map, the gauges and a line for screen readers.
// Every applied message leaves its log position and the moment of its frame on the canvas, so that
// the way from commit to pixel can be measured from outside.
import { call, sentence } from './api.js';
import { steer } from './control.js';
import { openChunk } from './drawer.js';
import { forget, listen } from './live.js';
import { ChunkMap } from './map.js';
import { Rate } from './rate.js';
import { fillPreviews, refreshResults } from './results.js';
import { localTimes, toast } from './site.js';
import { LiveTimeline } from './timeline.js';
import { count, credits, duration, micros, write } from './words.js';

const FINAL = ['done', 'failed', 'cancelled'];
const PAINTS_MAX = 2000;
const SAY_MS = 5000;

const page = document.getElementById('job');
const id = page.dataset.job;
const topic = `job:${id}`;
const part = (name) => document.querySelector(`[data-part="${name}"]`);
const canvas = document.getElementById('map');
const map = new ChunkMap(canvas);
const timeline = new LiveTimeline(id);
const rate = new Rate(document.getElementById('spark'), part('rate'));
let job = null;
const { title } = document;
let saidAt = 0;
canvas.paints = [];

listen(topic, (type, message) => {
  if ((type !== 'snapshot' && type !== 'delta') || message.job !== id) return;
  if (type === 'snapshot') map.set(message.cells, message.counts.total);
  else if (job && message.position <= job.position) return;
  else map.apply(message.cells);
  // The page came with the picture as it was when it was asked for.
  if (job || message.counts.total !== message.counts.waiting) timeline.changed();
  const was = job?.state ?? page.dataset.state;
  job = message;
  map.painted(() => painted(message.position, message.at));
  show(was);
});

function painted(position, at) {
  const detail = { position, at, painted_ms: Date.now() };
  canvas.paints.push(detail);
  if (canvas.paints.length > PAINTS_MAX) canvas.paints.shift();
  document.documentElement.dataset.pos = position;
  canvas.dispatchEvent(new CustomEvent('medusa:painted', { detail, bubbles: true }));
}

function show(was) {
  const { counts, cost, state } = job;
  const done = counts.verified + counts.unverified;
  page.dataset.state = state;
  part('state').dataset.state = state;
  write(part('state'), state);
  for (const key of ['waiting', 'leased', 'verified', 'unverified', 'failed']) {
    for (const node of document.querySelectorAll(`[data-count="${key}"]`)) write(node, count(counts[key]));
  }
  const percent = counts.total ? Math.floor((done * 100) / counts.total) : 0;
  write(part('percent'), String(percent));
  write(part('done'), count(done));
  bar('bar', done, counts.total);
  write(part('spent'), credits(cost.spent));
  for (const node of document.querySelectorAll('[data-part="held"]')) write(node, credits(cost.held));
  write(part('fee'), credits(cost.fee));
  write(part('released'), credits(cost.released));
  part('released-line').hidden = micros(cost.released) <= 0;
  bar('meter', micros(cost.spent), micros(cost.held));
  note(job.note, state);
  steer(job);
  for (const name of ['partial', 'archive']) part(name)?.toggleAttribute('hidden', done === 0);
  rate.count(done);
  if (!FINAL.includes(state)) write(part('left'), timeLeft(done, counts.total));
  document.title = `${FINAL.includes(state) ? state : `${percent} %`} · ${title}`;
  say(done, counts.total, state, was);
  if (FINAL.includes(state)) finish(was, state);
}

function bar(name, value, max) {
  const node = document.getElementById(name);
  node.max = Math.max(max, 1);
  node.value = value;
}

function note(text, state) {
  const banner = document.getElementById('note');
  banner.hidden = !text;
  if (state === 'failed') banner.dataset.kind = 'bad';
  if (text) write(part('note'), text);
}

function timeLeft(done, total) {
  const now = rate.perSecond();
  if (job.state === 'merging') return 'putting the results together';
  if (job.state === 'paused') return 'paused';
  return now > 0 ? `about ${duration((total - done) / now)} left` : '';
}

function say(done, total, state, was) {
  const now = performance.now();
  if (now - saidAt < SAY_MS && state === was) return;
  saidAt = now;
  write(document.getElementById('said'),
    `${state}: ${done} of ${total} chunks done, ${credits(job.cost.spent)} credits spent. ${job.note ?? ''}`);
}

async function finish(was, state) {
  forget(topic);
  write(part('left'), state === 'done' ? 'all done' : state);
  if (!FINAL.includes(was)) {
    timeline.end();
    if (state === 'done') toast('The results are there.');
    await refreshResults();
    localTimes(document.getElementById('results'));
    fillPreviews();
  }
}

// Gauges that move by time alone.
setInterval(() => {
  if (!job || FINAL.includes(job.state)) return;
  rate.tick();
  write(part('left'), timeLeft(job.counts.verified + job.counts.unverified, job.counts.total));
}, 1000);

// Pointing and choosing.
const hover = document.getElementById('hover');
const told = hover.textContent;
/** A cell of a large job stands for several chunks. */
function cellName(index) {
  const last = Math.min(index + map.step, map.size) - 1;
  return last > index ? `Chunks ${count(index)} to ${count(last)}` : `Chunk ${count(index)}`;
}
function point(index) {
  map.choose(index);
  write(hover, index < 0 ? told : `${cellName(index)}: ${map.stateOf(index)}`);
}
canvas.addEventListener('pointermove', (event) => point(map.at(event.clientX, event.clientY)));
canvas.addEventListener('pointerleave', () => point(-1));
canvas.addEventListener('click', (event) => {
  const index = map.at(event.clientX, event.clientY);
  if (index >= 0) openChunk(id, index);
});
canvas.addEventListener('keydown', (event) => {
  const at = Math.max(map.chosen, 0);
  const to = {
    ArrowRight: at + map.step, ArrowLeft: at - map.step, ArrowDown: at + map.columns,
    ArrowUp: at - map.columns, Home: 0, End: map.size - 1,
  }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    point(Math.max(0, Math.min(to, map.size - 1)));
    write(document.getElementById('said'), hover.textContent);
  } else if (event.key === 'Enter' && map.chosen >= 0) {
    openChunk(id, map.chosen);
  }
});

// Deleting input and results. The button stands in the part that is fetched again at the end.
const forever = document.getElementById('forever');
page.addEventListener('click', (event) => {
  if (event.target.id !== 'forget') return;
  forever.returnValue = '';
  forever.showModal();
});
forever.addEventListener('close', async () => {
  if (forever.returnValue !== 'yes') return;
  const button = document.getElementById('forget');
  button.disabled = true;
  try {
    await call('DELETE', `/v1/jobs/${id}/files`);
    toast('Input and results are deleted.');
    await refreshResults();
    localTimes(document.getElementById('results'));
  } catch (error) {
    button.disabled = false;
    toast(`Nothing was deleted. ${sentence(error.message)}`);
  }
});

fillPreviews();
