// openai, OpenAI's own SDK for Node, on the OpenAI-compatible routes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import OpenAI from 'openai';

import { atOnce, imageTokens, long, makeBusy, models, pixel, statuses, timed, token, translation, url, watch } from './world.mjs';

const client = new OpenAI({ apiKey: token, baseURL: `${url}/v1beta/openai/` });

const chat = (model, content, more) => client.chat.completions.create({ model, messages: [{ role: 'user', content }], ...more });

test('generate', async () => {
  const completion = await client.chat.completions.create({
    model: models.roomy,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello over there' },
    ],
  });
  assert.equal(completion.choices[0].message.content, translation('Hello over there'));
  assert.equal(completion.choices[0].finish_reason, 'stop');
  assert.ok(completion.usage.prompt_tokens > 0);
});

test('generate with the model auto', async () => {
  const completion = await chat(models.auto, 'Any model will do');
  assert.equal(completion.choices[0].message.content, translation('Any model will do'));
  assert.equal(completion.model, models.roomy);
});

test('generate under /openai/v1/', async () => {
  const short = new OpenAI({ apiKey: token, baseURL: `${url}/openai/v1` });
  const completion = await short.chat.completions.create({ model: models.roomy, messages: [{ role: 'user', content: 'The short way' }] });
  assert.equal(completion.choices[0].message.content, translation('The short way'));
});

test('stream', async () => {
  const stream = await chat(models.roomy, long, { stream: true, stream_options: { include_usage: true } });
  const pieces = [];
  let usage;
  let finish;
  for await (const chunk of stream) {
    usage = chunk.usage ?? usage;
    finish = chunk.choices[0]?.finish_reason ?? finish;
    if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content);
  }
  assert.ok(pieces.length > 1, 'the answer came in one piece');
  assert.equal(pieces.join(''), translation(long));
  assert.equal(finish, 'stop');
  assert.ok(usage.completion_tokens > 0);
});

// The SDK asks for base64 and decodes it.
test('embed', async () => {
  const one = await client.embeddings.create({ model: models.embedding, input: 'red', dimensions: 8 });
  const both = await client.embeddings.create({ model: models.embedding, input: ['red', 'blue'], dimensions: 8 });
  assert.equal(both.data.length, 2);
  assert.equal(both.data[0].embedding.length, 8);
  assert.deepEqual(both.data[0].embedding, one.data[0].embedding);
  assert.notDeepEqual(both.data[1].embedding, both.data[0].embedding);
});

test('list models', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.equal(new Set(ids).size, ids.length, 'a model is listed twice');
  // An id is good for what it is listed for, with or without Google's prefix.
  for (const want of [models.auto, models.roomy]) {
    const id = ids.find((i) => i === want || i === `models/${want}`);
    assert.ok(id, want);
    assert.equal((await client.models.retrieve(id)).id, id);
    assert.equal((await chat(id, 'From the list')).choices[0].message.content, translation('From the list'));
  }
});

test('tool call', async () => {
  const tools = [
    {
      type: 'function',
      function: {
        name: 'get_weather',
        description: 'The weather in a city.',
        parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    },
  ];
  const messages = [{ role: 'user', content: 'Please call get_weather' }];
  const first = await client.chat.completions.create({ model: models.roomy, messages, tools });
  assert.equal(first.choices[0].finish_reason, 'tool_calls');
  const call = first.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, 'get_weather');
  assert.deepEqual(JSON.parse(call.function.arguments), { city: 'city' });

  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'rain' });
  const second = await client.chat.completions.create({ model: models.roomy, messages, tools });
  assert.equal(second.choices[0].message.content, translation('rain'));
});

test('image', async () => {
  const completion = await chat(models.roomy, [
    { type: 'text', text: 'What is it?' },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } },
  ]);
  assert.equal(completion.choices[0].message.content, translation('What is it?'));
  assert.ok(completion.usage.prompt_tokens >= imageTokens, 'the image was not counted');
});

test('generate an image', async () => {
  const images = await client.images.generate({ model: models.picture, prompt: 'a banana', n: 2, response_format: 'b64_json' });
  assert.equal(images.data.length, 2);
  assert.equal(images.data[0].b64_json, pixel);
});

test('what only OpenAI has is said at once', async () => {
  for (const call of [
    () => client.responses.create({ model: models.roomy, input: 'Hello' }),
    () => client.audio.speech.create({ model: models.roomy, voice: 'alloy', input: 'Hello' }),
  ]) {
    const { error, took } = await timed(call);
    assert.equal(error.status, 501);
    assert.match(error.message, /OpenAI itself has/);
    assert.ok(took < atOnce, `${took} ms`);
  }
});

// The SDK retries twice by itself and does what retry-after-ms says, so one
// retry at the right moment is all that it takes.
for (const stream of [false, true]) {
  test(`a 429 that a retry turns into ${stream ? 'a stream' : 'success'}`, async () => {
    await makeBusy();
    const seen = await watch();
    let text = '';
    if (stream) {
      for await (const chunk of await chat(models.busy, long, { stream })) text += chunk.choices[0]?.delta.content ?? '';
    } else {
      text = (await chat(models.busy, long)).choices[0].message.content;
    }
    assert.equal(text, translation(long));
    assert.deepEqual(statuses(await seen()), [429, 200]);
  });
}

// It would sleep until midnight if x-should-retry did not stop it: it knows no
// longest wait.
test('a spent day is reported at once', async () => {
  const seen = await watch();
  const { took, error } = await timed(() => chat(models.spent, 'Anything left?'));
  assert.ok(error instanceof OpenAI.RateLimitError, String(error));
  assert.equal(error.status, 429);
  assert.equal(error.headers.get('x-should-retry'), 'false');
  assert.ok(Number(error.headers.get('retry-after')) > 60);
  // What it finds in a body of OpenAI's shape.
  assert.equal(typeof error.error.message, 'string');
  assert.equal(typeof error.type, 'string');
  assert.ok(error.message.includes(error.error.message), error.message);
  assert.ok(took < atOnce, `it took ${took} ms`);
  assert.deepEqual(statuses(await seen()), [429]);
});

test('a wrong token is refused', async () => {
  const stranger = client.withOptions({ apiKey: 'not-a-token' });
  const call = stranger.chat.completions.create({ model: models.roomy, messages: [{ role: 'user', content: 'Hello' }] });
  const { error } = await timed(() => call);
  assert.ok(error instanceof OpenAI.AuthenticationError, String(error));
  assert.equal(error.status, 401);
  assert.equal(typeof error.error.message, 'string');
});
