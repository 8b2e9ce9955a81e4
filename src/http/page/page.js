// Looks at /fleet about once a second and shows what it says.

import {Rates, count, drawSpark, element, keepChildren, makeSpark, percent, rate, time, timeText} from './figures.js';
import {drawField, handoffRate} from './field.js';
import {authorization, kReasons, knowModel} from './prompt.js';

const kPeriodMs = 1000;
const kHiddenPeriodMs = 10000;
const kPatienceMs = 4000;
/** Looks that a small curve goes back. */
const kSlots = 120;

const byId = (id) => document.getElementById(id);
const rates = new Rates();
const curves = new Map();
let lastSeen = 0;
let timer = 0;

// Looking

async function look() {
  clearTimeout(timer);
  try {
    const response = await fetch('fleet', {headers: authorization(), signal: AbortSignal.timeout(kPatienceMs)});
    if (response.status === 401) {
      askForKey();
    } else if (response.ok) {
      show(await response.json());
    } else {
      lose(`it answered ${response.status}`);
    }
  } catch {
    lose('it does not answer');
  }
  timer = setTimeout(look, document.hidden ? kHiddenPeriodMs : kPeriodMs);
}

document.addEventListener('visibilitychange', () => document.hidden || look());
byId('key').addEventListener('change', look);

function show(answer) {
  const {fleet} = answer;
  lastSeen = Date.now();
  rates.add(answer);
  knowModel(answer);
  byId('model').textContent = byId('model').title = answer.model;
  byId('foot').textContent = `Baton ${answer.version} · router started ${new Date(answer.started * 1000).toLocaleString()}`;
  drawState(answer);
  drawVitals(fleet);
  drawField(fleet, rates);
  drawDecisions(fleet.decisions);
  drawRatio(fleet.router);
  drawProblems(fleet.workers);
}

// How it is

function setState(state, text, notice = '') {
  byId('state').dataset.state = state;
  if (byId('state-text').textContent !== text) byId('state-text').textContent = text;
  const box = byId('notice');
  box.hidden = !notice;
  box.classList.toggle('gone', state === 'gone');
  if (notice && box.textContent !== notice) box.textContent = notice;
  byId('main').classList.toggle('stale', state === 'gone' || state === 'locked');
}

function drawState({ready, reason, draining, fleet}) {
  if (ready && !draining) {
    const there = fleet.workers.filter((worker) => worker.state === 'ready').length;
    return setState('ready', `Ready · ${count(there)} of ${count(fleet.workers.length)} workers`);
  }
  setState('unready', draining ? 'Draining' : 'Not ready', `No request can be served: ${reason || 'the router is shutting down'}.`);
}

function lose(why) {
  rates.forget();
  for (const values of curves.values()) push(values, null);
  const since = lastSeen ? ` What is shown is as it was at ${new Date(lastSeen).toLocaleTimeString()}.` : '';
  setState('gone', 'Unreachable', `The router cannot be reached: ${why}.${since} Trying again every second.`);
}

function askForKey() {
  byId('key').classList.add('wanted');
  setState('locked', 'Key wanted', 'This server asks who you are: give an API key in the box to try a prompt. It stays in this tab.');
}

// Figures with small curves

/** Outcomes that are the client's affair. */
const kNoFailures = ['finished', 'Cancelled', 'InvalidArgument'];

function push(values, value) {
  values.push(value);
  if (values.length > kSlots) values.shift();
}

function curve(name, value) {
  if (!curves.has(name)) curves.set(name, []);
  push(curves.get(name), value);
  return curves.get(name);
}

function latency(name, title, recent, windowMs) {
  const none = recent.count === 0;
  const {requests, met, wish_ms} = recent.slo;
  const share = percent(met, requests);
  const held = requests === 0 ? '' : share >= 90 ? 'yes' : 'no';
  return {
    name, title, curve: none ? null : recent.p50_ms, limit: requests > 0 ? wish_ms : 0,
    figure: none ? ['–', ''] : time(recent.p50_ms),
    note: none ? `none in ${windowMs / 1000} s` : `median; p99 ${timeText(recent.p99_ms)}`,
    held,
    slo: requests === 0 ? '' : `${held === 'yes' ? '✓' : '✕'} ${share} % within ${timeText(wish_ms)}`,
  };
}

