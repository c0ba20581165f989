// OpenAI's and Anthropic's own SDKs for Node, in front of their own providers.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

import { makeBusy, need, statuses, timed, token, url, watch } from './world.mjs';

const openai = new OpenAI({ apiKey: token, baseURL: `${url}/openai/v1` });
const anthropic = new Anthropic({ apiKey: token, baseURL: `${url}/anthropic` });
const faults = need('CLIENTS_FAULTS_URL');
const gpt = 'gpt-5.5';
const claude = 'claude-sonnet-5';

const said = (content) => [{ role: 'user', content }];
const chat = (model, content, more) => openai.chat.completions.create({ model, messages: said(content), ...more });
const message = (model, content, more) => anthropic.messages.create({ model, max_tokens: 99, messages: said(content), ...more });

async function fault(name) {
  const response = await fetch(`${faults}/${name}`, { method: 'POST' });
  assert.ok(response.ok);
}

test('chat', async () => {
  const completion = await chat(gpt, 'Hello over there');
  assert.equal(completion.choices[0].message.content, 'Answer to: Hello over there');
  assert.ok(completion.usage.total_tokens > 0);
});

test('chat in pieces', async () => {
  let text = '';
  let usage;
  for await (const chunk of await chat(gpt, 'Hello in pieces', { stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta?.content ?? '';
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, 'Answer to: Hello in pieces');
  assert.ok(usage.total_tokens > 0);
});

test('chat with a tool', async () => {
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
  const stream = openai.chat.completions.stream({ model: gpt, messages: said('call f'), tools });
  const [call] = (await stream.finalChatCompletion()).choices[0].message.tool_calls;
  assert.equal(call.function.name, 'f');
});

test('responses', async () => {
  assert.equal((await openai.responses.create({ model: gpt, input: 'Hi' })).output_text, 'Answer to: Hi');
  const stream = openai.responses.stream({ model: gpt, input: 'Hi in pieces' });
  assert.equal((await stream.finalResponse()).output_text, 'Answer to: Hi in pieces');
});

test('embeddings', async () => {
  const both = await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['a', 'bb'] });
  assert.equal(both.data.length, 2);
});

test('models', async () => {
  const ids = async (client) => {
    const all = [];
    for await (const model of client.models.list()) all.push(model.id);
    return all;
  };
  assert.ok((await ids(openai)).some((id) => id.endsWith(gpt)));
  assert.ok((await ids(anthropic)).includes(claude));
});

test('message', async () => {
  const answer = await message(claude, 'Hello over there');
  assert.equal(answer.content[0].text, 'Answer to: Hello over there');
  assert.ok(answer.usage.input_tokens > 0);
});

test('message in pieces', async () => {
  const stream = anthropic.messages.stream({ model: claude, max_tokens: 99, messages: said('Hello in pieces') });
  const answer = await stream.finalMessage();
  assert.equal(answer.content[0].text, 'Answer to: Hello in pieces');
  assert.ok(answer.usage.output_tokens > 0);
});

test('message with a tool', async () => {
  const tools = [{ name: 'f', input_schema: { type: 'object' } }];
  const answer = await anthropic.messages.stream({ model: claude, max_tokens: 99, tools, messages: said('call f') }).finalMessage();
  assert.ok(answer.content.some((part) => part.type === 'tool_use' && part.name === 'f'));
});

test('count tokens', async () => {
  const counted = await anthropic.messages.countTokens({ model: claude, messages: said('How many?') });
  assert.ok(counted.input_tokens > 0);
});

const all = async (list) => {
  const ids = [];
  for await (const entry of await list) ids.push(entry.id);
  return ids;
};

// Of two organisations each time the one that has it.
test('responses go on', async () => {
  for (let i = 0; i < 4; i++) {
    const { id } = await openai.responses.create({ model: gpt, input: 'Hi' });
    const next = await openai.responses.create({ model: gpt, input: 'And?', previous_response_id: id });
    assert.equal(next.previous_response_id, id);
    assert.equal((await openai.responses.retrieve(id)).output_text, 'Answer to: Hi');
    await openai.responses.delete(id);
    await assert.rejects(() => openai.responses.retrieve(id), (error) => error.status === 404);
  }
});

