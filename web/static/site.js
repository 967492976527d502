// On every page: theme switch, times in the reader's zone, copy buttons, passwords shown on wish,
// menus that close. Everything works without it, less comfortably.
import { followWallet } from './live.js';

const root = document.documentElement;

for (const form of document.querySelectorAll('[data-theme-form]')) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const theme = event.submitter?.value ?? 'system';
    const age = theme === 'system' ? 0 : 31536000;
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    document.cookie = `theme=${theme}; Path=/; SameSite=Lax; Max-Age=${age}${secure}`;
    root.dataset.theme = theme;
    for (const button of document.querySelectorAll('[data-theme-form] button')) {
      button.setAttribute('aria-pressed', String(button.value === theme));
    }
    document.dispatchEvent(new CustomEvent('medusa:theme'));
  });
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
  document.dispatchEvent(new CustomEvent('medusa:theme')));

const clock = new Intl.DateTimeFormat(root.lang, { dateStyle: 'medium', timeStyle: 'short' });
export function localTimes(part) {
  for (const time of part.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = time.dateTime;
    time.textContent = clock.format(at);
  }
}
localTimes(document);

let toastTimer;
export function toast(text) {
  const place = document.getElementById('toast');
  place.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => place.replaceChildren(), 4000);
}

for (const button of document.querySelectorAll('[data-copy]')) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      toast('Copied.');
    } catch {
      toast('The browser does not let this page copy. Select the text instead.');
    }
  });
}

for (const button of document.querySelectorAll('[data-reveal]')) {
  const field = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener('click', () => {
    const show = field.type === 'password';
    field.type = show ? 'text' : 'password';
    button.textContent = show ? 'Hide' : 'Show';
    button.setAttribute('aria-pressed', String(show));
    field.focus();
  });
}

for (const menu of document.querySelectorAll('[data-menu]')) {
  document.addEventListener('click', (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });
}

document.querySelector('[aria-invalid="true"]')?.focus();
followWallet();