function drawVitals({router, flows}) {
  const tokens = rates.of((fleet) => fleet.router.output_tokens);
  const handed = handoffRate(rates);
  const inFlight = flows.reduce((sum, flow) => sum + flow.in_flight, 0);
  const ended = rates.of((fleet) => Object.values(fleet.router.ended).reduce((a, b) => a + b, 0));
  const failed = rates.of((fleet) => Object.entries(fleet.router.ended)
      .reduce((sum, [outcome, n]) => sum + (kNoFailures.includes(outcome) ? 0 : n), 0));
  const vitals = [
    latency('ttft', 'Time to first token', router.ttft, router.window_ms),
    latency('tpot', 'Time per token', router.tpot, router.window_ms),
    {name: 'output', title: 'Output', curve: tokens, figure: [rate(tokens), 'tokens/s'], note: `${rate(ended)} requests/s end`},
    {name: 'requests', title: 'Requests', curve: router.running + router.waiting,
     figure: [count(router.running + router.waiting), 'under way'],
     note: failed > 0 ? `${rate(failed)}/s fail` : `${count(router.waiting)} without a token yet`},
    {name: 'handoffs', title: 'Hand-offs', curve: handed, figure: [rate(handed), 'per s'], note: `${count(inFlight)} in flight`},
  ];
  keepChildren(byId('vitals'), vitals, (vital) => vital.name, makeVital, drawVital);
}

function makeVital(vital) {
  const box = element('article', 'vital ' + vital.name);
  const figure = element('p', 'figure');
  figure.append(element('span'), element('small'));
  box.append(element('h2', '', vital.title), figure, element('p', 'note'), element('p', 'slo'), makeSpark());
  return box;
}

function drawVital(box, vital) {
  const set = (part, text) => {
    const node = box.querySelector(part);
    if (node.textContent !== text) node.textContent = text;
  };
  set('.figure span', vital.figure[0]);
  set('.figure small', vital.figure[1]);
  set('.note', vital.note);
  set('.slo', vital.slo ?? '');
  box.querySelector('.slo').dataset.held = vital.held ?? '';
  drawSpark(box.querySelector('.spark'), curve(vital.name, vital.curve), kSlots, vital.limit);
}

// Decisions and problems

const kPlaces = {remote: 'Handed over', local: 'Prefilled where it decodes'};

function drawDecisions(decisions) {
  const total = decisions.reduce((sum, decision) => sum + decision.count, 0);
  byId('why-sum').textContent = total === 0 ? '' : total === 1 ? '1 request' : `${count(total)} requests`;
  const sorted = [...decisions].filter((one) => one.count > 0).sort((a, b) => b.count - a.count);
  const items = sorted.length > 0 ? sorted : [{nothing: true, where: '', reason: ''}];
  keepChildren(byId('why'), items, (one) => `${one.where} ${one.reason}`, makeDecision, (item, one) => {
    if (one.nothing) return;
    item.querySelector('.count').firstChild.textContent = percent(one.count, total) + ' % ';
    item.querySelector('.count small').textContent = count(one.count);
    item.querySelector('.share span').style.width = (100 * one.count) / total + '%';
  });
}

function drawRatio({ratio, ratio_decision}) {
  byId('ratio').hidden = ratio !== 'auto';
  byId('ratio').textContent = `Roles follow the load. ${ratio_decision === '' ? 'They have not changed yet.' : 'Last: ' + ratio_decision + '.'}`;
}

function makeDecision({where, reason, nothing}) {
  if (nothing) return element('li', 'nothing', 'None yet: send a prompt.');
  const item = element('li', where);
  const line = element('div', 'line');
  const what = element('span', 'what');
  what.append(element('b', '', kPlaces[where] ?? where), ' · ' + reason);
  const share = element('span', 'count');
  share.append('', element('small'));
  line.append(what, share);
  const bar = element('div', 'share');
  bar.append(element('span'));
  item.append(line, bar, element('p', 'means', kReasons[reason] ?? ''));
  return item;
}

function drawProblems(workers) {
  const problems = [];
  for (const worker of workers) {
    if (worker.state === 'absent' && worker.problem) problems.push([worker.name, ' is not there: ' + worker.problem]);
    if ((worker.kv_blocks?.quarantined ?? 0) > 0) problems.push([worker.name, ` has ${count(worker.kv_blocks.quarantined)} KV blocks in quarantine`]);
    for (const {peer, problem} of worker.join_problems ?? []) problems.push([worker.name, ` is not joined with ${peer}: ${problem}`]);
  }
  byId('problems-panel').hidden = problems.length === 0;
  keepChildren(byId('problems'), problems.slice(0, 50), (problem) => problem.join(''), ([name, words]) => {
    const item = element('li');
    const text = element('span');
    text.append(element('b', '', name), words);
    item.append(text);
    return item;
  }, () => {});
}

look();
