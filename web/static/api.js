// Calls of /v1 by the page's login: CSRF token, idempotency keys, refusals in words.

const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? '';

/** A refusal: `problem` is the document that the server sent. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || 'the request was refused');
    this.problem = problem;
  }
}

const unreachable = () => new Refused({
  title: 'no answer', detail: 'the server does not answer; check the connection and try again', errors: [],
});

function refusal(status, text) {
  try {
    const problem = JSON.parse(text);
    return new Refused({ errors: [], ...problem });
  } catch {
    return new Refused({ title: `status ${status}`, detail: `the server answered with status ${status}`, errors: [] });
  }
}

export async function call(method, path, body, key = crypto.randomUUID()) {
  const headers = { Accept: 'application/json' };
  if (method !== 'GET') Object.assign(headers, { 'X-CSRF-Token': csrf(), 'Idempotency-Key': key });
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw unreachable();
  }
  const text = await answer.text();
  if (!answer.ok) throw refusal(answer.status, text);
  return text ? JSON.parse(text) : null;
}

export const get = (path) => call('GET', path);
export const post = (path, body, key) => call('POST', path, body, key);

/** Sends bytes; `told` hears how many are through. `stop` is an AbortSignal. */
export function send(method, path, bytes, { headers = {}, told = () => {}, stop } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    const all = { 'Content-Type': 'application/octet-stream', 'X-CSRF-Token': csrf(), 'Idempotency-Key': crypto.randomUUID() };
    for (const [name, value] of Object.entries({ ...all, ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => told(event.loaded);
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException('stopped', 'AbortError'));
    request.onload = () => (request.status < 300
      ? resolve(JSON.parse(request.responseText))
      : reject(refusal(request.status, request.responseText)));
    stop?.addEventListener('abort', () => request.abort());
    request.send(bytes);
  });
}

/** Uploads a file as a blob, in one piece. */
export async function upload(file, told) {
  const digest = await contentDigest(file);
  return send('POST', '/v1/blobs', file, { headers: digest ? { 'Content-Digest': `sha-256=:${digest}:` } : {}, told });
}

// Above this size the digest would need the whole file in memory: the server's own has to do.
const DIGEST_BYTES_MAX = 64 * 1024 * 1024;

async function contentDigest(file) {
  if (!crypto.subtle || file.size > DIGEST_BYTES_MAX) return null;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
  return btoa(String.fromCharCode(...digest));
}

/** Puts a refusal into a banner: words, fields, and the page of its code. */
export function showRefusal(banner, lead, error) {
  const { detail, title, code, type, errors = [] } = error.problem ?? { detail: error.message };
  const strong = document.createElement('b');
  strong.textContent = lead;
  const first = document.createElement('p');
  first.append(strong, ` ${sentence(detail || title)}`);
  banner.replaceChildren(first);
  for (const field of errors) {
    const line = document.createElement('p');
    line.textContent = `${field.pointer.replace(/^\/(spec\/)?/, '')}: ${field.message}`;
    if (field.message !== detail) banner.append(line);
  }
  if (code) {
    const link = document.createElement('a');
    link.href = type || `/docs/errors/${code}`;
    link.textContent = code;
    const line = document.createElement('p');
    line.append('About ', link);
    banner.append(line);
  }
  banner.hidden = false;
}

/** Messages come in lower case without a full stop. */
export function sentence(text = '') {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
