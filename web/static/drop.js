// A place to drop a file on, with a button that does the same, and the upload behind both.
import { sentence, upload } from './api.js';
import { bytes } from './words.js';

/** `done(file, blob)` after an upload; `failed(error)` otherwise. */
export function dropZone(name, { done, failed, check }) {
  const zone = document.querySelector(`[data-drop="${name}"]`);
  const field = zone.querySelector('input[type="file"]');
  const told = zone.querySelector('[data-part="told"]');
  const bar = zone.querySelector('progress');
  const wrong = document.querySelector(`[data-wrong="${name}"]`);
  let turn = 0;

  async function take(file) {
    if (!file) return;
    const mine = (turn += 1);
    const complaint = check?.(file) ?? (file.size === 0 ? 'this file is empty' : '');
    wrong.textContent = complaint && sentence(complaint);
    zone.classList.remove('full');
    if (complaint) { failed(); return; }
    told.textContent = `${file.name}, ${bytes(file.size)}: uploading…`;
    bar.hidden = false;
    bar.value = 0;
    try {
      const blob = await upload(file, (part) => { if (mine === turn) bar.value = part; });
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
      if (mine === turn) bar.hidden = true;
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