test('files and a batch', async () => {
  const request = { custom_id: '1', method: 'POST', url: '/v1/chat/completions', body: { model: gpt, messages: said('Hello') } };
  const file = await openai.files.create({ purpose: 'batch', file: new File([`${JSON.stringify(request)}\n`], 'a.jsonl') });
  assert.ok((await all(openai.files.list())).includes(file.id));
  const { id } = await openai.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' });
  await fault('later');
  const batch = await openai.batches.retrieve(id);
  assert.ok((await all(openai.batches.list({ limit: 1 }))).includes(id));
  const output = await openai.files.content(batch.output_file_id);
  assert.ok((await output.text()).includes('Answer to: Hello'));
  await openai.files.delete(file.id);
  await assert.rejects(() => openai.files.content(file.id), (error) => error.status === 404);
});

test('files and a batch of messages', async () => {
  const file = await anthropic.beta.files.upload({ file: new File(['content'], 'a.txt', { type: 'text/plain' }) });
  assert.ok((await all(anthropic.beta.files.list())).includes(file.id));
  const content = [{ type: 'document', source: { type: 'file', file_id: file.id } }, { type: 'text', text: 'Hello' }];
  const params = { model: claude, max_tokens: 99, messages: [{ role: 'user', content }] };
  assert.equal((await anthropic.beta.messages.create(params)).content[0].text, 'Answer to: Hello');
  const { id } = await anthropic.messages.batches.create({ requests: [{ custom_id: '1', params }] });
  await fault('later');
  const texts = [];
  // It follows results_url, with its token.
  for await (const entry of await anthropic.messages.batches.results(id)) texts.push(entry.result.message.content[0].text);
  assert.deepEqual(texts, ['Answer to: Hello']);
  await anthropic.beta.files.delete(file.id);
});

test('images and audio', async () => {
  const image = await openai.images.generate({ model: 'gpt-image-1', prompt: 'a banana' });
  assert.ok(image.data[0].b64_json);
  const file = () => new File(['RIFF'], 'a.wav');
  assert.equal((await openai.audio.transcriptions.create({ model: 'openai/gpt-4o-transcribe', file: file() })).text, 'Answer to: a.wav');
  const edited = await openai.images.edit({ model: 'gpt-image-1', prompt: 'a pear', image: file() });
  assert.equal(edited.data.length, 1);
  const spoken = await openai.audio.speech.create({ model: 'gpt-4o-mini-tts', voice: 'alloy', input: 'Hello' });
  assert.equal((await spoken.arrayBuffer()).byteLength, 5);
});

// Both SDKs come back when they are told to.
for (const [name, model, ask] of [
  ['a wait of OpenAI turns into success', need('CLIENTS_BUSY_CHAT'), chat],
  ['a wait of Anthropic turns into success', need('CLIENTS_BUSY_MESSAGES'), message],
]) {
  test(name, async () => {
    const seen = await watch();
    await makeBusy(model);
    const { took, error } = await timed(() => ask(model, 'After the wait'));
    assert.ifError(error);
    assert.ok(took > 500, `it took ${took} ms`);
    assert.deepEqual(statuses(await seen()), [429, 200]);
  });
}

// Nobody has an answer; the SDK asks again by itself.
test('overloaded', async () => {
  await fault('overload');
  const seen = await watch();
  assert.equal((await message(claude, 'After 529')).content[0].text, 'Answer to: After 529');
  const codes = statuses(await seen());
  assert.equal(codes.at(-1), 200);
  assert.ok(codes.length > 1, 'it was told so');
  assert.ok(codes.slice(0, -1).every((code) => code === 529), `${codes}`);
});

// The last, for it takes a key of each away.
test('a revoked key', async () => {
  await fault('revoke');
  for (let i = 0; i < 4; i++) {
    await chat(gpt, `Without one key, ${i}`);
    await message(claude, `Without one key, ${i}`);
  }
});

test('a token that is none', async () => {
  const stranger = new Anthropic({ apiKey: 'nobody', baseURL: `${url}/anthropic`, maxRetries: 0 });
  await assert.rejects(() => stranger.models.list(), (error) => error.status === 401 && error.error.error.type === 'authentication_error');
});
