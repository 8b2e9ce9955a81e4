// The drawing: the router, the workers, and the batons that pass between them.

import {bytes, count, element, keepChildren, percent, rate, setFacts, svgElement} from './figures.js';

const kMostPills = 14;
/** Beyond these a lane or the space between says how many more there are. */
const kMostCards = 40;
const kMostTracks = 96;
const kMostLabels = 8;

const byId = (id) => document.getElementById(id);
const byName = (a, b) => a.name.localeCompare(b.name, 'en', {numeric: true});

/** What a worker was before it went, so that it keeps its place. */
const lastRoles = new Map();
const cards = new Map();
let drawn = null;

/** Draws `fleet`; `rates` gives what grows per second. */
export function drawField(fleet, rates) {
  drawn = {fleet, rates};
  drawRouter(fleet.router, rates);
  drawLanes(fleet.workers, rates);
  drawTracks();
}

new ResizeObserver(() => drawn && drawTracks()).observe(byId('field'));

// Cards

function drawRouter(router, rates) {
  drawQueue(byId('router-queue'), router.running, router.waiting);
  byId('router-tag').textContent = count(router.running + router.waiting) + ' under way';
  const ended = rates.of((fleet) => Object.values(fleet.router.ended).reduce((a, b) => a + b, 0));
  const tokens = rates.of((fleet) => fleet.router.output_tokens);
  setFacts(byId('router-facts'), [
    [rate(ended)], ' requests/s · ', [rate(tokens)], ' tokens/s out',
  ]);
}

function drawLanes(workers, rates) {
  const lanes = {prefill: [], decode: [], mixed: [], absent: []};
  for (const worker of [...workers].sort(byName)) {
    if (worker.role) lastRoles.set(worker.name, worker.role);
    lanes[lastRoles.get(worker.name) ?? 'absent'].push(worker);
  }
  cards.clear();
  for (const lane of document.querySelectorAll('.lane')) {
    const there = lanes[lane.dataset.role];
    const split = lane.dataset.role === 'prefill' || lane.dataset.role === 'decode';
    lane.hidden = there.length === 0 && !(split && lanes.prefill.length + lanes.decode.length > 0);
    drawLane(lane.querySelector('.cards'), there, rates);
  }
}

function drawLane(box, workers, rates) {
  const shown = workers.slice(0, kMostCards);
  const items = [...shown];
  if (workers.length > shown.length) items.push({more: workers.length - shown.length});
  if (workers.length === 0) items.push({none: true});
  keepChildren(
      box, items, (item) => (item.name ? 'w ' + item.name : Object.keys(item)[0]),
      (item) => (item.name ? makeCard() : element('p', 'none')),
      (child, item) => {
        if (item.name) return drawCard(child, item, rates);
        child.textContent = item.none ? 'no worker' : `and ${count(item.more)} more`;
      });
}

function makeCard() {
  const card = element('article', 'card');
  const head = element('div', 'card-head');
  head.append(element('span', 'name'), element('span', 'tag'));
  const kv = element('div', 'kv');
  kv.setAttribute('role', 'img');
  for (const state of ['used', 'cached', 'quarantined']) kv.append(element('span', state));
  card.append(head, kv, element('div', 'queue'), element('p', 'facts speed'), element('p', 'facts memory'));
  return card;
}

function drawCard(card, worker, rates) {
  const part = (name) => card.querySelector('.' + name);
  const there = worker.state !== 'absent';
  cards.set(worker.name, {card, worker});
  card.classList.toggle('draining', worker.state === 'draining');
  part('name').textContent = worker.name;
  part('name').title = worker.name;
  part('tag').textContent = there ? (worker.state === 'draining' ? 'draining' : load(worker)) : 'not there';
  part('tag').classList.toggle('off', worker.state !== 'ready');
  card.classList.toggle('absent', !there);
  part('kv').hidden = part('queue').hidden = part('memory').hidden = !there;
  if (!there) return setFacts(part('speed'), [worker.problem || 'starting, or never seen']);
  drawKv(part('kv'), worker.kv_blocks);
  drawQueue(part('queue'), worker.running, worker.waiting);
  setFacts(part('speed'), speedOf(worker, rates));
  setFacts(part('memory'), memoryOf(worker.kv_blocks));
}

