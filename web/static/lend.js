// The lender's machines: state and earnings move.
import { listen } from './live.js';
import { column, credits, plus, write } from './words.js';

const rows = new Map([...document.querySelectorAll('[data-agent]')].map((row) => [row.dataset.agent, row]));
const online = document.getElementById('online');

function tally() {
  const states = [...rows.values()].map((row) => row.querySelector('[data-part="state"]').dataset.state);
  write(online, String(states.filter((state) => state !== 'offline').length));
}

tally();
listen('agents', (type, message) => {
  if (type !== 'agents') return;
  let sum = '0.00';
  for (const { agent, state, earned } of message.agents) {
    sum = plus(sum, earned);
    const row = rows.get(agent);
    // A machine that was enrolled since: the page knows its name, we do not.
    if (!row) { location.reload(); return; }
    const badge = row.querySelector('[data-part="state"]');
    badge.dataset.state = state;
    write(badge, state);
    column(row.querySelector('[data-part="earned"]'), earned);
  }
  write(document.getElementById('earned'), credits(sum));
  tally();
});
