// ai with @ai-sdk/google, the Vercel AI SDK. It has no call for counting tokens
// and none for listing models.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { APICallError, embed, embedMany, generateObject, generateText, jsonSchema, RetryError, stepCountIs, streamText, tool } from 'ai';

import { atOnce, imageTokens, long, makeBusy, models, pixel, statuses, timed, token, translation, url, watch } from './world.mjs';

const google = createGoogleGenerativeAI({ apiKey: token, baseURL: `${url}/v1beta` });

test('generate', async () => {
  const { text, finishReason, usage } = await generateText({ model: google(models.roomy), system: 'Be brief.', prompt: 'Hello over there' });
  assert.equal(text, translation('Hello over there'));
  assert.equal(finishReason, 'stop');
  assert.ok(usage.inputTokens > 0);
});

test('generate with the model auto', async () => {
  const { text } = await generateText({ model: google(models.auto), prompt: 'Any model will do' });
  assert.equal(text, translation('Any model will do'));
});

test('generate an object', async () => {
  const schema = jsonSchema({ type: 'object', properties: { text: { type: 'string' } }, required: ['text'] });
  const { object } = await generateObject({ model: google(models.roomy), schema, prompt: 'One object' });
  assert.deepEqual(object, { text: translation('One object') });
});

test('stream', async () => {
  const result = streamText({ model: google(models.roomy), prompt: long });
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  assert.ok(pieces.length > 1, 'the answer came in one piece');
  assert.equal(pieces.join(''), translation(long));
  assert.equal(await result.finishReason, 'stop');
  assert.ok((await result.usage).outputTokens > 0);
});

test('embed', async () => {
  const model = google.embedding(models.embedding);
  const providerOptions = { google: { outputDimensionality: 8 } };
  const one = await embed({ model, value: 'red', providerOptions });
  const both = await embedMany({ model, values: ['red', 'blue'], providerOptions });
  assert.equal(both.embeddings.length, 2);
  assert.equal(both.embeddings[0].length, 8);
  assert.deepEqual(both.embeddings[0], one.embedding);
  assert.notDeepEqual(both.embeddings[1], both.embeddings[0]);
});

test('tool call', async () => {
  const asked = [];
  const { text, steps } = await generateText({
    model: google(models.roomy),
    prompt: 'Please call get_weather',
    stopWhen: stepCountIs(3),
    tools: {
      get_weather: tool({
        description: 'The weather in a city.',
        inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }),
        execute: async (input) => {
          asked.push(input);
          return 'rain';
        },
      }),
    },
  });
  assert.deepEqual(asked, [{ city: 'city' }]);
  assert.equal(steps.length, 2);
  assert.match(text, new RegExp(translation('rain')));
});

test('image', async () => {
  const { text, usage } = await generateText({
    model: google(models.roomy),
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is it?' },
          { type: 'image', image: Buffer.from(pixel, 'base64'), mediaType: 'image/png' },
        ],
      },
    ],
  });
  assert.equal(text, translation('What is it?'));
  assert.ok(usage.inputTokens >= imageTokens, 'the image was not counted');
});

// It retries twice by itself and does what retry-after-ms says up to a minute.
test('a 429 that a retry turns into success', async () => {
  await makeBusy();
  const seen = await watch();
  const { text } = await generateText({ model: google(models.busy), prompt: 'Patience' });
  assert.equal(text, translation('Patience'));
  assert.deepEqual(statuses(await seen()), [429, 200]);
});

test('a 429 that a retry turns into a stream', async () => {
  await makeBusy();
  const seen = await watch();
  let text = '';
  for await (const piece of streamText({ model: google(models.busy), prompt: long }).textStream) text += piece;
  assert.equal(text, translation(long));
  assert.deepEqual(statuses(await seen()), [429, 200]);
});

// It knows no x-should-retry and takes every 429 for one that passes. Told to
// retry nothing, it reports the day at once.
test('a spent day is reported at once', async () => {
  const seen = await watch();
  const { took, error } = await timed(() => generateText({ model: google(models.spent), prompt: 'Anything left?', maxRetries: 0 }));
  assert.ok(APICallError.isInstance(error), String(error));
  assert.equal(error.statusCode, 429);
  assert.equal(error.data.error.status, 'RESOURCE_EXHAUSTED');
  assert.match(error.responseBody, /PerDay/);
  assert.ok(took < atOnce, `it took ${took} ms`);
  assert.deepEqual(statuses(await seen()), [429]);
});

// Told nothing, it tries its two retries in vain, after 2 and 4 s, but doesn't
// believe a wait of hours.
test('a spent day is not waited for', async () => {
  const seen = await watch();
  const { took, error } = await timed(() => generateText({ model: google(models.spent), prompt: 'Still nothing?' }));
  assert.ok(RetryError.isInstance(error), String(error));
  assert.equal(error.reason, 'maxRetriesExceeded');
  assert.ok(took < 15_000, `it took ${took} ms`);
  assert.deepEqual(statuses(await seen()), [429, 429, 429]);
});

test('a wrong token is refused', async () => {
  const stranger = createGoogleGenerativeAI({ apiKey: 'not-a-token', baseURL: `${url}/v1beta` });
  const { error } = await timed(() => generateText({ model: stranger(models.roomy), prompt: 'Hello' }));
  assert.ok(APICallError.isInstance(error), String(error));
  assert.equal(error.statusCode, 401);
  assert.equal(error.data.error.status, 'UNAUTHENTICATED');
});
