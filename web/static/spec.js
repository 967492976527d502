// The form of a job's specification, and the same as JSON: each follows the other.
import { count, el } from './words.js';

const field = (id) => document.getElementById(id);
const number = (id) => Math.trunc(Number(field(id).value)) || 0;

const NUMBERS = {
  lines: ['lines'], bytes: ['bytes'], files: [], tiles: ['width', 'height', 'overlap'], range: ['from', 'to', 'step'],
};
const MERGES = {
  concat: 'one after the other', csv: 'rows under one header', sum: 'numbers added by key',
  tiles: 'stitched picture', zip: 'archive, one file a chunk',
};
const PRESETS = {
  lines: [{ file: '', how: 'concat', to: 'result.txt' }],
  bytes: [{ file: '', how: 'concat', to: 'result.bin' }],
  files: [{ file: '', how: 'zip', to: 'results.zip' }],
  tiles: [{ file: '', how: 'concat', to: 'result.txt' }],
  range: [{ file: '', how: 'sum', to: 'result.csv' }],
};

/** What an input looks like, in the server's words, as the likely splitter. */
export function likelySplit(words) {
  if (/picture|png/i.test(words)) return 'tiles';
  if (/archive|zip|tar/i.test(words)) return 'files';
  if (/text|csv/i.test(words)) return 'lines';
  return 'bytes';
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
    for (const node of document.querySelectorAll('[data-by]')) node.hidden = node.dataset.by !== kind;
    if (!this.#rulesTouched) this.#rules(PRESETS[kind]);
  }

  name(text) { if (!field('name').value) field('name').value = text; this.#told(); }

  /** Fills the form from a specification. */
  set(spec) {
    this.#rulesTouched = true;
    this.by(spec.split.by);
    for (const key of NUMBERS[spec.split.by]) field(key).value = spec.split[key];
    field('args').value = (spec.args ?? []).join('\n');
    this.#rules(spec.merge ?? []);
    field('copies').value = String(spec.copies ?? 2);
    field('memory').value = String(spec.memory_mib || 512);
    field('strict').checked = Boolean(spec.strict);
    field('name').value = spec.name ?? '';
    this.#told();
  }

  /** An empty form. */
  clear() {
    this.#rulesTouched = false;
    field('args').value = '';
    field('name').value = '';
    this.by('lines');
    this.#told();
  }

  get() {
    const by = field('by').value;
    const split = { by };
    for (const key of NUMBERS[by]) split[key] = number(key);
    return {
      name: field('name').value.trim(),
      args: field('args').value.split('\n').filter((line) => line !== ''),
      split,
      merge: [...document.querySelectorAll('.rule')].map(readRule),
      copies: number('copies'),
      memory_mib: number('memory'),
      strict: field('strict').checked,
    };
  }

  inWords() {
    const { split } = this.get();
    return {
      lines: `${count(split.lines ?? 0)} lines each`,
      bytes: `${count(split.bytes ?? 0)} bytes each`,
      files: 'one file each',
      tiles: `tiles of ${split.width} × ${split.height}`,
      range: `${count(split.from ?? 0)} to ${count(split.to ?? 0)}`,
    }[split.by];
  }

  #told() {
    this.#json.value = JSON.stringify(this.get(), null, 2);
    document.querySelector('[data-wrong="spec"]').textContent = '';
    this.#changed();
  }

  #fromText() {
    const wrong = document.querySelector('[data-wrong="spec"]');
    try {
      const spec = JSON.parse(this.#json.value);
      if (!NUMBERS[spec?.split?.by]) throw new Error('"split" needs "by": lines, bytes, files, tiles or range');
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

function readRule(row) {
  const value = (key) => row.querySelector(`[data-key="${key}"]`).value.trim();
  const rule = { file: value('file'), how: value('how'), to: value('to') };
  const sort = Number(row.dataset.sort);
  return sort > 0 && rule.how === 'csv' ? { ...rule, sort } : rule;
}
