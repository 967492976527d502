// A new job: choose, upload, see the split, see the price, run. Nothing is paid before the last step.
import { get, post, sentence, showRefusal, upload } from './api.js';
import { dropZone } from './drop.js';
import { moduleField } from './modules.js';
import { showQuote } from './quote.js';
import { SpecForm, likelySplit } from './spec.js';
import { bytes, el, write } from './words.js';

const form = document.getElementById('new');
const ask = document.getElementById('ask');
const run = document.getElementById('run');
const box = document.getElementById('quote');
const refused = document.getElementById('refused');
const why = document.getElementById('why');
const grid = document.getElementById('grid');
const inputPart = document.querySelector('[data-part="own-input"]');
const inputTold = inputPart.querySelector('[data-part="told"]');
const state = { program: null, programName: '', input: null, inputName: '', inputWords: '', quote: null, key: null };
const spec = new SpecForm(changed);
const summary = (name, text) => write(document.querySelector(`.summary [data-part="${name}"]`), text);

let edits = 0;

/** What the split still needs. */
function missing(by) {
  if (by === 'program') return 'Choose the module that splits the input, or upload one.';
  if (by === 'grid') return 'Write the parameters, or upload an input.';
  return 'Upload an input first.';
}

/** Anything that changes makes the quote old. */
function changed() {
  edits += 1;
  const by = document.getElementById('by').value;
  const range = by === 'range';
  const written = by === 'grid' && grid.value.trim() !== '';
  // A splitter of one's own may make its chunks of nothing.
  const own = by === 'program';
  inputPart.hidden = range;
  summary('program', state.programName || '–');
  summary('input', range ? 'none' : written ? 'the parameters below' : state.inputName || (own ? 'none' : '–'));
  summary('split', state.program ? spec.inWords(state.inputWords) : '–');
  const cut = own ? document.getElementById('splitter').value : range || written || state.input;
  ask.disabled = !state.program || !cut;
  write(why, !state.program ? 'Choose a program first.' : !cut ? missing(by) : '');
  why.hidden = !ask.disabled;
  ask.hidden = false;
  run.hidden = true;
  refused.hidden = true;
  box.classList.toggle('stale', Boolean(state.quote));
  write(ask, state.quote ? 'Get a new quote' : 'Get the quote');
  state.quote = null;
  for (const wrong of document.querySelectorAll('[data-wrong^="/"]')) wrong.textContent = '';
  for (const field of document.querySelectorAll('[data-pointer][aria-invalid]')) field.removeAttribute('aria-invalid');
}

function source(radio) {
  for (const node of document.querySelectorAll('[data-for]')) node.hidden = node.dataset.for !== radio.value;
  for (const node of document.querySelectorAll('[data-after="source"]')) node.hidden = false;
  if (radio.value === 'example') {
    Object.assign(state, {
      program: radio.dataset.program, input: radio.dataset.input ?? null, inputWords: '',
      inputName: radio.dataset.input ? 'the example’s own' : '',
    });
    const example = JSON.parse(radio.dataset.spec);
    state.programName = example.name;
    inputTold.textContent = 'The example’s own input is used unless you give another.';
    // Records decide unless the person asks for more.
    spec.set({ ...example, copies: 1 });
  } else {
    Object.assign(state, { program: null, programName: '', input: null, inputName: '', inputWords: '' });
    inputTold.textContent = 'A picture, an archive, a table, any bytes.';
    spec.clear();
    if (radio.value === 'program') chosenProgram();
  }
}

function chosenProgram() {
  const select = document.getElementById('program');
  state.program = select.value;
  state.programName = select.selectedOptions[0].textContent.replace(/ \([^)]*\)$/, '');
  spec.name(state.programName);
  changed();
}

for (const radio of form.querySelectorAll('[name="source"]')) {
  radio.addEventListener('change', () => source(radio));
  if (radio.checked) source(radio);
}
document.getElementById('program')?.addEventListener('change', chosenProgram);

// What scripts may be run by: each with the end of a script's name.
const runtime = document.getElementById('runtime');
// Nothing is said of them where they could not be asked for.
const asked = get('/v1/runtimes').catch(() => null);
const runtimes = asked.then((list) => list ?? []);
runtimes.then((list) => {
  if (!list.length) return;
  document.querySelector('[data-part="or-script"]').hidden = false;
  write(document.querySelector('[data-part="suffixes"]'), list.map(({ suffix }) => ` or a ${suffix} script`).join(''));
  document.getElementById('program-file').accept += list.map(({ suffix }) => `,${suffix}`).join('');
  for (const { name, version } of list) runtime.append(el('option', { value: name }, `${name} ${version}`));
});

/** The runtime for a file: by the end of its name, or as chosen. Nothing for a module. */
async function runtimeFor(file) {
  const list = await runtimes;
  const fits = list.find(({ suffix }) => file.name.toLowerCase().endsWith(suffix));
  document.querySelector('[data-part="runtime"]').hidden = !fits;
  if (!fits) return undefined;
  runtime.value = fits.name;
  write(document.getElementById('runtime-hint'), fits.about);
  return fits.name;
}

