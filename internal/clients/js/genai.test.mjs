// @google/genai, Google's own JavaScript SDK.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { ApiError, FunctionCallingConfigMode, GoogleGenAI, Type } from '@google/genai';

import { atOnce, imageTokens, long, makeBusy, models, pixel, polled, statuses, timed, token, translation, url, watch } from './world.mjs';

const ai = new GoogleGenAI({ apiKey: token, httpOptions: { baseUrl: url } });

test('generate', async () => {
  const response = await ai.models.generateContent({
    model: models.roomy,
    contents: 'Hello over there',
    config: { systemInstruction: 'Be brief.', temperature: 0.5 },
  });
  assert.equal(response.text, translation('Hello over there'));
  assert.equal(response.candidates[0].finishReason, 'STOP');
  assert.ok(response.usageMetadata.promptTokenCount > 0);
});

test('generate with the model auto', async () => {
  const response = await ai.models.generateContent({ model: models.auto, contents: 'Any model will do' });
  assert.equal(response.text, translation('Any model will do'));
  assert.equal(response.modelVersion, models.roomy);
});

test('generate under /v1/', async () => {
  const stable = new GoogleGenAI({ apiKey: token, httpOptions: { baseUrl: url, apiVersion: 'v1' } });
  const response = await stable.models.generateContent({ model: models.roomy, contents: 'The stable version' });
  assert.equal(response.text, translation('The stable version'));
});

test('stream', async () => {
  const pieces = [];
  for await (const chunk of await ai.models.generateContentStream({ model: models.roomy, contents: long })) {
    pieces.push(chunk);
  }
  assert.ok(pieces.length > 1, 'the answer came in one piece');
  assert.equal(pieces.map((p) => p.text).join(''), translation(long));
  assert.equal(pieces.at(-1).candidates[0].finishReason, 'STOP');
  assert.ok(pieces.at(-1).usageMetadata.candidatesTokenCount > 0);
});

test('count tokens', async () => {
  const few = await ai.models.countTokens({ model: models.roomy, contents: 'Hello' });
  const many = await ai.models.countTokens({ model: models.roomy, contents: long });
  assert.ok(few.totalTokens > 0 && many.totalTokens > few.totalTokens);
});

test('embed', async () => {
  const one = await ai.models.embedContent({ model: models.embedding, contents: 'red', config: { outputDimensionality: 8 } });
  const both = await ai.models.embedContent({ model: models.embedding, contents: ['red', 'blue'], config: { outputDimensionality: 8 } });
  assert.equal(both.embeddings.length, 2);
  assert.equal(both.embeddings[0].values.length, 8);
  assert.deepEqual(both.embeddings[0].values, one.embeddings[0].values);
  assert.notDeepEqual(both.embeddings[1].values, both.embeddings[0].values);
});

test('list models', async () => {
  const names = [];
  for await (const model of await ai.models.list({ config: { pageSize: 5 } })) names.push(model.name);
  for (const want of [models.auto, models.roomy, models.embedding]) assert.ok(names.includes(`models/${want}`), want);
  assert.equal(new Set(names).size, names.length, 'a model is listed twice');
});

test('get a model', async () => {
  const model = await ai.models.get({ model: models.roomy });
  assert.equal(model.name, `models/${models.roomy}`);
  assert.ok(model.inputTokenLimit > 0);
});

test('tool call', async () => {
  const config = {
    tools: [
      {
        functionDeclarations: [
          {
            name: 'get_weather',
            description: 'The weather in a city.',
            parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] },
          },
        ],
      },
    ],
    toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } },
  };
  const question = { role: 'user', parts: [{ text: 'Please call get_weather' }] };
  const first = await ai.models.generateContent({ model: models.roomy, contents: [question], config });
  const call = first.functionCalls[0];
  assert.deepEqual({ name: call.name, args: call.args }, { name: 'get_weather', args: { city: 'city' } });

  const result = { functionResponse: { id: call.id, name: call.name, response: { output: 'rain' } } };
  const second = await ai.models.generateContent({
    model: models.roomy,
    contents: [question, first.candidates[0].content, { role: 'user', parts: [result] }],
    config,
  });
  assert.match(second.text, new RegExp(translation('rain')));
});

test('image', async () => {
  const response = await ai.models.generateContent({
    model: models.roomy,
    contents: [{ role: 'user', parts: [{ text: 'What is it?' }, { inlineData: { mimeType: 'image/png', data: pixel } }] }],
  });
  assert.equal(response.text, translation('What is it?'));
  assert.ok(response.usageMetadata.promptTokenCount >= imageTokens, 'the image was not counted');
});

