// The form of a job's specification, and the same as JSON: each follows the other.
import { pick } from './modules.js';
import { count, el } from './words.js';

const field = (id) => document.getElementById(id);
const number = (id) => Math.trunc(Number(field(id).value)) || 0;
const chosen = (name) => document.querySelector(`#new [name="${name}"]:checked`).value;
const lines = (id) => field(id).value.split('\n').filter((line) => line !== '');
const choose = (name, value) => { document.querySelector(`#new [name="${name}"][value="${value}"]`).checked = true; };

// What each splitter takes beside a size.
const NUMBERS = {
  lines: [], csv_rows: [], jsonl: [], bytes: ['bytes'], files: ['group'], tiles: ['width', 'height', 'overlap'],
  grid: ['per_chunk'], range: ['from', 'to'], program: [],
};
// Where the size of a chunk stands, and what it counts.
const SIZES = { lines: 'lines', csv_rows: 'size', jsonl: 'size', range: 'step' };
const ITEMS = { lines: 'lines', csv_rows: 'rows', jsonl: 'JSON lines', range: 'numbers' };
const HINTS = {
  lines: 'The program reads its lines on standard input.',
  csv_rows: 'Each chunk begins with the header, the table’s first row. A line break inside quotes stays in its row.',
  jsonl: 'Each line must be one JSON value; the first that is not one is named.',
  bytes: 'Cut anywhere, also inside a line. For programs that take any bytes.',
  files: 'From a zip, tar or tar.gz file. One file is on standard input and in /in; of several, the paths are on standard input.',
  tiles: 'From a PNG, TIFF, PGM or PPM picture, as grey PGM on standard input.',
  grid: 'Every combination once, as a JSON object on a line of standard input.',
  range: 'The program reads the first number and how many there are.',
  program: 'A module reads the whole input once, on the server and for nothing, and says what the chunks are: files in /out, or lines with offset and length on standard output.',
};
const MERGES = {
  concat: 'one after the other', csv: 'rows under one header', sum: 'numbers added by key', mean: 'means by key',
  json: 'values in one JSON array', tiles: 'stitched picture', zip: 'archive, one file a chunk',
};
const PRESETS = {
  lines: [{ file: '', how: 'concat', to: 'result.txt' }],
  csv_rows: [{ file: '', how: 'csv', to: 'result.csv' }],
  jsonl: [{ file: '', how: 'concat', to: 'result.jsonl' }],
  bytes: [{ file: '', how: 'concat', to: 'result.bin' }],
  files: [{ file: '', how: 'zip', to: 'results.zip' }],
  tiles: [{ file: '', how: 'concat', to: 'result.txt' }],
  grid: [{ file: '', how: 'json', to: 'results.json' }],
  range: [{ file: '', how: 'sum', to: 'result.csv' }],
  program: [{ file: '', how: 'concat', to: 'result.txt' }],
};

/** What an input looks like, by its name and in the server's words, as the likely splitter. */
export function likelySplit(words, name) {
  if (/picture/i.test(words)) return 'tiles';
  if (/archive/i.test(words)) return 'files';
  if (/\.(jsonl|ndjson)$/i.test(name)) return 'jsonl';
  if (/\.(csv|tsv)$/i.test(name)) return 'csv_rows';
  if (/\.json$/i.test(name)) return 'grid';
  if (/text/i.test(words)) return 'lines';
  return 'bytes';
}

/** How many combinations a grid has, or what is wrong with it. */
export function combinations(text) {
  const grid = JSON.parse(text);
  const lists = grid && typeof grid === 'object' && !Array.isArray(grid) ? Object.values(grid) : [];
  if (!lists.length || lists.some((list) => !Array.isArray(list) || !list.length)) {
    throw new Error('each name needs a list of values, like {"size": [1, 2]}');
  }
  return lists.reduce((all, list) => all * list.length, 1);
}

