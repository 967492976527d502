// Lists of jobs: the bars of jobs that run move.
import { forget, listen } from './live.js';
import { column, count, write } from './words.js';

// More would not be seen, and each topic costs the server.
const LIVE_MAX = 8;
const FINAL = ['done', 'failed', 'cancelled'];
const WHY = { asked: 'by you', hold_spent: 'budget spent', chunks_failed: 'chunks failed' };

for (const row of [...document.querySelectorAll('tr[data-live]')].slice(0, LIVE_MAX)) {
  const id = row.dataset.job;
  const part = (name) => row.querySelector(`[data-part="${name}"]`);
  const topic = `job:${id}`;
  listen(topic, (type, job) => {
    if ((type !== 'snapshot' && type !== 'delta') || job.job !== id) return;
    const { total, verified, unverified } = job.counts;
    const done = verified + unverified;
    part('bar').max = total;
    part('bar').value = done;
    write(part('done'), `${count(done)} / ${count(total)}`);
    column(part('spent'), job.cost.spent);
    write(part('state'), job.state);
    part('state').dataset.state = job.state;
    row.dataset.state = job.state;
    write(part('why'), WHY[job.paused] ?? '');
    if (FINAL.includes(job.state)) forget(topic);
  });
}
