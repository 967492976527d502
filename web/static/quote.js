// A quote in words and as a range: lowest, likely, and the most that it can cost.
import { bytes, count, credits, duration, el, fuel, micros } from './words.js';

/** Shows the quote; says whether the wallet covers it. */
export function showQuote(box, quote, available) {
  const most = Math.max(micros(quote.hold), 1);
  const at = (amount) => (100 * micros(amount)) / most;
  const fill = el('i');
  fill.style.left = `${at(quote.low)}%`;
  fill.style.right = '0';
  const mark = el('b');
  mark.style.left = `calc(${at(quote.likely)}% - 1px)`;
  const rows = [
    ['A chunk reads', reads(quote.split)],
    ...(quote.merging ? [['Merging', mergeRuns(quote.merging)]] : []),
    ['Time', time(quote.time)],
    ['Agents online', count(quote.agents)],
    ['Computed twice', twice(quote.twice_ppm)],
    ['Sample', `${fuel(quote.sample_fuel)} fuel`],
  ];
  const list = el('dl', { class: 'kv' });
  for (const [name, value] of rows) list.append(el('dt', {}, name), el('dd', {}, value));
  const parts = [
    el('div', { class: 'price' },
      el('span', { class: 'muted' }, 'Likely price'),
      el('p', { class: 'big num' }, credits(quote.likely), el('small', {}, 'cr')),
      el('div', { class: 'range', 'aria-hidden': 'true' }, fill, mark),
      el('p', { class: 'ends' }, el('span', {}, `from ${credits(quote.low)}`),
        el('span', { class: 'most' }, `held, at most ${credits(quote.hold)}`))),
    breakdown(quote),
    el('p', { class: 'fine' }, `${quote.split.in_words}.`),
    list,
  ];
  if (quote.sample_stderr) {
    parts.push(el('details', {}, el('summary', { class: 'fine' }, 'Standard error of the sample'),
      el('pre', { class: 'code wrap-text' }, quote.sample_stderr)));
  }
  const covered = micros(available) >= micros(quote.hold);
  if (!covered) {
    parts.push(el('div', { class: 'banner' },
      el('p', {}, `Your wallet has ${credits(available)} credits, and ${credits(quote.hold)} would be held.`
        + ' Make the job smaller, or choose economy.')));
  }
  box.replaceChildren(...parts);
  return covered;
}

const PARTS = [
  ['compute', 'computing'], ['memory', 'memory'], ['transfer', 'transfer'], ['start', 'starting chunks'],
  ['verification', 'checking'], ['fee', 'fee'],
];

/** What the likely price is made of: a stacked bar, and the same in figures. */
function breakdown({ breakdown: parts, likely }) {
  const bar = el('div', { class: 'stacked', 'aria-hidden': 'true' });
  const list = el('ul', { class: 'parts', 'aria-label': 'What the likely price is made of' });
  for (const [key, name] of PARTS) {
    const piece = el('i', { class: `part-${key}` });
    piece.style.width = `${(100 * micros(parts[key])) / Math.max(micros(likely), 1)}%`;
    bar.append(piece);
    list.append(el('li', {}, el('i', { class: `swatch part-${key}`, 'aria-hidden': 'true' }),
      el('span', {}, name), el('b', {}, credits(parts[key]))));
  }
  return el('div', { class: 'made-of' }, bar, list);
}

function reads({ bytes: all, chunks, largest }) {
  const average = Math.ceil(all / Math.max(chunks, 1));
  return largest > average ? `about ${bytes(average)}, at most ${bytes(largest)}` : bytes(average);
}

function mergeRuns({ nodes }) {
  return nodes === 1 ? 'one more run on an agent' : `${count(nodes)} more runs on agents`;
}

function time(range) {
  if (!range) return 'nobody is online: it starts when an agent comes';
  const [low, high] = [duration(range.low), duration(range.high)];
  return low === high ? `about ${low}` : `${low} to ${high}`;
}

function twice(ppm) {
  const percent = Math.ceil(ppm / 10_000);
  if (percent === 0) return 'none of the chunks';
  return percent >= 100 ? 'every chunk' : `about ${percent} % of the chunks`;
}
