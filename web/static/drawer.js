// One chunk in a drawer: state, copies, verdict, fuel, price, standard error.
import { get, sentence } from './api.js';
import { count, credits, el, fuel } from './words.js';

const drawer = document.getElementById('drawer');
const body = document.getElementById('drawer-body');

const VERDICTS = {
  agreed: 'copies agreed',
  refereed: 'server’s own run',
  trusted: 'trusted by record: one copy, not compared',
  unverified: 'not checked',
};
const OUTCOMES = {
  done: 'finished', trap: 'crashed (trap)', fuel_out: 'used all its fuel', memory_out: 'asked for too much memory',
  output_out: 'wrote too much', wall_out: 'ran too long', stack_out: 'overflowed its stack',
  compile_out: 'took too long to compile', table_out: 'asked for too large a table', files_out: 'had too many files',
  agent_fault: 'the agent could not run it',
};
const MARKS = { leased: 'computing' };

export async function openChunk(job, index) {
  document.getElementById('drawer-title').textContent = `Chunk ${count(index)}`;
  body.replaceChildren(el('p', { class: 'muted' }, 'One moment…'));
  if (!drawer.open) drawer.showModal();
  try {
    // The cursor of chunks is the index of the first one wanted.
    const { items } = await get(`/v1/jobs/${job}/chunks?limit=1&after=${index}`);
    const chunk = items.find((item) => item.index === index);
    if (!chunk) throw new Error('this chunk is not known yet');
    body.replaceChildren(...details(chunk), ...files(job, chunk));
  } catch (error) {
    body.replaceChildren(el('p', { class: 'wrong' }, sentence(error.message)));
  }
}

function details(chunk) {
  const mark = MARKS[chunk.state] ?? chunk.state;
  const lines = [
    ['State', el('span', {}, el('span', { class: `mark ${mark}`, 'aria-hidden': 'true' }), ` ${mark}`)],
    ['Copies handed out', count(chunk.attempts)],
    ['Verdict', verdict(chunk.verdict)],
    ['Ended', outcome(chunk.outcome)],
    ...(chunk.waiting ? [['Why it is not done', chunk.waiting]] : []),
    ['Fuel of one copy', chunk.fuel === null ? '–' : `${fuel(chunk.fuel)} (${count(chunk.fuel)})`],
    ['Price', `${credits(chunk.price)} credits`],
    ['Output', chunk.output ? el('code', {}, chunk.output) : '–'],
  ];
  const list = el('dl', { class: 'kv' });
  for (const [name, value] of lines) list.append(el('dt', {}, name), el('dd', {}, value));
  const log = chunk.stderr
    ? el('pre', { class: 'code wrap-text', tabindex: '0' }, chunk.stderr)
    : el('p', { class: 'muted' }, 'It wrote nothing to standard error.');
  return [list, el('h3', {}, 'Standard error'), log];
}

function files(job, chunk) {
  if (!chunk.output || chunk.state === 'failed') return [];
  const href = `/v1/jobs/${job}/chunks.zip?from=${chunk.index}&count=1`;
  const link = el('a', { class: 'btn small', href, download: `chunk-${chunk.index}.zip` }, 'Download its files');
  return [el('p', {}, link), el('p', { class: 'fine' }, el('code', {}, `medusa replay ${job} ${chunk.index}`),
    ' computes it again and compares it.')];
}

function verdict(found) {
  if (!found) return '–';
  return el('span', {}, el('span', { class: `mark by-${found}`, 'aria-hidden': 'true' }), ` ${VERDICTS[found] ?? found}`);
}

function outcome(found) {
  if (!found) return '–';
  return found.kind === 'exit' ? `exit status ${found.code}` : OUTCOMES[found.kind] ?? found.kind;
}

drawer.addEventListener('click', (event) => {
  if (event.target === drawer) drawer.close();
});