const load = (worker) => (worker.load === 1 ? '1 request' : count(worker.load) + ' requests');

function totalBlocks(blocks) {
  return Object.values(blocks).reduce((a, b) => a + b, 0);
}

function drawKv(bar, blocks) {
  const total = totalBlocks(blocks);
  for (const segment of bar.children) {
    segment.style.width = (total > 0 ? (100 * (blocks[segment.className] ?? 0)) / total : 0) + '%';
  }
  const told = ['used', 'cached', 'quarantined', 'free'].map((state) => `${percent(blocks[state] ?? 0, total)} % ${state}`);
  bar.setAttribute('aria-label', 'KV blocks: ' + told.join(', '));
  bar.title = `${count(total)} KV blocks: ` + told.join(', ');
}

function speedOf(worker, rates) {
  const mine = (fleet) => fleet.workers.find((other) => other.name === worker.name) ?? {};
  const facts = [];
  if (worker.role !== 'decode') facts.push([rate(rates.of((fleet) => mine(fleet).prompt_tokens))], ' tok/s read');
  if (worker.role === 'mixed') facts.push(' · ');
  if (worker.role !== 'prefill') facts.push([rate(rates.of((fleet) => mine(fleet).generated_tokens))], ' tok/s written');
  if (worker.prefill_tokens > 0) facts.push(' · ', [count(worker.prefill_tokens)], ' to read');
  return facts;
}

function memoryOf(blocks) {
  const total = totalBlocks(blocks);
  const facts = ['KV ', [percent(blocks.used ?? 0, total) + ' %'], ' in use'];
  if (blocks.cached > 0) facts.push(', ', [percent(blocks.cached, total) + ' %'], ' cached');
  return facts;
}

/** Running ones filled, waiting ones hollow, and in words. */
function drawQueue(box, running, waiting) {
  const key = running + ' ' + waiting;
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  if (running + waiting === 0) return box.replaceChildren(element('span', 'idle', 'idle'));
  const shownWaiting = Math.min(waiting, Math.max(kMostPills - running, kMostPills / 2));
  const shownRunning = Math.min(running, kMostPills - shownWaiting);
  const pills = [];
  for (let i = 0; i < shownRunning; ++i) pills.push(element('span', 'pill run'));
  for (let i = 0; i < shownWaiting; ++i) pills.push(element('span', 'pill wait'));
  const words = [];
  if (running > 0) words.push(count(running) + ' running');
  if (waiting > 0) words.push(count(waiting) + ' waiting');
  for (const pill of pills) pill.setAttribute('aria-hidden', 'true');
  box.replaceChildren(...pills, element('span', 'more', words.join(', ')));
}

// Tracks

/** An element's place within the field. */
function placeOf(node, origin) {
  const box = node.getBoundingClientRect();
  return {
    left: box.left - origin.left, right: box.right - origin.left,
    middle: (box.top + box.bottom) / 2 - origin.top, centre: (box.left + box.right) / 2 - origin.left,
  };
}

function drawTracks() {
  const origin = byId('field').getBoundingClientRect();
  const rails = railsOf(origin);
  const passes = passesOf(origin);
  setPaths(byId('rails'), rails.map((rail) => ({key: rail.key, d: rail.d, class: 'rail'})));
  setPaths(byId('lanes'), passes.flatMap(tracksOfPass));
  setPaths(byId('batons'), [...rails.flatMap(batonsOfRail), ...passes.flatMap(batonsOfPass)]);
  drawLabels(passes, origin);
  tellFlows(passes);
}

/** Prompts go down at the left, tokens come up at the right. */
function railsOf(origin) {
  const {rates} = drawn;
  const router = placeOf(byId('router'), origin);
  const rails = [];
  const width = origin.width;
  for (const {card, worker} of cards.values()) {
    if (worker.state === 'absent') continue;
    const place = placeOf(card, origin);
    const mine = (field) => rates.of((fleet) => fleet.workers.find((other) => other.name === worker.name)?.[field]);
    if (worker.role !== 'decode' && place.left < width / 4) {
      rails.push({key: 'in ' + worker.name, kind: 'prompts', rate: mine('prompt_tokens') / 100,
                  d: railDown(router.left, router.middle, place.left, place.middle, Math.min(12, place.left - 4))});
    }
    if (worker.role !== 'prefill' && place.right > (3 * width) / 4) {
      const edge = width - place.right;
      rails.push({key: 'out ' + worker.name, kind: 'tokens', rate: mine('generated_tokens') / 10,
                  d: railUp(place.right, place.middle, router.right, router.middle, Math.min(12, edge - 4))});
    }
  }
  return rails;
}

