// Elements, numbers as people read them, and what happened of late.

const kSvg = 'http://www.w3.org/2000/svg';

/** An element. Its text is set as text: names come from outside. */
export function element(tag, name = '', text = '') {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

export function svgElement(tag, attributes = {}) {
  const made = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Replaces what is in `parent` by texts, and by bold ones for those within an array: ['12'], ' ms'. */
export function setFacts(parent, facts) {
  const wanted = facts.map((fact) => (Array.isArray(fact) ? '*' + fact[0] : fact)).join('');
  if (parent.dataset.facts === wanted) return;
  parent.dataset.facts = wanted;
  parent.replaceChildren(
      ...facts.map((fact) => (Array.isArray(fact) ? element('b', '', fact[0]) : fact)));
}

/** Keeps the children of `parent` one for each of `items`, in their order; `make` makes those that are new. */
export function keepChildren(parent, items, keyOf, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    let child = known.get(key);
    known.delete(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
    }
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, item);
  });
  for (const child of known.values()) child.remove();
}

export function count(value) {
  return Math.round(value).toLocaleString('en-US').replaceAll(',', '\u202f');
}

/** A rate: few are told exactly. */
export function rate(value) {
  return value === 0 || value >= 10 ? count(value) : value.toFixed(1);
}

/** [number, unit]. */
export function time(milliseconds) {
  if (milliseconds >= 10000) return [(milliseconds / 1000).toFixed(1), 's'];
  if (milliseconds >= 1000) return [(milliseconds / 1000).toFixed(2), 's'];
  if (milliseconds >= 100) return [milliseconds.toFixed(0), 'ms'];
  if (milliseconds >= 1) return [milliseconds.toFixed(1), 'ms'];
  return [milliseconds.toFixed(2), 'ms'];
}

/** '10 ms' rather than '10.0 ms'. */
export const timeText = (milliseconds) => time(milliseconds).join('\u00a0').replace(/\.0+(?=\u00a0)/, '');

export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; value >= 1000 && unit + 1 < units.length; ++unit) value /= 1000;
  return (value < 10 && unit > 0 ? value.toFixed(1) : count(value)) + '\u00a0' + units[unit];
}

export const percent = (part, whole) => (whole > 0 ? Math.round((100 * part) / whole) : 0);

/** Rates of what only grows, from the answers of the last seconds. */
export class Rates {
  static kWindowMs = 4000;
  #looks = [];

  add(answer) {
    const last = this.#looks.at(-1);
    if (last && (last.started !== answer.started || at(last) > at(answer))) this.#looks = [];
    if (last && at(last) === at(answer)) this.#looks.pop();
    this.#looks.push(answer);
    while (this.#looks.length > 2 && at(this.#looks[1]) <= at(answer) - Rates.kWindowMs) {
      this.#looks.shift();
    }
  }

  forget() {
    this.#looks = [];
  }

  /** Per second; what began anew, such as the counts of a worker that restarted, counts from zero. */
  of(read) {
    const first = this.#looks[0];
    const last = this.#looks.at(-1);
    if (!first || first === last) return 0;
    const grown = (read(last.fleet) ?? 0) - (read(first.fleet) ?? 0);
    return (1000 * Math.max(0, grown)) / (at(last) - at(first));
  }
}

const at = (answer) => answer.fleet.router.at_ms;

/** Draws the last `values`, newest at the right; null is a gap. `limit` is drawn across. */
export function drawSpark(svg, values, slots, limit = 0) {
  const known = values.filter((value) => value !== null);
  const top = Math.max(...known, limit * 1.15, 1e-9) * 1.08;
  const x = (index) => 100 - ((values.length - 1 - index) * 100) / (slots - 1);
  const y = (value) => 35 - (33 * value) / top;
  let edge = '';
  let area = '';
  for (let i = 0; i < values.length; ++i) {
    if (values[i] === null) continue;
    const from = i;
    while (i + 1 < values.length && values[i + 1] !== null) ++i;
    const points = values.slice(from, i + 1).map((value, k) => `${x(from + k).toFixed(2)} ${y(value).toFixed(2)}`);
    edge += 'M' + points.join('L');
    area += `M${x(from).toFixed(2)} 36L${points.join('L')}L${x(i).toFixed(2)} 36Z`;
  }
  svg.querySelector('.edge').setAttribute('d', edge);
  svg.querySelector('.area').setAttribute('d', area);
  svg.querySelector('.limit').setAttribute('d', limit > 0 ? `M0 ${y(limit)}H100` : '');
}

export function makeSpark() {
  const svg = svgElement('svg', {class: 'spark', viewBox: '0 0 100 36', preserveAspectRatio: 'none', 'aria-hidden': 'true'});
  svg.append(svgElement('path', {class: 'area'}), svgElement('path', {class: 'limit'}), svgElement('path', {class: 'edge'}));
  return svg;
}