/** Makes the uploaded file a program: the server inspects it, and tries it without input. */
async function addProgram(file, blob, by) {
  const name = file.name.replace(/\.[a-z0-9]+$/i, '').slice(0, 100);
  return post('/v1/programs', { sha256: blob.sha256, name, ...(by && { runtime: by }) });
}

let script = null;
runtime.addEventListener('change', async () => {
  const list = await runtimes;
  write(document.getElementById('runtime-hint'), list.find(({ name }) => name === runtime.value)?.about ?? '');
  if (!script) return;
  const wrong = document.querySelector('[data-wrong="program"]');
  wrong.textContent = '';
  try {
    state.program = (await addProgram(script.file, script.blob, runtime.value)).id;
  } catch (error) {
    state.program = null;
    wrong.textContent = sentence(error.message);
  }
  changed();
});

/** A Python script where nothing runs one: said before anything is sent. */
async function noRuntime(file) {
  const list = await asked;
  if (!list || !/\.py[cw]?$/i.test(file.name) || list.some(({ suffix }) => suffix === '.py')) return undefined;
  return 'this is a Python script, and this server offers no runtime for one; its operator can add it. What runs here now is a compiled module (.wasm)';
}

dropZone('program', {
  check: noRuntime,
  failed: () => { state.program = null; changed(); },
  done: async (file, blob) => {
    const by = await runtimeFor(file);
    script = by ? { file, blob } : null;
    const program = await addProgram(file, blob, by);
    state.program = program.id;
    state.programName = program.name;
    spec.name(program.name);
    changed();
    return by ? `${program.script.runtime} ${program.script.version} can read it.` : 'It passed inspection.';
  },
});

dropZone('input', {
  failed: () => { Object.assign(state, { input: null, inputName: '', inputWords: '' }); changed(); },
  done: async (file, blob) => {
    const own = form.querySelector('[name="source"]:checked').value !== 'example';
    const preview = await get(`/v1/blobs/${blob.sha256}/preview`);
    state.input = blob.sha256;
    state.inputName = `${file.name}, ${bytes(file.size)}`;
    state.inputWords = preview.in_words;
    if (own) spec.by(likelySplit(preview.in_words, file.name));
    changed();
    return `Looks like: ${preview.in_words}.`;
  },
});

for (const name of ['splitter', 'merger']) moduleField(name, (file, blob) => addProgram(file, blob));

async function busy(button, work) {
  button.disabled = true;
  button.setAttribute('aria-busy', 'true');
  try {
    await work();
  } finally {
    button.disabled = false;
    button.removeAttribute('aria-busy');
  }
}

/** The input of the job: parameters that were written into the form become a blob like any other. */
async function input(by) {
  const text = by === 'grid' ? grid.value.trim() : '';
  if (!text) return state.input;
  return (await upload(new File([text], 'grid.json', { type: 'application/json' }))).sha256;
}

ask.addEventListener('click', () => busy(ask, async () => {
  changed();
  const mine = edits;
  const wish = spec.get();
  const request = { program: state.program, spec: wish };
  try {
    if (wish.split.by !== 'range') request.input = await input(wish.split.by);
    const quote = await post('/v1/quotes', request);
    // The form was edited while the sample ran: this price is for something else.
    if (mine !== edits) return;
    state.quote = quote;
    state.key = crypto.randomUUID();
    box.classList.remove('stale');
    run.disabled = !showQuote(box, quote, form.dataset.available);
    run.hidden = false;
    ask.hidden = true;
    run.focus();
  } catch (error) {
    refuse('There is no quote yet.', error);
  }
}));

form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (!state.quote) { if (!ask.disabled) ask.click(); return; }
  busy(run, async () => {
    try {
      // The same key again after a lost answer: the job is made once.
      const job = await post('/v1/jobs', { quote: state.quote.id }, state.key);
      location.assign(`/app/jobs/${job.id}`);
    } catch (error) {
      // A refusal is final for its key: the next try, with more credits, is another command.
      if (error.problem?.status < 500) state.key = crypto.randomUUID();
      refuse('The job was not started.', error);
    }
  });
});

/** Beside its field where the server names one, and in words in any case. */
function refuse(lead, error) {
  showRefusal(refused, lead, error);
  for (const { pointer, message } of error.problem?.errors ?? []) {
    const key = pointer.replace(/^\/spec(?=\/)/, '');
    const node = [...document.querySelectorAll('[data-pointer]')]
      .find((field) => key === field.dataset.pointer || key.startsWith(`${field.dataset.pointer}/`));
    if (!node) continue;
    const wrong = document.querySelector(`[data-wrong="${node.dataset.pointer}"]`);
    wrong.id ||= `wrong-${node.id || 'rules'}`;
    wrong.textContent = sentence(message);
    node.setAttribute('aria-invalid', 'true');
    node.setAttribute('aria-describedby', wrong.id);
  }
  document.querySelector('[data-pointer][aria-invalid="true"]')?.focus();
}

document.addEventListener('medusa:wallet', ({ detail }) => { form.dataset.available = detail.available; });