function railDown(fromX, fromY, toX, toY, room) {
  const x = toX - room;
  const r = Math.min(room, 10);
  return `M${fromX} ${fromY}H${x + r}Q${x} ${fromY} ${x} ${fromY + r}V${toY - r}Q${x} ${toY} ${x + r} ${toY}H${toX}`;
}

function railUp(fromX, fromY, toX, toY, room) {
  const x = fromX + room;
  const r = Math.min(room, 10);
  return `M${fromX} ${fromY}H${x - r}Q${x} ${fromY} ${x} ${fromY - r}V${toY + r}Q${x} ${toY} ${x - r} ${toY}H${toX}`;
}

/** Each pair of a prefill and a decode worker that has, had or should have to do with each other. */
function passesOf(origin) {
  const {fleet, rates} = drawn;
  const passes = new Map();
  const pass = (from, to) => {
    const a = cards.get(from);
    const b = cards.get(to);
    const key = `${from} > ${to}`;
    if (!a || !b || a.worker.state === 'absent' || b.worker.state === 'absent') return {};
    if (!passes.has(key)) passes.set(key, {key, from, to, inFlight: 0, rate: 0, d: curve(placeOf(a.card, origin), placeOf(b.card, origin))});
    return passes.get(key);
  };
  for (const flow of fleet.flows) {
    const known = (other) => other.flows.find((one) => one.from === flow.from && one.to === flow.to)?.done;
    Object.assign(pass(flow.from, flow.to), {inFlight: flow.in_flight, rate: rates.of(known)});
  }
  for (const worker of fleet.workers) {
    for (const {peer, problem} of worker.join_problems ?? []) pass(peer, worker.name).problem = problem;
    for (const peer of passes.size < kMostTracks ? worker.joined ?? [] : []) pass(peer, worker.name);
  }
  setGradient(passes, origin);
  return [...passes.values()];
}

function curve(a, b) {
  // Within one lane, after a change of roles, it goes from side to side all the same.
  const bend = Math.max(14, Math.abs(b.left - a.right) * 0.45);
  return `M${a.right} ${a.middle}C${a.right + bend} ${a.middle} ${b.left - bend} ${b.middle} ${b.left} ${b.middle}`;
}

/** In the field's own units, as a level line has no height to measure in. */
function setGradient(passes, origin) {
  const first = passes.values().next().value;
  if (!first) return;
  const gradient = byId('pass-gradient');
  gradient.setAttribute('gradientUnits', 'userSpaceOnUse');
  gradient.setAttribute('x1', placeOf(cards.get(first.from).card, origin).right);
  gradient.setAttribute('x2', placeOf(cards.get(first.to).card, origin).left);
}

const busy = (pass) => pass.inFlight > 0 || pass.rate > 0;
const widthOf = (pass) => 3 + 1.6 * Math.min(pass.inFlight, 10) + Math.min(3, Math.log2(1 + pass.rate) / 2);

function tracksOfPass(pass) {
  const track = {key: 'track ' + pass.key, d: pass.d, class: pass.problem ? 'lane-track broken' : 'lane-track'};
  if (!busy(pass)) return [track];
  return [track, {key: 'flow ' + pass.key, d: pass.d, class: 'flow', stroke: 'url(#pass-gradient)', 'stroke-width': widthOf(pass).toFixed(1)}];
}

/** Batons run evenly; how close they follow each other tells the rate. */
function baton(key, d, kind, perSecond, length) {
  const gap = perSecond > 20 ? 44 : perSecond > 5 ? 72 : perSecond > 1 ? 110 : 170;
  return {key, d, class: 'baton ' + kind, gap, length};
}

function batonsOfRail(rail) {
  if (rail.rate <= 0) return [];
  return [{...baton('baton ' + rail.key, rail.d, rail.kind, rail.rate, 7), 'stroke-width': 4}];
}

