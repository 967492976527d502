// A quote in words and as a range: lowest, likely, and the most that it can cost.
import { count, credits, duration, el, fuel, micros } from './words.js';

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
    ['Chunks', count(quote.split.chunks)],
    ['Time', quote.seconds === null ? 'when an agent is online' : `about ${duration(quote.seconds)}`],
    ['Agents online', count(quote.agents)],
    ['Second copies', `${credits(quote.verification)} cr`],
    ['Platform’s fee', `${credits(quote.fee)} cr`],
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
        + ' Make the job smaller, or take one copy of each chunk.')));
  }
  box.replaceChildren(...parts);
  return covered;
}
