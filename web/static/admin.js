// The verify button: everything is recomputed on the server, and the report is shown.
import { post, showRefusal } from './api.js';
import { count, el } from './words.js';

const button = document.getElementById('verify');
const report = document.getElementById('report');
button.hidden = false;

button.addEventListener('click', async () => {
  button.disabled = true;
  button.setAttribute('aria-busy', 'true');
  report.replaceChildren();
  const banner = el('div', { class: 'banner bad', role: 'status' });
  try {
    const found = await post('/v1/admin/verify');
    banner.className = found.ok ? 'banner good' : 'banner bad';
    banner.append(
      el('p', {}, el('b', {}, found.ok ? 'Everything agrees.' : 'Something disagrees.'),
        ` ${count(found.events)} events read, ${count(found.accounts)} balances recomputed, in ${count(found.ms)} ms.`),
      el('p', {}, 'Root ', el('code', {}, found.root)),
      ...found.problems.map((text) => el('p', {}, text)),
    );
  } catch (error) {
    showRefusal(banner, 'The check did not run.', error);
  }
  report.append(banner);
  button.disabled = false;
  button.removeAttribute('aria-busy');
});