/** About how many chunks the input makes, where its description says enough; else nothing. */
function chunksOf(split, words) {
  const found = (pattern) => words.match(pattern)?.slice(1).map((digits) => Number(digits.replaceAll(',', '')));
  const per = (items, size) => (Number.isInteger(size) && size > 0 ? Math.ceil(items / size) : null);
  switch (split.by) {
    case 'range': return per(split.to - split.from, split.step);
    case 'grid': try { return per(combinations(field('grid').value), split.per_chunk); } catch { return null; }
    case 'tiles': {
      const [width, height] = found(/picture ([0-9]+) x ([0-9]+)/) ?? [];
      return width && per(width, split.width) * per(height, split.height);
    }
    case 'files': return per(found(/archive of ([0-9,]+) file/)?.[0], split.group ?? 1);
    case 'lines': case 'jsonl': return per(found(/text of ([0-9,]+) line/)?.[0], split[SIZES[split.by]]);
    default: return null;
  }
}

export class SpecForm {
  #changed;
  #rulesTouched = false;
  #json = field('spec');

  constructor(changed) {
    this.#changed = changed;
    const form = field('new');
    form.addEventListener('input', (event) => {
      if (event.target === this.#json) return this.#fromText();
      if (event.target.name === 'source') return undefined;
      if (event.target.closest('.rule')) this.#rulesTouched = true;
      if (event.target.id === 'by') this.by(event.target.value);
      if (event.target.id === 'unit') this.#unit(event.target.value);
      return this.#told();
    });
    field('add-rule').addEventListener('click', () => {
      this.#rulesTouched = true;
      this.#addRule({ file: 'out.csv', how: 'csv', to: 'out.csv' }).querySelector('input').focus();
      this.#told();
    });
  }

  /** Another splitter, with the result files that fit it unless they were edited. */
  by(kind) {
    field('by').value = kind;
    for (const node of document.querySelectorAll('[data-by]')) node.hidden = !node.dataset.by.split(' ').includes(kind);
    field('by-hint').textContent = HINTS[kind];
    const [items, fit] = field('unit').options;
    items.textContent = ITEMS[kind] ?? 'items';
    // Numbers have no bytes to speak of.
    fit.disabled = fit.hidden = kind === 'range';
    if (fit.disabled && fit.selected) { items.selected = true; this.#unit('count'); }
    if (!this.#rulesTouched) this.#rules(PRESETS[kind]);
  }

  /** A usual amount of another unit. */
  #unit(unit) { field('amount').value = { count: 1000, bytes: 1048576, seconds: 10 }[unit]; }

  name(text) { if (!field('name').value) field('name').value = text; this.#told(); }

  /** Fills the form from a specification. */
  set(spec) {
    this.#rulesTouched = true;
    this.by(spec.split.by);
    for (const key of NUMBERS[spec.split.by]) field(key).value = spec.split[key] ?? 1;
    const size = spec.split[SIZES[spec.split.by]] ?? spec.split.size;
    if (size !== undefined) {
      const [unit, amount] = typeof size === 'object' ? Object.entries(size)[0] : ['count', size];
      field('unit').value = unit;
      field('amount').value = amount;
    }
    const own = spec.split.by === 'program' ? spec.split : {};
    pick(field('splitter'), own.program);
    field('split-args').value = (own.args ?? []).join('\n');
    this.#merger(spec.merge_by);
    field('args').value = (spec.args ?? []).join('\n');
    this.#rules(spec.merge ?? []);
    choose('copies', spec.copies ?? 2);
    choose('priority', spec.priority ?? 'standard');
    field('keep_going').checked = Boolean(spec.keep_going);
    field('memory').value = String(spec.memory_mib || 512);
    field('strict').checked = Boolean(spec.strict);
    field('name').value = spec.name ?? '';
    this.#told();
  }

  /** An empty form. */
  clear() {
    this.#rulesTouched = false;
    field('args').value = '';
    field('split-args').value = '';
    this.#merger();
    field('name').value = '';
    choose('copies', 1);
    choose('priority', 'standard');
    field('keep_going').checked = false;
    this.by('lines');
    this.#told();
  }

  get() {
    const by = field('by').value;
    const split = { by };
    for (const key of NUMBERS[by]) split[key] = number(key);
    if (by === 'files' && split.group === 1) delete split.group;
    if (by === 'program') {
      split.program = field('splitter').value;
      if (lines('split-args').length) split.args = lines('split-args');
    }
    const merger = field('merger').value;
    const unit = field('unit').value;
    if (SIZES[by]) split[SIZES[by]] = unit === 'count' ? number('amount') : { [unit]: number('amount') };
    return {
      name: field('name').value.trim(),
      args: lines('args'),
      split,
      merge: [...document.querySelectorAll('.rule')].map(readRule),
      ...(merger && { merge_by: { program: merger, args: lines('merge-args'), fan_in: number('fan_in') } }),
      copies: Number(chosen('copies')),
      memory_mib: number('memory'),
      strict: field('strict').checked,
      ...(field('keep_going').checked && { keep_going: true }),
      ...(chosen('priority') !== 'standard' && { priority: chosen('priority') }),
    };
  }

  /** The split in words; `words` is what the server says of the input. */
  inWords(words = '') {
    const { split } = this.get();
    const size = split[SIZES[split.by]];
    const item = ITEMS[split.by];
    const each = {
      bytes: `${count(split.bytes ?? 0)} bytes each`,
      files: split.group ? `${count(split.group)} files each` : 'one file each',
      tiles: `tiles of ${split.width} × ${split.height}`,
      grid: `${count(split.per_chunk ?? 0)} combination${split.per_chunk === 1 ? '' : 's'} each`,
      program: 'by your splitter; the quote says into how many chunks',
    }[split.by] ?? sized(size, item);
    const chunks = chunksOf(split, words);
    const range = split.by === 'range' ? `${count(split.from)} to ${count(split.to)}, ` : '';
    return `${range}${each}${chunks > 0 ? `: ${count(chunks)} chunk${chunks === 1 ? '' : 's'}` : ''}`;
  }

  /** The module that puts results together; without one, none. */
  #merger(by) {
    pick(field('merger'), by?.program);
    field('merge-args').value = (by?.args ?? []).join('\n');
    field('fan_in').value = by?.fan_in ?? 8;
  }

  #told() {
    for (const node of document.querySelectorAll('[data-merging]')) node.hidden = !field('merger').value;
    this.#json.value = JSON.stringify(this.get(), null, 2);
    field('grid-hint').textContent = gridInWords(field('grid').value);
    document.querySelector('[data-wrong="spec"]').textContent = '';
    this.#changed();
  }

  #fromText() {
    const wrong = document.querySelector('[data-wrong="spec"]');
    try {
      const spec = JSON.parse(this.#json.value);
      if (!NUMBERS[spec?.split?.by]) throw new Error('"split" needs "by": lines, csv_rows, jsonl, bytes, files, tiles, grid, range or program');
      const { value, selectionStart } = this.#json;
      this.set(spec);
      // What is being typed stays as it is typed.
      this.#json.value = value;
      this.#json.selectionStart = this.#json.selectionEnd = selectionStart;
      wrong.textContent = '';
    } catch (error) {
      wrong.textContent = error.message;
    }
  }

  #rules(list) {
    field('rules').replaceChildren();
    for (const rule of list) this.#addRule(rule);
  }

  #addRule(rule) {
    const select = el('select', { 'data-key': 'how' });
    for (const [value, words] of Object.entries(MERGES)) {
      select.append(el('option', { value, selected: value === rule.how }, words));
    }
    const remove = el('button', { type: 'button', class: 'btn quiet small', 'aria-label': 'Remove this result file' }, 'Remove');
    const row = el('div', { class: 'rule', 'data-sort': rule.sort ?? 0 },
      el('label', {}, 'From file in /out', el('input', { 'data-key': 'file', value: rule.file, placeholder: 'standard output' })),
      el('label', {}, 'Put together', select),
      el('label', {}, 'Result file', el('input', { 'data-key': 'to', value: rule.to })),
      remove);
    remove.addEventListener('click', () => { this.#rulesTouched = true; row.remove(); this.#told(); });
    field('rules').append(row);
    return row;
  }
}

function gridInWords(text) {
  if (!text.trim()) return '';
  try {
    const all = combinations(text);
    return `${count(all)} combination${all === 1 ? '' : 's'}.`;
  } catch (error) {
    return `Not yet: ${error.message}`;
  }
}

function sized(size, item) {
  if (size?.bytes) return `${item}, ${count(size.bytes)} bytes each at most`;
  if (size?.seconds) return `${item}, about ${count(size.seconds)} s each`;
  return `${count(Number(size) || 0)} ${item} each`;
}

function readRule(row) {
  const value = (key) => row.querySelector(`[data-key="${key}"]`).value.trim();
  const rule = { file: value('file'), how: value('how'), to: value('to') };
  const sort = Number(row.dataset.sort);
  return sort > 0 && rule.how === 'csv' ? { ...rule, sort } : rule;
}
