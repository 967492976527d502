// How numbers read. The same rules as on the server.

const whole = new Intl.NumberFormat('en');

export const count = (n) => whole.format(n);

/** An exact amount, a decimal string, in groups of three. */
export function credits(text) {
  const [front, places = '00'] = String(text).split('.');
  const sign = front.startsWith('-') ? '-' : '';
  return `${sign}${whole.format(BigInt(front.replace('-', '')))}.${places}`;
}

/** An amount in a column: zeros that nobody sees align it. */
export function column(node, text) {
  const places = String(text).split('.')[1]?.length ?? 0;
  node.replaceChildren(credits(text), el('i', { class: 'pad' }, '0'.repeat(Math.max(0, 6 - places))));
}

/** Micro-credits of a decimal string, as a number for bars. */
export const micros = (text) => Math.round(Number(text) * 1e6);

/** Exact sum and difference of two amounts. */
export const plus = (a, b) => decimal(big(a) + big(b));
export const minus = (a, b) => decimal(big(a) - big(b));

function big(text) {
  const [front, places = ''] = text.split('.');
  return BigInt(front + places.padEnd(6, '0'));
}

function decimal(value) {
  const text = String(value < 0n ? -value : value).padStart(7, '0');
  return `${value < 0n ? '-' : ''}${text.slice(0, -6)}.${text.slice(-6).replace(/0{1,4}$/, '')}`;
}

export function bytes(n) {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i += 1; }
  return i === 0 ? `${n} bytes` : `${n.toFixed(1)} ${units[i]}`;
}

export function fuel(n) {
  const units = ['', ' k', ' M', ' G', ' T'];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i += 1; }
  return i === 0 ? String(n) : n.toFixed(1) + units[i];
}

export function duration(seconds) {
  if (seconds < 1) return 'a second';
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** Builds an element: `el('p', { class: 'x' }, 'text', child)`. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children);
  return node;
}

/** Writes text only where it differs, so that idle pages stay idle. */
export function write(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}
