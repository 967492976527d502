// A place to drop a file on, with a button that does the same, and the upload behind both. A large
// file tells how fast it goes and how long it takes, and can be paused.
import { sentence, upload } from './api.js';
import { PARTS_FROM, PartUpload } from './parts.js';
import { bytes, duration, write } from './words.js';

/** `check(file)` may find a reason against it; `done(file, blob)` after an upload; `failed(error)` otherwise. */
export function dropZone(name, { done, failed, check }) {
  const zone = document.querySelector(`[data-drop="${name}"]`);
  const field = zone.querySelector('input[type="file"]');
  const told = zone.querySelector('[data-part="told"]');
  const bar = zone.querySelector('progress');
  const hold = zone.querySelector('[data-part="pause"]');
  const wrong = document.querySelector(`[data-wrong="${name}"]`);
  let turn = 0;
  let large = null;

  function idle(is) {
    bar.toggleAttribute('data-idle', is);
    if (hold && is) hold.hidden = true;
  }

  /** In parts, with the rate of the last seconds. */
  function inParts(file, mine) {
    const marks = [];
    large = new PartUpload(file, ({ sent, state }) => {
      if (mine !== turn) return;
      bar.value = sent / file.size;
      const now = performance.now();
      if (state !== 'sending' || sent < marks.at(-1)?.sent) marks.length = 0;
      marks.push({ now, sent });
      while (marks.length > 2 && now - marks[0].now > 5000) marks.shift();
      const rate = (sent - marks[0].sent) * 1000 / Math.max(now - marks[0].now, 1);
      const percent = `${Math.floor((sent * 100) / file.size)} % of ${bytes(file.size)}`;
      write(told, {
        sending: large.paused ? `Paused at ${percent}` : rate > 0 && marks.length > 2
          ? `${percent} · ${bytes(rate)}/s · ${duration((file.size - sent) / rate)} left` : percent,
        waiting: `${percent} · the line broke; trying again`,
        joining: `All ${bytes(file.size)} are there; putting them together`,
      }[state]);
    });
    hold.hidden = false;
    write(hold, 'Pause');
    return large.run();
  }

  hold?.addEventListener('click', () => {
    if (large?.paused) { large.resume(); write(hold, 'Pause'); return; }
    large?.pause();
    write(hold, 'Go on');
    write(told, `Paused at ${Math.floor(bar.value * 100)} %. It can go on later too: choose the same file again.`);
  });

  async function take(file) {
    if (!file) return;
    const mine = (turn += 1);
    large?.drop();
    large = null;
    const complaint = (await check?.(file)) ?? (file.size === 0 ? 'this file is empty' : '');
    if (mine !== turn) return;
    wrong.textContent = complaint && sentence(complaint);
    zone.classList.remove('full');
    idle(true);
    if (complaint) { failed(); return; }
    told.textContent = `${file.name}, ${bytes(file.size)}: uploading…`;
    idle(false);
    bar.removeAttribute('value');
    const whole = (sent) => { if (mine === turn) bar.value = sent / file.size; };
    try {
      const blob = await (file.size > PARTS_FROM && hold ? inParts(file, mine) : upload(file, whole));
      const words = await done(file, blob);
      // A newer file took this one's place meanwhile.
      if (mine !== turn) return;
      zone.classList.add('full');
      told.textContent = `${file.name}, ${bytes(file.size)}. ${words}`;
      told.title = `SHA-256 ${blob.sha256}`;
    } catch (error) {
      if (mine !== turn) return;
      told.textContent = `${file.name} was not taken.`;
      wrong.textContent = sentence(error.message);
      failed(error);
    } finally {
      if (mine === turn) idle(true);
    }
  }

  field.addEventListener('change', () => { take(field.files[0]); field.value = ''; });
  zone.addEventListener('dragover', (event) => { event.preventDefault(); zone.classList.add('over'); });
  zone.addEventListener('dragleave', (event) => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove('over');
  });
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    take(event.dataTransfer.files[0]);
  });
}
