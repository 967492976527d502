// Watching an ad: its terms, the countdown that waits while nobody can see it, and the claim.
// The server's clock decides; the ring only shows it.
import { post, showRefusal } from './api.js';
import { toast } from './site.js';
import { count, credits, duration, el, micros, write } from './words.js';

const TICK_MS = 250;
/** The time left is said so often, in seconds. */
const SAY_S = 5;
/** After these a view cannot be claimed any more. */
const OVER = ['ads.offer_ended', 'ads.cap_reached', 'platform.not_found'];

const at = (id) => document.getElementById(id);
const part = (name) => document.querySelector(`[data-part="${name}"]`);
const [before, ad, watch, skip, claim, refused, paid] =
  ['before', 'ad', 'watch', 'skip', 'claim', 'refused', 'paid'].map(at);
const ring = ad.querySelector('.run');
const { title } = document;
let offer = null;
let timer = null;
let since = 0;
let leftMs = 0;
let seconds = 0;

/** Asks for the next ad and shows its terms. An open offer is given again, so asking is free. */
async function ask() {
  busy(watch, true);
  try {
    offer = await post('/v1/ads/offers');
    write(part('seconds'), duration(offer.seconds));
    write(part('reward'), credits(offer.reward));
    write(part('left'), count(offer.left_today));
    const { minutes } = part('buys').dataset;
    const buys = Math.floor((micros(offer.reward) * minutes) / 1e6);
    if (buys > 0) write(part('buys'), `credits, about ${count(buys)} core-minute${buys === 1 ? '' : 's'}`);
    busy(watch, false);
    return true;
  } catch (error) {
    const capped = error.problem?.code === 'ads.cap_reached';
    if (capped) write(part('left'), '0');
    refuse('There is no ad for you now.', error);
    busy(watch, false);
    watch.disabled = capped;
    return false;
  }
}

function busy(button, is) {
  button.disabled = is;
  if (is) button.setAttribute('aria-busy', 'true');
  else button.removeAttribute('aria-busy');
}

function refuse(lead, error) {
  const { problem } = error;
  // A wait of hours is named in hours.
  if (problem?.retry_after) problem.detail = problem.detail.replace(/\d+ s\b/, duration(problem.retry_after));
  refused.classList.toggle('bad', problem?.status !== 409);
  showRefusal(refused, lead, error);
}

function say(text) {
  write(part('told'), text);
}

function run(s) {
  seconds = s;
  leftMs = s * 1000;
  skip.hidden = false;
  claim.hidden = true;
  draw(s);
  resume();
}

function draw(left) {
  write(part('countdown'), String(left));
  ring.style.strokeDashoffset = String(1 - left / seconds);
}

function resume() {
  if (document.hidden) return;
  document.title = title;
  since = performance.now();
  timer = setInterval(tick, TICK_MS);
}

function stop() {
  clearInterval(timer);
  timer = null;
}

function tick() {
  const was = Math.ceil(leftMs / 1000);
  const now = performance.now();
  leftMs = Math.max(0, leftMs - (now - since));
  since = now;
  const left = Math.ceil(leftMs / 1000);
  if (left === was) return;
  draw(left);
  if (left === 0) ended();
  else if (left % SAY_S === 0) say(`${left} seconds left.`);
}

function ended() {
  stop();
  say('Watched to its end.');
  const focused = document.activeElement === skip;
  claim.hidden = false;
  skip.hidden = true;
  if (focused) claim.focus();
}

document.addEventListener('visibilitychange', () => {
  if (ad.hidden || leftMs === 0) return;
  if (!document.hidden) { resume(); return; }
  tick();
  stop();
  if (leftMs > 0) document.title = `Paused · ${title}`;
});

function back() {
  stop();
  ad.hidden = true;
  before.hidden = false;
}

watch.addEventListener('click', async () => {
  refused.hidden = true;
  paid.hidden = true;
  // Again, because the first offer may have ended while the page was open.
  if (!await ask()) return;
  write(at('ad-title'), offer.title);
  write(at('ad-body'), offer.body);
  at('ad-link').href = offer.link;
  claim.textContent = `Claim ${credits(offer.reward)} cr`;
  say('Skipping gives nothing.');
  before.hidden = true;
  ad.hidden = false;
  at('ad-title').focus();
  run(offer.seconds);
});

skip.addEventListener('click', () => {
  back();
  watch.focus();
  toast('Skipped: no reward, and the view is still yours today.');
});

claim.addEventListener('click', async () => {
  refused.hidden = true;
  busy(claim, true);
  try {
    const { reward, position } = await post(`/v1/ads/offers/${offer.offer}/claim`, {});
    paid.replaceChildren(el('p', {}, el('b', {}, `${credits(reward)} credits are yours.`), ' They came with ',
      el('a', { href: `/app/events/${position}` }, `event #${position}`), ' and are in your ',
      el('a', { href: '/app/wallet' }, 'wallet'), '.'));
    paid.hidden = false;
    back();
    paid.focus();
    await ask();
  } catch (error) {
    await unpaid(error);
  }
  busy(claim, false);
});

async function unpaid(error) {
  const { code, retry_after: wait } = error.problem ?? {};
  if (code === 'ads.too_early') {
    // Its clock is ahead of ours: the rest is shown, and then it can be claimed.
    say('A little longer, says the server’s clock.');
    run(wait ?? 1);
    skip.focus();
    return;
  }
  refuse('The reward was not paid.', error);
  if (!OVER.includes(code)) return;
  back();
  watch.disabled = code === 'ads.cap_reached';
  if (watch.disabled) return;
  await ask();
  watch.focus();
}

ask();