test('a batch to its result file', async () => {
  const request = { key: 'one', request: { contents: [{ role: 'user', parts: [{ text: 'Hello from a batch' }] }] } };
  const file = await ai.files.upload({ file: new Blob([`${JSON.stringify(request)}\n`]), config: { mimeType: 'application/jsonl' } });
  const job = await ai.batches.create({ model: models.roomy, src: { fileName: file.name }, config: { displayName: 'job' } });
  const ended = await polled(() => ai.batches.get({ name: job.name }), (j) => j.state === 'JOB_STATE_SUCCEEDED');
  const downloadPath = join(tmpdir(), `batch-${process.pid}.jsonl`);
  await ai.files.download({ file: ended.dest.fileName, downloadPath });
  const answer = JSON.parse(await readFile(downloadPath, 'utf8'));
  assert.equal(answer.key, 'one');
  assert.equal(answer.response.candidates[0].content.parts[0].text, translation('Hello from a batch'));
  const names = [];
  for await (const other of await ai.batches.list()) names.push(other.name);
  assert.ok(names.includes(job.name));
  await ai.batches.delete({ name: job.name });
  await assert.rejects(ai.batches.get({ name: job.name }), (error) => error.status === 404);
});

test('a file search store, an upload and a question', async () => {
  const store = await ai.fileSearchStores.create({ config: { displayName: 'notes' } });
  const operation = await ai.fileSearchStores.uploadToFileSearchStore({
    fileSearchStoreName: store.name,
    file: new Blob(['Bananas are yellow.']),
    config: { mimeType: 'text/plain', displayName: 'fruit' },
  });
  await polled(() => ai.operations.get({ operation }), (o) => o.done);
  const response = await ai.models.generateContent({
    model: models.roomy,
    contents: 'What is yellow?',
    config: { tools: [{ fileSearch: { fileSearchStoreNames: [store.name] } }] },
  });
  assert.equal(response.candidates[0].groundingMetadata.groundingChunks[0].retrievedContext.text, 'Bananas are yellow.');
  // What is uploaded by itself is put where it can be imported.
  const file = await ai.files.upload({ file: new Blob(['Apples are red.']), config: { mimeType: 'text/plain' } });
  await ai.fileSearchStores.importFile({ fileSearchStoreName: store.name, fileName: file.name });
  await ai.fileSearchStores.delete({ name: store.name, config: { force: true } });
});

test('a video to its end', async () => {
  const operation = await ai.models.generateVideos({ model: models.video, source: { prompt: 'a banana' } });
  const ended = await polled(() => ai.operations.getVideosOperation({ operation }), (o) => o.done);
  const downloadPath = join(tmpdir(), `video-${process.pid}.mp4`);
  await ai.files.download({ file: ended.response.generatedVideos[0], downloadPath });
  assert.equal(await readFile(downloadPath, 'utf8'), 'A video of a banana');
});

// Without retryOptions the SDK never retries. With them it backs off at its
// own pace and looks at no header, so it may be refused more than once.
const patient = new GoogleGenAI({ apiKey: token, httpOptions: { baseUrl: url, retryOptions: { attempts: 5 } } });

test('a 429 that a retry turns into success', async () => {
  await makeBusy();
  const seen = await watch();
  const response = await patient.models.generateContent({ model: models.busy, contents: 'Patience' });
  assert.equal(response.text, translation('Patience'));
  const list = statuses(await seen());
  assert.equal(list.at(0), 429);
  assert.equal(list.at(-1), 200);
});

test('a 429 that a retry turns into a stream', async () => {
  await makeBusy();
  const seen = await watch();
  let text = '';
  for await (const chunk of await patient.models.generateContentStream({ model: models.busy, contents: long })) text += chunk.text;
  assert.equal(text, translation(long));
  const list = statuses(await seen());
  assert.equal(list.at(0), 429);
  assert.equal(list.at(-1), 200);
});

test('a spent day is reported at once', async () => {
  const seen = await watch();
  const { took, error } = await timed(() => ai.models.generateContent({ model: models.spent, contents: 'Anything left?' }));
  assert.ok(error instanceof ApiError, String(error));
  assert.equal(error.status, 429);
  const body = JSON.parse(error.message).error;
  assert.equal(body.status, 'RESOURCE_EXHAUSTED');
  const quota = body.details.find((d) => d['@type'] === 'type.googleapis.com/google.rpc.QuotaFailure');
  assert.match(quota.violations[0].quotaId, /PerDay/);
  assert.ok(took < atOnce, `it took ${took} ms`);
  assert.deepEqual(statuses(await seen()), [429]);
});

