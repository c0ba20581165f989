// What unmodified clients make of waits: OpenAI's SDK and Vercel's by themselves, of more
// than a minute, which they sit out in two visits; and any client through wait, which
// knows nothing of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { GoogleGenAI } from '@google/genai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';

import { atOnce, long, makeBusy, models, need, statuses, timed, token, translation, url, watch } from './world.mjs';

const time = need('CLIENTS_TIME_URL');
const front = need('CLIENTS_WAIT_URL');

async function post(path) {
  const response = await fetch(`${time}${path}`, { method: 'POST' });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
}

// slept is how long clients slept, in milliseconds. Pauses of a second to two minutes
// that a library makes let the world's time pass instead of ours. Longer ones are
// timeouts, and node's own are of its connections.
const slept = [];
const setTimer = globalThis.setTimeout;
globalThis.setTimeout = (fn, ms, ...args) => {
  const library = new Error().stack.split('\n')[2]?.includes('node_modules');
  if (!(library && ms >= 1000 && ms <= 120_000)) return setTimer(fn, ms, ...args);
  slept.push(ms);
  return setTimer(async () => {
    await post(`/pass?ms=${Math.ceil(ms)}`);
    fn(...args);
  }, 0);
};

const openai = (baseURL, apiKey = token) => new OpenAI({ apiKey, baseURL: `${baseURL}/openai/v1` });
const google = (baseURL, apiKey = token) => createGoogleGenerativeAI({ apiKey, baseURL: `${baseURL}/v1beta` });

const clients = {
  openai: async (base, prompt) =>
    (await openai(base).chat.completions.create({ model: models.busy, messages: [{ role: 'user', content: prompt }] })).choices[0].message.content,
  vercel: async (base, prompt) => (await generateText({ model: google(base)(models.busy), prompt })).text,
};

for (const [name, ask] of Object.entries(clients)) {
  for (const wait of [61, 90, 110]) {
    test(`${name} passes ${wait} s by itself`, async () => {
      await post(`/queue?ms=${wait * 1000}`);
      slept.length = 0;
      const seen = await watch();
      const prompt = `${name} after ${wait}`;
      assert.equal(await ask(url, prompt), translation(prompt));
      const told = slept.reduce((sum, ms) => sum + ms, 0) / 1000;
      assert.ok(Math.max(...slept) <= 59_900, `one pause of ${slept}`);
      // It may pass earlier than it was told, since those before it are in time.
      assert.ok(told > 59 && told < wait + 2, `slept ${slept}, told ${wait} s`);
      const all = statuses(await seen());
      assert.equal(all.at(-1), 200);
      assert.ok(all.length <= 3, String(all));
    });
  }
}

// Through wait nobody sees a 429, nor has a key that opens anything.
const through = {
  '@google/genai': async (prompt) =>
    (await new GoogleGenAI({ apiKey: 'placeholder', httpOptions: { baseUrl: front } }).models.generateContent({ model: models.busy, contents: prompt })).text,
  '@google/genai, streaming': async (prompt) => {
    let text = '';
    const stream = await new GoogleGenAI({ apiKey: 'placeholder', httpOptions: { baseUrl: front } }).models.generateContentStream({ model: models.busy, contents: prompt });
    for await (const chunk of stream) text += chunk.text ?? '';
    return text;
  },
  openai: async (prompt) =>
    (await openai(front, 'placeholder').chat.completions.create({ model: models.busy, messages: [{ role: 'user', content: prompt }] }, { maxRetries: 0 })).choices[0].message.content,
  'vercel, streaming': async (prompt) => streamText({ model: google(front, 'placeholder')(models.busy), prompt, maxRetries: 0 }).text,
};

for (const [name, ask] of Object.entries(through)) {
  test(`${name} through wait`, async () => {
    await makeBusy();
    const seen = await watch();
    const { took, result, error } = await timed(() => ask(`${long} ${name}`));
    assert.ifError(error);
    assert.equal(result, translation(`${long} ${name}`));
    assert.ok(took > 500, `it took ${took} ms, so nothing was waited for`);
    assert.deepEqual(statuses(await seen()), [429, 200]);
  });
}

test('a spent day passes through wait at once', async () => {
  const client = new GoogleGenAI({ apiKey: 'placeholder', httpOptions: { baseUrl: front } });
  const { took, error } = await timed(() => client.models.generateContent({ model: models.spent, contents: 'Anything left?' }));
  assert.equal(error.status, 429);
  assert.match(error.message, /PerDay/);
  assert.ok(took < atOnce, `it took ${took} ms`);
});
