// The one live connection of a page: an EventSource over /v1/streams, dispatched to who listens.
// It closes when the page is out of sight for a minute, and comes back with a snapshot.
import { credits, write } from './words.js';

const HIDDEN_MS_MAX = 60_000;
const RETRY_MS = [1_000, 2_000, 5_000, 15_000];

const wanted = new Map();
let source = null;
let opening = null;
let tries = 0;
let hiddenTimer;

/** Listens to a topic; `hear(type, message)` gets every event of the connection. */
export function listen(topic, hear) {
  wanted.set(topic, hear);
  reopen();
}

/** Stops listening to a topic. */
export function forget(topic) {
  if (wanted.delete(topic)) reopen();
}

// Several modules of a page ask within one turn: one connection for them all.
function reopen() {
  clearTimeout(opening);
  opening = setTimeout(open, 0);
}

function open() {
  source?.close();
  source = null;
  if (wanted.size === 0) return;
  source = new EventSource(`/v1/streams?topics=${[...wanted.keys()].join(',')}`);
  source.onopen = () => { tries = 0; mark('on'); };
  source.onerror = () => {
    mark('cut');
    // The browser comes back by itself unless the server refused.
    if (source?.readyState !== EventSource.CLOSED) return;
    opening = setTimeout(open, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
    tries += 1;
  };
  for (const type of ['snapshot', 'delta', 'wallet', 'agents']) {
    source.addEventListener(type, (event) => {
      const message = JSON.parse(event.data);
      for (const hear of wanted.values()) hear(type, message);
    });
  }
}

function mark(state) {
  document.documentElement.dataset.live = state;
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => { source?.close(); source = null; mark('asleep'); }, HIDDEN_MS_MAX);
  } else if (!source && wanted.size > 0) {
    open();
  }
});

/** Keeps every `data-bind="wallet.…"` of the page current. Only where somebody is logged in. */
export function followWallet() {
  const bound = document.querySelectorAll('[data-bind^="wallet."]');
  if (bound.length === 0) return;
  listen('wallet', (type, wallet) => {
    if (type !== 'wallet') return;
    for (const node of bound) {
      const key = node.dataset.bind.slice('wallet.'.length);
      const value = wallet[key];
      if (value === undefined) continue;
      write(node, key === 'position' ? String(value) : credits(value));
    }
    document.dispatchEvent(new CustomEvent('medusa:wallet', { detail: wallet }));
  });
}
