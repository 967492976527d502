// A job's controls. The forms work without scripts; here they ask /v1, and the page stays.
import { post, sentence } from './api.js';
import { toast } from './site.js';
import { count, credits, micros, minus, write } from './words.js';

const FINAL = ['done', 'failed', 'cancelled'];

const page = document.getElementById('job');
const all = (name) => document.querySelectorAll(`[data-part="${name}"]`);

/** Which controls stand: the same words as on the server. */
function mode({ state, paused }) {
  if (FINAL.includes(state)) return 'ended';
  return state === 'paused' ? paused ?? 'asked' : state;
}

/** What will likely be missing in the hold, reckoned as the server does. */
function missing({ cost, counts }) {
  const done = counts.verified + counts.unverified;
  const todo = counts.total - done;
  const parts = todo > 0 ? Math.max(5 * todo, 16) : 0;
  const each = done > 0 ? micros(cost.spent) / done : micros(cost.held) / Math.max(counts.total, 1);
  const short = Math.floor((each * parts) / 4) - micros(left(cost));
  let step = 1;
  while (short / step > 99) step *= 10;
  return (Math.ceil(Math.max(short, 0) / step) * step / 1e6).toFixed(6).replace(/0{1,4}$/, '');
}

const left = (cost) => minus(minus(cost.held, cost.spent), cost.released);

/** The controls of a job as it is now. */
export function steer(job) {
  page.dataset.mode = mode(job);
  page.toggleAttribute('data-failed', job.counts.failed > 0);
  const short = missing(job);
  for (const node of all('rest')) write(node, credits(left(job.cost)));
  for (const node of all('missing')) write(node, credits(short));
  for (const field of all('add')) {
    // What was typed stays.
    if (field !== document.activeElement && field.value === field.defaultValue) {
      field.value = field.defaultValue = Number(short) > 0 ? short : '';
    }
  }
}

const body = {
  budget: (form) => ({ add: form.elements.add.value.trim() }),
  retry: (form) => ({ fuel_times: Number(form.elements.fuel_times.value) }),
};
const said = {
  pause: () => 'Paused. Chunks under way are finished.',
  resume: () => 'It goes on.',
  budget: (job) => (job.state === 'paused'
    ? `${credits(job.cost.held)} credits are held now. It is still paused.`
    : `${credits(job.cost.held)} credits are held now.`),
  retry: () => 'The failed chunks get another chance.',
  cancel: () => 'Stopped. What was not spent comes back.',
};

for (const form of document.querySelectorAll('form[data-act]')) {
  const { act } = form.dataset;
  const button = form.querySelector('button:not([type="button"])');
  form.addEventListener('submit', async (event) => {
    button.setAttribute('aria-busy', 'true');
    // A quote runs a sample: its page comes by itself.
    if (!said[act]) return;
    event.preventDefault();
    button.disabled = true;
    try {
      const job = await post(`/v1/jobs/${page.dataset.job}/${act}`, body[act]?.(form));
      form.closest('[popover]')?.hidePopover();
      steer(job);
      for (const field of form.querySelectorAll('[data-part="add"]')) field.value = field.defaultValue;
      toast(said[act](job));
    } catch (error) {
      toast(sentence(error.message));
    }
    button.disabled = false;
    button.removeAttribute('aria-busy');
  });
}

// Who comes back by the browser's history finds the buttons ready.
addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('form[data-act] [aria-busy]')) button.removeAttribute('aria-busy');
});
