// Results: the list as the server writes it, fetched again when the job ends, and the first rows of
// tables shown in the page.
import { count, el } from './words.js';

const ROWS_MAX = 50;
const BYTES_MAX = 64 * 1024;

/** Takes the list of results out of a fresh copy of this page. */
export function refreshResults() {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open('GET', location.pathname);
    // A document that the browser parsed: no text is made into markup here.
    request.responseType = 'document';
    request.onloadend = () => {
      const fresh = request.response?.getElementById('results');
      if (fresh) document.getElementById('results').replaceWith(document.adoptNode(fresh));
      resolve();
    };
    request.send();
  });
}

/** Fills previews of tables and texts. */
export function fillPreviews() {
  for (const file of document.querySelectorAll('.file:has([data-preview])')) {
    const place = file.querySelector('[data-preview]');
    const kind = file.dataset.type;
    if (place.childElementCount > 0 || !(kind.startsWith('text/') || kind.includes('json'))) continue;
    preview(file.dataset.src, kind, place).catch(() => place.replaceChildren());
  }
}

async function preview(src, kind, place) {
  const answer = await fetch(src, { headers: { Range: `bytes=0-${BYTES_MAX - 1}` } });
  if (!answer.ok) return;
  const text = (await answer.text()).slice(0, BYTES_MAX);
  const lines = text.split('\n');
  // The last line may have been cut.
  const cut = text.length >= BYTES_MAX;
  if (cut || lines.at(-1) === '') lines.pop();
  const more = cut || lines.length > ROWS_MAX + 1;
  const shown = lines.slice(0, ROWS_MAX + 1);
  place.replaceChildren(kind.startsWith('text/csv') ? table(shown) : el('pre', {}, shown.join('\n')));
  if (more) place.append(el('p', {}, `The first ${count(ROWS_MAX)} lines. The whole is in the file.`));
}

function table(lines) {
  const rows = lines.map(cells);
  const headed = rows.length > 1 && rows[0].every((cell) => !/^-?\d+(\.\d+)?$/.test(cell));
  const table = el('table');
  if (headed) table.append(el('thead', {}, el('tr', {}, ...rows.shift().map((cell) => el('th', { scope: 'col' }, cell)))));
  else if (rows.length > ROWS_MAX) rows.pop();
  table.append(el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map((cell) => el('td', {}, cell))))));
  return table;
}

/** The cells of one CSV line. */
function cells(line) {
  const out = [];
  for (const [, quoted, plain] of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    out.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
  }
  return out;
}
