// Verifies an event in the reader's own browser: the bytes on the page give the leaf, the leaf and
// the proof give the root (RFC 6962), and the root is the one in the signed checkpoint. Of what the
// server says, only the public key is taken on trust; it is shown, to be compared.
import { get, showRefusal } from './api.js';
import { count, el } from './words.js';

const page = document.getElementById('event');
const button = document.getElementById('prove');
const place = document.getElementById('proven');
const position = Number(page.dataset.position);

const bytes = (text) => new TextEncoder().encode(text);
const hex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const unbase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The root that a leaf and its path lead to; null for a path of the wrong length. */
async function climb(leaf, index, size, path) {
  let [at, last, hash] = [index, size - 1, leaf];
  for (const other of path.map(unhex)) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      hash = await sha256(NODE, other, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      hash = await sha256(NODE, hash, other);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hash : null;
}

/** A checkpoint: its text, size and root, and the signatures by key name. */
function parseNote(note) {
  const end = note.indexOf('\n\n') + 1;
  const [, size, root] = note.slice(0, end).split('\n');
  const signatures = note.slice(end + 1).split('\n').filter((line) => line.startsWith('\u2014 '))
    .map((line) => line.split(' ')).map(([, name, data]) => ({ name, data: unbase64(data) }));
  return { text: note.slice(0, end), size: Number(size), root: unbase64(root), signatures };
}

/** Whether the log's key signed the note; null where this browser cannot tell. */
async function isSigned(note, verifierKey) {
  const [, name, id, encoded] = verifierKey.match(/^([^+]+)\+([0-9a-f]{8})\+(.+)$/);
  const key = unbase64(encoded);
  const computed = hex((await sha256(bytes(`${name}\n`), key)).slice(0, 4));
  if (key[0] !== 1 || computed !== id) return false;
  const own = note.signatures.find((s) => s.name === name && hex(s.data.slice(0, 4)) === id);
  if (!own) return false;
  try {
    const imported = await crypto.subtle.importKey('raw', key.slice(1), { name: 'Ed25519' }, false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, own.data.slice(4), bytes(note.text));
  } catch {
    return null;
  }
}

async function prove(tell) {
  const leaf = await sha256(LEAF, bytes(document.getElementById('bytes').textContent));
  tell(hex(leaf) === page.dataset.leaf, 'The bytes on this page give the leaf hash.');
  const head = await get('/v1/audit/head');
  const proof = await get(`/v1/audit/proof/${position}?size=${head.size}`);
  const root = await climb(leaf, position - 1, proof.size, proof.path);
  tell(root && hex(root) === proof.root,
    `The leaf and ${count(proof.path.length)} hashes give the root over ${count(proof.size)} events.`);
  const note = parseNote(head.checkpoint);
  tell(root && note.size === proof.size && hex(note.root) === hex(root),
    'The signed checkpoint names this size and this root.');
  const signed = await isSigned(note, head.verifier_key);
  tell(signed, signed === null
    ? 'This browser cannot check the signature (Ed25519); medusa audit verify can.'
    : 'The checkpoint is signed by the key of the log.');
  return head.verifier_key;
}

button.hidden = false;
button.addEventListener('click', async () => {
  button.disabled = true;
  button.setAttribute('aria-busy', 'true');
  const steps = el('ul', { class: 'checks' });
  const results = [];
  const tell = (result, text) => {
    results.push(result);
    const [state, word] = result ? ['done', 'right'] : result === null ? ['offline', 'unknown'] : ['failed', 'wrong'];
    steps.append(el('li', {}, el('span', { class: 'badge', 'data-state': state }, word), el('span', {}, text)));
  };
  const banner = el('div', { class: 'banner' });
  try {
    if (!crypto.subtle) throw new Error('hashes can only be computed on a page that came over HTTPS or from this computer');
    const key = await prove(tell);
    const bad = results.some((result) => !result && result !== null);
    banner.className = bad ? 'banner bad' : 'banner good';
    banner.append(
      el('p', {}, el('b', {}, bad ? 'This event is not proven.' : 'Your browser has proven this event.')),
      el('p', {}, 'Key: ', el('code', {}, key), '. Compare it with the one that you noted before.'));
  } catch (error) {
    banner.className = 'banner bad';
    showRefusal(banner, 'The proof could not be checked.', error);
  }
  place.replaceChildren(steps, banner);
  button.disabled = false;
  button.removeAttribute('aria-busy');
});
