// @google/gemini-cli, not interactive. It has no call for embeddings and none
// for listing models; tokens it counts by itself when there is an image.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { imageTokens, makeBusy, models, pixel, statuses, timed, token, translation, url, watch } from './world.mjs';

const installed = fileURLToPath(new URL('node_modules/@google/gemini-cli/', import.meta.url));
let home;
let workspace;
let program;

before(async () => {
  const { bin } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  program = join(installed, bin.gemini);
  home = await mkdtemp(join(tmpdir(), 'gemini-cli-'));
  workspace = join(home, 'workspace');
  await write('.gemini/settings.json', JSON.stringify({
    // A base URL in the environment makes it think of a gateway without a key,
    // which it refuses when not interactive: the way must be chosen.
    security: { auth: { selectedType: 'gemini-api-key' } },
    general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
    privacy: { usageStatisticsEnabled: false },
    telemetry: { enabled: false },
  }));
  await write('workspace/pixel.png', Buffer.from(pixel, 'base64'));
  // The simulated Gemini names a parameter as its value.
  await write('workspace/dir_path/treasure.txt', 'found');
});

after(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));

async function write(name, content) {
  const path = join(home, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

// gemini runs it once and returns its exit code and what it printed.
function gemini(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, '--skip-trust', ...args], {
      cwd: workspace,
      env: {
        PATH: process.env.PATH,
        HOME: home,
        TMPDIR: home, // where it leaves reports of errors
        NO_COLOR: '1',
        GOOGLE_GEMINI_BASE_URL: url,
        GEMINI_API_KEY: token,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 180_000,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += data));
    child.stderr.on('data', (data) => (stderr += data));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

// answer returns what a run that must succeed printed as JSON.
async function answer(...args) {
  const { code, stdout, stderr } = await gemini('--output-format', 'json', ...args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const streams = (list) => list.filter((a) => a.path.endsWith(':streamGenerateContent'));

test('stream', async () => {
  const seen = await watch();
  const { code, stdout, stderr } = await gemini('--output-format', 'stream-json', '-m', models.roomy, '-p', 'Hello over there');
  assert.equal(code, 0, stderr);
  const events = stdout.trim().split('\n').map((line) => JSON.parse(line));
  const pieces = events.filter((e) => e.type === 'message' && e.role === 'assistant');
  assert.ok(pieces.length > 1, 'the answer came in one piece');
  assert.ok(pieces.map((e) => e.content).join('').endsWith(translation('Hello over there')));
  assert.equal(events.at(-1).status, 'success');
  const list = await seen();
  assert.deepEqual(statuses(list), [200]);
  assert.equal(streams(list).length, 1);
});

// Without -m it asks a small model how hard the question is, in one piece, and
// then streams from the model that it chose.
test('generate with the models that it chooses', async () => {
  const seen = await watch();
  const { response } = await answer('-p', 'Hello over there');
  assert.ok(response.endsWith(translation('Hello over there')), response);
  const list = await seen();
  assert.ok(list.some((a) => a.path.endsWith(':generateContent')), JSON.stringify(list));
  assert.equal(streams(list).length, 1);
  assert.ok(list.every((a) => a.status === 200), JSON.stringify(list));
});

test('tool call', async () => {
  const { response, stats } = await answer('-m', models.roomy, '-p', 'Please call list_directory');
  assert.equal(stats.tools.byName.list_directory.success, 1);
  assert.match(response, new RegExp(translation('treasure.txt')));
});

test('image and token count', async () => {
  const seen = await watch();
  const plain = await answer('-m', models.roomy, '-p', 'Describe it');
  const image = await answer('-m', models.roomy, '-p', 'Describe @pixel.png');
  const tokens = (a) => a.stats.models[models.roomy].tokens.prompt;
  assert.ok(tokens(image) - tokens(plain) >= imageTokens, 'the image was not counted');
  const counts = (await seen()).filter((a) => a.path.endsWith(':countTokens'));
  assert.deepEqual(statuses(counts), [200]);
});

// It waits for what RetryInfo says, and at least 5 s.
test('a 429 that a retry turns into success', async () => {
  await makeBusy();
  const seen = await watch();
  const { response } = await answer('-m', models.busy, '-p', 'Patience');
  assert.ok(response.endsWith(translation('Patience')), response);
  const list = streams(await seen());
  assert.deepEqual(statuses(list), [429, 200]);
  assert.ok(list.every((a) => a.path.includes(models.busy)), JSON.stringify(list));
});

test('a spent day is reported at once', async () => {
  const seen = await watch();
  let over = false;
  const running = gemini('--output-format', 'json', '-m', models.spent, '-p', 'Anything left?').finally(() => (over = true));
  // Its start takes what the machine takes; what counts is the time from the refusal on.
  while (!over && (await seen()).length === 0) await new Promise((done) => setTimeout(done, 50));
  const { took, result } = await timed(() => running);
  assert.notEqual(result.code, 0);
  assert.match(result.stdout + result.stderr, /exhausted your daily quota/);
  assert.ok(took < 30_000, `it took ${took} ms`);
  assert.deepEqual(statuses(await seen()), [429]);
});
