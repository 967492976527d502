// The list of events follows the log: new ones that meet the filter appear on top. It asks once a
// second for what came after the last position that it has seen, and rests while nobody looks.
import { get } from './api.js';
import { localTimes } from './site.js';
import { count, credits, el, write } from './words.js';

const PERIOD_MS = 1_000;
const RETRY_MS = [1_000, 2_000, 5_000, 15_000];
const PAGE = 50;
const ROWS_MAX = 500;
const SAY_MS = 5_000;

const list = document.getElementById('events');
const state = document.getElementById('state');
const pause = document.getElementById('pause');
const { query } = list.dataset;
let from = Number(list.dataset.from);
let after = null;
let fresh = 0;
let failures = 0;
let saidAt = -SAY_MS;
let timer;

const address = () => {
  const place = `order=oldest&limit=${PAGE}&from=${from}${after ? `&after=${encodeURIComponent(after)}` : ''}`;
  return `/v1/admin/events?${query ? `${query}&` : ''}${place}`;
};

async function look() {
  timer = undefined;
  if (document.hidden || paused()) return;
  let wait = PERIOD_MS;
  try {
    const page = await get(address());
    failures = 0;
    show(page);
    if (page.next) wait = 0;
  } catch (error) {
    if ([401, 403].includes(error.problem?.status)) {
      write(state, 'You are not logged in any more. Load the page again to log in.');
      pause.hidden = true;
      return;
    }
    write(state, 'The server does not answer; trying again.');
    wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
    failures += 1;
    saidAt = -SAY_MS;
  }
  timer = setTimeout(look, wait);
}

function show(page) {
  for (const event of page.items) {
    const row = line(event);
    localTimes(row);
    list.prepend(row);
  }
  fresh += page.items.length;
  while (list.rows.length > ROWS_MAX) list.deleteRow(-1);
  if (list.rows.length > 0) {
    document.getElementById('none').hidden = true;
    document.getElementById('list').hidden = false;
  }
  const behind = page.head - (page.items.at(-1)?.position ?? from);
  if (!page.next) {
    [from, after] = [page.head + 1, null];
  } else if (behind > ROWS_MAX) {
    // Faster than can be read: the newest are shown, and the gap is told.
    [from, after] = [page.head - PAGE + 1, null];
    list.prepend(gap(behind - PAGE));
  } else {
    after = page.next;
  }
  write(document.getElementById('size'), count(page.head));
  say();
}

function say() {
  const now = performance.now();
  if (now - saidAt < SAY_MS && state.textContent) return;
  saidAt = now;
  write(state, fresh === 0 ? 'New ones appear here.' : `${count(fresh)} new since you came.`);
}

function line({ position, at, event, stream, moved, postings }) {
  const when = new Date(at / 1000).toISOString();
  return el('tr', { class: 'fresh' },
    el('td', { class: 'n main' }, el('a', { href: `/app/events/${position}` }, `#${position}`)),
    el('td', { 'data-th': 'When' }, el('time', { datetime: when }, when)),
    el('td', { 'data-th': 'Event' }, el('code', {}, event)),
    el('td', { 'data-th': 'Stream' }, el('code', { title: stream }, short(stream, '-'))),
    el('td', { 'data-th': 'Moved' }, ...movement(moved[0], postings)));
}

function movement(first, postings) {
  if (!first) return [el('span', { class: 'muted' }, 'nothing')];
  const { account, amount } = first;
  const href = `/admin/accounts/${encodeURIComponent(account)}`;
  const sign = amount.startsWith('-') || Number(amount) === 0 ? '' : '+';
  const parts = [
    el('a', { href }, el('code', { title: account }, short(account, ':'))), ' ',
    el('span', { class: 'num' }, sign + credits(amount).replace('-', '\u2212')),
  ];
  if (postings > 1) parts.push(' ', el('span', { class: 'muted' }, `and ${postings - 1} more`));
  return parts;
}

function gap(events) {
  return el('tr', {}, el('td', { class: 'muted', colspan: 5 },
    `${count(events)} events went by too fast to be shown. Filter, or load the page again.`));
}

/** As on the server: the end of a long id tells it apart. */
function short(text, mark) {
  const cut = text.indexOf(mark);
  const [front, id] = cut < 0 ? ['', text] : [text.slice(0, cut + 1), text.slice(cut + 1)];
  return id.length <= 20 || cut < 0 ? text : `${front}${id.split('_')[0]}_\u2026${id.slice(-8)}`;
}

const paused = () => pause.getAttribute('aria-pressed') === 'true';

function resume() {
  if (timer === undefined) look();
}

pause.hidden = false;
pause.addEventListener('click', () => {
  pause.setAttribute('aria-pressed', String(!paused()));
  write(pause, paused() ? 'Go on' : 'Pause');
  write(state, paused() ? 'Paused.' : '');
  if (!paused()) resume();
});
document.addEventListener('visibilitychange', () => !document.hidden && resume());
timer = setTimeout(look, PERIOD_MS);
