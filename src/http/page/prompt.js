// The box to try a prompt: asks as any client does, shows the answer, its route and its times.

import {count, element, timeText} from './figures.js';

const byId = (id) => document.getElementById(id);

/** Of the time to the first token, in order; the rest of it is the router's and the network's. */
const kStages = [
  ['reserve', 'reserve', 'reserve_ms'],
  ['queue', 'queue', 'queue_ms'],
  ['prefill', 'prefill', 'prefill_ms'],
  ['transfer', 'transfer', 'transfer_ms'],
  ['commit', 'commit', 'commit_ms'],
];

/** Why a request went where it did, as `reason` in the route. */
export const kReasons = {
  cheaper: 'it costs least, by the cost model',
  slo: 'only so the wish for TTFT is held',
  decode_full: 'no decode worker has room',
  prompt_logprobs: 'whoever answers about a prompt computes it',
  few_tokens: 'few tokens lack KV',
  mixed: 'the worker does both',
  split: 'by the roles alone',
};

let model = {model: '', chat: true};
let running = null;

/** `answer` is what /fleet said last. */
export function knowModel(answer) {
  model = answer;
}

export function authorization() {
  const key = byId('key').value.trim();
  return key ? {Authorization: 'Bearer ' + key} : {};
}

byId('try').addEventListener('submit', (event) => {
  event.preventDefault();
  if (running) return running.abort();
  ask(byId('prompt').value);
});

byId('prompt').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId('try').requestSubmit();
});

async function ask(prompt) {
  running = new AbortController();
  begin();
  const heard = {text: '', tokens: 0, sent: performance.now(), first: 0, timings: null, finish: ''};
  try {
    const response = await fetch(model.chat ? 'v1/chat/completions' : 'v1/completions', {
      method: 'POST',
      headers: {'Content-Type': 'application/json', ...authorization()},
      body: JSON.stringify(requestOf(prompt)),
      signal: running.signal,
    });
    if (!response.ok) throw new Error(await refusalOf(response));
    drawRoute(response.headers.get('x-baton-route') ?? '');
    for await (const event of eventsOf(response)) hear(event, heard);
    end(heard);
  } catch (error) {
    fail(error, heard);
  }
  running = null;
  byId('send').textContent = 'Send';
  byId('text').classList.remove('streaming');
}

function requestOf(prompt) {
  const asked = model.chat ? {messages: [{role: 'user', content: prompt}]} : {prompt};
  return {
    ...asked,
    model: model.model,
    max_tokens: Math.max(1, Number(byId('tokens').value) || 64),
    stream: true,
    stream_options: {include_usage: true},
    baton: {timings: true},
  };
}

async function refusalOf(response) {
  const text = await response.text();
  if (response.status === 401) byId('key').classList.add('wanted');
  try {
    return `${response.status}: ${JSON.parse(text).error.message}`;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

/** The data of each server-sent event. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    waiting += value;
    const events = waiting.split('\n\n');
    waiting = events.pop();
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data: ')).map((line) => line.slice(6)).join('\n');
      if (data && data !== '[DONE]') yield JSON.parse(data);
    }
  }
}

function hear(event, heard) {
  if (event.error) throw new Error(event.error.message);
  const choice = event.choices?.[0];
  const piece = choice?.delta?.content ?? choice?.delta?.reasoning_content ?? choice?.text ?? '';
  if (piece) {
    heard.first ||= performance.now();
    heard.text += piece;
    const box = byId('text');
    const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
    box.append(piece);
    if (atEnd) box.scrollTop = box.scrollHeight;
  }
  heard.finish = choice?.finish_reason ?? heard.finish;
  if (event.usage) heard.tokens = event.usage.completion_tokens;
  if (event.baton) heard.timings = event.baton;
}

// What is shown

function begin() {
  byId('answer').hidden = false;
  byId('clock').hidden = true;
  byId('key').classList.remove('wanted');
  byId('route').replaceChildren('waiting for a route…');
  byId('text').replaceChildren();
  byId('text').classList.add('streaming');
  byId('outcome').className = 'outcome';
  byId('outcome').textContent = '';
  byId('send').textContent = 'Stop';
}

function end(heard) {
  const words = [`${count(heard.tokens)} tokens`];
  if (heard.first) words.push(`first seen here after ${timeText(heard.first - heard.sent)}`);
  if (heard.finish) words.push(heard.finish === 'length' ? 'ended by the limit' : `ended by ${heard.finish}`);
  byId('outcome').textContent = words.join(' · ');
  if (heard.timings) drawTimes(heard.timings, heard.tokens);
}

function fail(error, heard) {
  const stopped = error.name === 'AbortError';
  byId('outcome').classList.toggle('failed', !stopped);
  byId('outcome').textContent = stopped ? 'stopped' : `✕ ${error.message}`;
  if (!heard.text) byId('route').replaceChildren();
}

function drawRoute(route) {
  const words = Object.fromEntries(route.split(' ').filter(Boolean).map((word) => word.split('=')));
  const stop = (name, role) => element('span', 'stop ' + role, name);
  const parts = ['router'];
  if (words.prefill) parts.push('→', stop(words.prefill, 'prefill'), '⇢', stop(words.decode ?? '', 'decode'), '→ you');
  if (words.local) parts.push('→', stop(words.local, 'mixed'), '→ you');
  if (parts.length === 1) parts.push('took it; the route came too late to be shown');
  const reason = kReasons[words.reason] ?? words.reason;
  if (reason) parts.push(`· ${reason}`);
  byId('route').replaceChildren(...parts.map((part) => (typeof part === 'string' ? element('span', '', part) : part)));
}

function drawTimes(timings, tokens) {
  const parts = kStages.map(([name, words, field]) => ({name, words, ms: timings[field] ?? 0}));
  const known = parts.reduce((sum, part) => sum + part.ms, 0);
  const rest = timings.ttft_ms - known;
  if (known === 0) {
    parts.push({name: 'prefill', words: 'queue and prefill', ms: rest});
  } else {
    parts.unshift({name: 'route', words: 'routing', ms: Math.max(0, rest)});
  }
  const decode = timings.total_ms - timings.ttft_ms;
  parts.push({name: 'decode', words: 'decode', ms: decode});
  const shown = parts.filter((part) => part.ms > 0);
  byId('clock').hidden = false;
  byId('times').replaceChildren(...shown.map((part) => {
    const bar = element('span', 's-' + part.name);
    bar.style.flexGrow = part.ms;
    return bar;
  }));
  byId('stages').replaceChildren(...shown.map((part) => {
    const item = element('li');
    item.append(element('i', 's-' + part.name), part.words + ' ', element('b', '', timeText(part.ms)));
    return item;
  }));
  const words = [`TTFT ${timeText(timings.ttft_ms)}`];
  if (tokens > 1) words.push(`TPOT ${timeText(decode / (tokens - 1))}`);
  words.push(byId('outcome').textContent);
  byId('outcome').textContent = words.join(' · ');
}