test('a wrong token is refused', async () => {
  const stranger = new GoogleGenAI({ apiKey: 'not-a-token', httpOptions: { baseUrl: url } });
  const { error } = await timed(() => stranger.models.generateContent({ model: models.roomy, contents: 'Hello' }));
  assert.ok(error instanceof ApiError, String(error));
  assert.equal(error.status, 401);
  assert.equal(JSON.parse(error.message).error.status, 'UNAUTHENTICATED');
});

test('interactions: three turns, events, and one in the background', async () => {
  const say = (input, more) => ai.interactions.create({ model: models.roomy, input, ...more });
  const textOf = (turn) => turn.steps.at(-1).content.map((c) => c.text).join('');
  const first = await say('Hello');
  assert.equal(textOf(first), translation('Hello'));
  const second = await say('and then?', { previous_interaction_id: first.id });
  assert.ok(second.usage.total_input_tokens > first.usage.total_input_tokens + 3, 'what was said before counts');

  let text = '';
  const kinds = [];
  for await (const event of await say('and in the end?', { previous_interaction_id: second.id, stream: true })) {
    kinds.push(event.event_type);
    if (event.event_type === 'step.delta') text += event.delta.text;
  }
  assert.equal(text, translation('and in the end?'));
  assert.equal(kinds[0], 'interaction.created');
  assert.equal(kinds.at(-1), 'interaction.completed');

  const behind = await say('take your time', { background: true });
  assert.equal(behind.status, 'in_progress');
  assert.equal((await ai.interactions.cancel(behind.id)).status, 'cancelled');
  assert.equal((await ai.interactions.get(second.id)).id, second.id);
  await ai.interactions.delete(second.id);
  await assert.rejects(ai.interactions.get(second.id), (e) => e.status === 404 || /404|not_found/.test(String(e)));
});

// The SDK's client of the Interactions API retries by itself, when Retry-After says.
test('an interaction that sits out its wait', async () => {
  await makeBusy();
  const seen = await watch();
  const made = await ai.interactions.create({ model: models.busy, input: 'Patience' });
  assert.equal(made.steps.at(-1).content.map((c) => c.text).join(''), translation('Patience'));
  assert.deepEqual(statuses(await seen()), [429, 200]);
});

// session opens a session of the Live API, and returns it with a function that says a turn.
async function session(client, model) {
  let hear;
  const closed = {};
  closed.event = new Promise((resolve) => (closed.resolve = resolve));
  const live = await client.live.connect({
    model,
    callbacks: { onmessage: (m) => hear?.(m), onclose: (e) => closed.resolve(e), onerror: () => {} },
  });
  const say = (text) =>
    new Promise((resolve) => {
      let said = '';
      hear = (m) => {
        said += (m.serverContent?.modelTurn?.parts ?? []).map((p) => p.text).join('');
        if (m.serverContent?.turnComplete) resolve({ said, usage: m.usageMetadata });
      };
      live.sendClientContent({ turns: text });
    });
  return { live, say, closed: closed.event };
}

test('a Live session of fifty turns', async () => {
  const { live, say, closed } = await session(ai, models.auto);
  for (let i = 0; i < 50; i++) {
    const { said, usage } = await say(`Turn ${i} of a session`);
    assert.equal(said, translation(`Turn ${i} of a session`));
    assert.ok(usage.promptTokenCount > 0);
  }
  live.close();
  await closed;
});

test('a Live session with an ephemeral token', async () => {
  const alpha = new GoogleGenAI({ apiKey: token, httpOptions: { baseUrl: url, apiVersion: 'v1alpha' } });
  const minted = await alpha.authTokens.create({ config: { uses: 1 } });
  const page = new GoogleGenAI({ apiKey: minted.name, httpOptions: { baseUrl: url, apiVersion: 'v1alpha' } });
  const first = await session(page, models.live);
  assert.equal((await first.say('Hello')).said, translation('Hello'));
  first.live.close();
  await first.closed;
});

test('a Live session that is refused is closed with code and reason', async () => {
  const closed = await new Promise((resolve) => {
    void ai.live.connect({ model: 'gemini-none-live', callbacks: { onmessage: () => {}, onclose: resolve, onerror: () => {} } });
  });
  assert.equal(closed.code, 1008);
  assert.match(closed.reason, /is not found for API version/);
});