function batonsOfPass(pass) {
  if (!busy(pass)) return [];
  const made = baton('baton ' + pass.key, pass.d, 'pass', Math.max(pass.rate, pass.inFlight), 14);
  return [{...made, stroke: 'url(#pass-gradient)', 'stroke-width': Math.max(6, widthOf(pass) * 0.7).toFixed(1)}];
}

function setPaths(group, paths) {
  keepChildren(group, paths, (path) => path.key, () => svgElement('path'), (child, {key, gap, length, ...attributes}) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (child.getAttribute(name) !== String(value)) child.setAttribute(name, value);
    }
    if (!gap || child.dataset.gap === String(gap)) return;
    child.dataset.gap = gap;
    child.setAttribute('stroke-dasharray', `${length} ${gap}`);
    child.style.setProperty('--span', length + gap + 'px');
    child.style.animationDuration = ((length + gap) / 110).toFixed(2) + 's';
  });
}

// Words about the tracks

function drawLabels(passes, origin) {
  const wide = placeOf(byId('router'), origin).left > 130;
  const labels = wide ? [...railLabels(origin), ...passLabels(passes)] : [];
  keepChildren(byId('labels'), labels, (label) => label.key, () => {
    const made = element('span');
    made.append(element('small'), element('b'));
    return made;
  }, (made, label) => {
    made.className = label.kind;
    made.firstChild.textContent = label.names;
    made.lastChild.textContent = label.words;
    made.style.left = label.x + 'px';
    made.style.top = label.y + 'px';
  });
}

function railLabels(origin) {
  const router = placeOf(byId('router'), origin);
  const label = (words, x) => ({key: words, kind: 'rail-label', names: '', words, x, y: router.middle - 14});
  return [label('prompts', (router.left + 14) / 2), label('tokens', (router.right + origin.width - 14) / 2)];
}

function passLabels(passes) {
  const wanted = passes.filter((pass) => pass.problem || busy(pass)).slice(0, kMostLabels);
  const paths = new Map([...byId('lanes').children].map((path) => [path.dataset.key, path]));
  const labels = wanted.map((pass) => {
    const path = paths.get('track ' + pass.key);
    const point = path.getPointAtLength(path.getTotalLength() / 2);
    return {
      key: pass.key, kind: pass.problem ? 'trouble' : 'pass', x: point.x, y: point.y,
      names: passes.length > 1 ? `${pass.from} → ${pass.to}` : '',
      words: pass.problem ? '✕ not joined' : flowWords(pass),
    };
  });
  // Apart from each other: curves cross in the middle.
  labels.sort((a, b) => a.y - b.y);
  const height = passes.length > 1 ? 40 : 26;
  const middle = labels.reduce((sum, label) => sum + label.y, 0) / labels.length;
  for (let i = 1; i < labels.length; ++i) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + height);
  const shift = middle - labels.reduce((sum, label) => sum + label.y, 0) / labels.length;
  for (const label of labels) label.y += shift;
  return labels;
}

function flowWords(pass) {
  const words = [];
  if (pass.inFlight > 0) words.push(count(pass.inFlight) + ' in flight');
  if (pass.rate > 0) words.push(rate(pass.rate) + '/s');
  return words.join(' · ');
}

function tellFlows(passes) {
  const {fleet, rates} = drawn;
  const running = passes.filter((pass) => pass.problem || busy(pass)).slice(0, kMostTracks);
  keepChildren(byId('flows'), running, (pass) => pass.key, () => element('li'), (item, pass) => {
    const what = pass.problem ? 'not joined: ' + pass.problem : flowWords(pass);
    item.textContent = `${pass.from} to ${pass.to}: ${what}`;
  });
  const inFlight = fleet.flows.reduce((sum, flow) => sum + flow.in_flight, 0);
  const moved = rates.of((other) => other.workers.reduce((sum, worker) => sum + (worker.handoff_bytes ?? 0), 0));
  byId('handoff-sum').textContent = fleet.workers.some((worker) => worker.role === 'prefill')
      ? `${count(inFlight)} in flight · ${rate(handoffRate(rates))} hand-offs/s · ${bytes(moved)}/s of KV` : '';
}

export function handoffRate(rates) {
  return rates.of((fleet) => fleet.flows.reduce((sum, flow) => sum + flow.done, 0));
}
