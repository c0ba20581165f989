// What the page does by itself and with whoever uses it. The pools are made up,
// and time is put forward, so that no test waits for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accessible, eventually, looks, need, open } from './browser.mjs';

const scenarios = JSON.parse(need('PAGE_SCENARIOS'));

// start opens a scenario, and counts what is asked of /status. Its clock is put
// forward with run, and moves by nothing else: what happens by itself happens in
// its turn, and not when the machine comes to it.
async function start(name, { prepare, ...more } = {}) {
  const asked = [];
  const tab = await open(scenarios[name], looks[1], {
    ...more,
    frozen: true,
    prepare: async (page) => {
      page.on('request', (r) => r.url().endsWith('/status') && asked.push(r));
      await page.addInitScript(countUnderWay);
      await prepare?.(page);
    },
  });
  const { page } = tab;
  await page.locator('#pool .tile >> nth=3').waitFor();
  const takenIn = () => eventually(() => page.evaluate(() => globalThis.underWay === 0), 'an answer is not taken in');
  const run = async (seconds) => {
    for (let i = 0; i < seconds; i += 1) {
      await takenIn();
      await page.clock.runFor(1000);
    }
    await takenIn();
  };
  return { ...tab, asked, run };
}

// countUnderWay has the page count its questions whose answers it has yet to take
// in: until then it has not said when it will ask again.
function countUnderWay() {
  const { fetch } = globalThis;
  globalThis.underWay = 0;
  const over = () => {
    // After everything that waits for the answer, by a message: timers stand still.
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      globalThis.underWay -= 1;
      port1.close();
    };
    port2.postMessage('over');
  };
  globalThis.fetch = async (...args) => {
    globalThis.underWay += 1;
    try {
      const response = await fetch(...args);
      const text = response.text.bind(response);
      response.text = () => text().finally(over);
      return response;
    } catch (error) {
      over();
      throw error;
    }
  };
}

const hide = (page, hidden) =>
  page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

test('it asks every five seconds, and not while hidden or paused', async () => {
  const { page, asked, run, close } = await start('single');
  for (let polls = 1; polls <= 3; polls += 1) {
    await eventually(() => asked.length === polls, `${asked.length} requests, want ${polls}`);
    await page.getByText(`${polls} update`, { exact: false }).first().waitFor();
    await run(4);
    assert.equal(asked.length, polls, 'it asked before five seconds were over');
    await run(1);
  }
  await eventually(() => asked.length === 4, 'no fourth request');
  await page.getByText('4 updates, at most 24 reads').waitFor();

  await hide(page, true);
  await run(30);
  assert.equal(asked.length, 4, 'it asked while hidden');
  await hide(page, false);
  await eventually(() => asked.length === 5, 'it did not ask when shown again');

  await page.getByRole('button', { name: 'Pause' }).click();
  await page.locator('#connection').getByText('Paused').waitFor();
  await run(30);
  assert.equal(asked.length, 5, 'it asked while paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await eventually(() => asked.length === 6, 'it did not ask when resumed');
  await close();
});

test('without an answer it says so, asks less and less, and recovers', async () => {
  const { page, asked, run, close } = await start('single');
  await page.route('**/status', (route) => route.abort());
  await run(5);
  await page.locator('.banner').getByText('Fluxgate can’t be reached.').waitFor();
  await page.locator('#connection').getByText('Offline').waitFor();
  assert.equal(await page.locator('#news').textContent(), 'Fluxgate can’t be reached.');
  assert.ok(await page.locator('#board').isVisible(), 'what is known is no longer shown');
  await accessible(page, 'offline');
  const before = asked.length;
  await run(60);
  // After 5 s, 10 s and 20 s; the next is after 30 s.
  assert.equal(asked.length - before, 3, 'requests in a minute without an answer');
  await page.unroute('**/status');
  await page.getByRole('button', { name: 'Try now' }).click();
  await page.locator('#connection').getByText('Live').waitFor();
  assert.equal(await page.locator('.banner').count(), 0);
  assert.equal(await page.locator('#news').textContent(), 'Fluxgate answers again.');
  await close();
});

test('an answer that comes after its token was forgotten shows nothing', async () => {
  const { page, close } = await start('single', {
    prepare: (p) => p.addInitScript(() => sessionStorage.setItem('fluxgate-token', 'a-token')),
  });
  let release;
  const held = new Promise((done) => (release = done));
  await page.route('**/status', async (route) => {
    await held;
    await route.continue();
  });
  const asks = page.waitForRequest('**/status');
  await page.clock.runFor(5000);
  await asks;
  await page.getByRole('button', { name: 'Forget token' }).click();
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  release();
  await eventually(() => page.evaluate(() => globalThis.underWay === 0), 'no answer');
  assert.ok(await page.locator('#door').isVisible(), 'it shows the pool again');
  assert.ok(await page.locator('#board').isHidden());
  await close();
});

test('what was used is asked for again with another token', async () => {
  const { page, close } = await start('single', {
    prepare: (p) => p.addInitScript(() => sessionStorage.setItem('fluxgate-token', 'a-token')),
  });
  await page.locator('#usage tbody tr').first().waitFor();
  await page.getByRole('button', { name: 'Forget token' }).click();
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  const [from, to] = ['2026-11-28T00:00:00Z', '2026-11-29T00:00:00Z'];
  await page.route('**/usage?**', (route) =>
    route.fulfill({ json: { window: '24h', from, to, by: ['model'], rows: [], total: { requests: 0 } } }),
  );
  await page.locator('#token').fill('another-token');
  await page.locator('#token').press('Enter');
  await page.locator('#usage').getByText('Nothing was asked for in this time.').waitFor();
  assert.equal(await page.locator('#usage tbody tr').count(), 0);
  await close();
});

test('what has focus keeps it when the page is drawn again', async () => {
  const { page, run, close } = await start('pool');
  await page.getByRole('button', { name: 'Disable key 2' }).focus();
  const button = await page.evaluateHandle(() => document.activeElement);
  await run(5);
  await page.getByText('2 updates').waitFor();
  assert.ok(await button.evaluate((e) => e === document.activeElement && e.textContent === 'Disable'));
  await close();
});

test('a keyboard is enough', async () => {
  const { page, close } = await start('single');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the pool');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  // Every control is reached, and shows that it is.
  const wanted = new Set(['1M', 'Pro only', 'Validate all', 'Refresh policy', 'Disable', 'Reset', 'Plan']);
  for (let i = 0; i < 40 && wanted.size; i += 1) {
    await page.keyboard.press('Tab');
    const [text, outline] = await page.evaluate(() => [
      document.activeElement.textContent,
      getComputedStyle(document.activeElement).outlineStyle,
    ]);
    if (wanted.delete(text)) assert.equal(outline, 'solid', `${text} doesn't show its focus`);
  }
  assert.deepEqual([...wanted], []);
  await close();
});

test('a refused control is told, and locks the controls', async () => {
  const { page, complaints, close } = await start('pool');
  await page.getByRole('button', { name: 'Disable key 2' }).click();
  await page.getByRole('alert').getByText('A made-up refusal. (403 FORBIDDEN)').waitFor();
  await accessible(page, 'a refusal');
  await page.getByText('Controls need an administrator’s token.').waitFor();
  assert.equal(await page.getByRole('button', { name: /^(Disable|Enable|Reset) key/ }).count(), 0);
  await page.getByRole('button', { name: 'Dismiss' }).click();
  assert.ok(await page.locator('#failed').isHidden());
  assert.deepEqual(complaints, []);
  await close();
});

test('what can’t be undone is asked first', async () => {
  const sent = [];
  const { page, close } = await start('pool', {
    prepare: (p) =>
      p.on('request', (r) => r.method() === 'POST' && sent.push([new URL(r.url()).pathname, r.postDataJSON()])),
  });
  const reset = page.getByRole('button', { name: 'Reset key 3' });
  await reset.click();
  await page.getByRole('dialog', { name: 'Reset key 3?' }).getByText('team-cirrus').waitFor();
  await accessible(page, 'a dialog');
  await page.keyboard.press('Escape');
  assert.deepEqual(sent, []);
  await reset.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  assert.deepEqual(sent, []);
  await reset.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Reset' }).click();
  await eventually(() => sent.length === 1, 'nothing was sent');
  assert.deepEqual(sent, [['/reset', { key: 3 }]]);
  await close();
});

test('names are text, whatever they hold', async () => {
  const { page, close } = await start('long');
  await page.getByRole('heading', { name: 'näme with späces & <b>markup</b>' }).waitFor();
  await page.getByText('<img src=x onerror=alert(1)>').waitFor();
  assert.equal(await page.locator('main img, main b').count(), 0);
  await close();
});

test('keys in trouble come first where not all are shown', async () => {
  const { page, close } = await start('hundreds');
  const first = () => page.locator('#keys > li').evaluateAll((all) => all.slice(0, 3).map((li) => li.dataset.id));
  assert.deepEqual(await first(), ['61', '120', '1']);
  await page.getByRole('button', { name: 'Show all 120 keys' }).click();
  assert.deepEqual(await first(), ['1', '2', '3']);
  await close();
});

test('a limit is listed once, whenever each project learned it', async () => {
  const { page, close } = await start('pool');
  const rows = page.locator('#limits [data-id="gemini-2.5-flash"] li').filter({ hasText: 'requests a day' });
  assert.equal(await rows.count(), 1);
  assert.match(await rows.textContent(), /2 d ago/);
  await close();
});

test('many projects are folded, and found by name', async () => {
  const { page, close } = await start('fifty');
  const shown = page.locator('#calendars > .project');
  assert.equal(await shown.count(), 12);
  await page.getByRole('button', { name: 'Show all 50 projects' }).click();
  assert.equal(await shown.count(), 50);
  await page.getByLabel('Find').fill('nant-37');
  assert.equal(await shown.count(), 1);
  assert.equal(await page.locator('.project-name').textContent(), 'tenant-37');
  await page.getByRole('button', { name: 'Show all 50 keys' }).click();
  assert.equal(await page.locator('#keys > li').count(), 50);
  await close();
});

test('providers are grouped, and found by name', async () => {
  const { page, complaints, close } = await start('providers');
  const shown = (of) => page.locator(of).evaluateAll((all) => all.map((x) => x.dataset.id));
  const projects = ['provider-gemini', 'team-atlas', 'team-borealis', 'provider-anthropic', 'org-c', 'provider-groq', 'org-d', 'provider-openai', 'org-a', 'org-b'];
  assert.deepEqual(await shown('#calendars > *'), projects);
  assert.deepEqual(await shown('#keys > li'), [
    'provider-gemini', '1', '3', 'provider-anthropic', '4', 'provider-groq', '6', 'provider-openai', '2', '5',
  ]);
  await page.getByText('OpenAI says: invalid_api_key').waitFor();
  await page.getByRole('heading', { name: 'Providers’ errors today' }).waitFor();
  assert.equal(await page.getByText('not in the chain now').count(), 0);

  await page.locator('#calendars-provider').selectOption('openai');
  assert.deepEqual(await shown('#calendars > *'), ['provider-openai', 'org-a', 'org-b']);
  assert.deepEqual(await shown('#keys > li'), ['provider-openai', '2', '5']);
  assert.match(await page.locator('#pool .tile').nth(1).innerText(), /1 of 2 healthy/);
  assert.match(page.url(), /provider=openai/);
  await page.reload();
  await page.locator('#pool .tile >> nth=3').waitFor();
  assert.deepEqual(await shown('#calendars > *'), ['provider-openai', 'org-a', 'org-b'], 'the address keeps it');
  await page.locator('#calendars-provider').selectOption('');
  assert.deepEqual(await shown('#calendars > *'), projects);
  assert.deepEqual(complaints, []);
  await close();
});

test('what has limits beside a model’s minute is listed with its project', async () => {
  const { page, complaints, close } = await start('providers');
  const listed = (project) => page.locator(`.project[data-id="${project}"] .apart li`).allInnerTexts();
  const inWords = async (project) => (await listed(project)).map((text) => text.replaceAll(/\s+/g, ' ').replace(/ in \d+ (min|s).*/, ' soon'));
  assert.deepEqual(await inWords('team-atlas'), [
    'grounding with gemini-2.5-flash RPD 12 of 500',
    'image output bare 429, back soon',
  ]);
  assert.deepEqual(await inWords('org-c'), ['output tokens of anthropic/some-model Tokens 6.4k of 8k']);
  assert.deepEqual(await inWords('org-d'), ['groq/some-model in 24h Requests 14.4k of 14.4k Tokens 123k of 500k'], 'what has no limit isn’t');
  assert.deepEqual(await inWords('org-a'), []);
  assert.equal(await page.getByRole('heading', { name: 'Limits beside those of a model’s minute' }).count(), 3);
  assert.deepEqual(complaints, []);
  await close();
});

test('models without anything to draw share a line', async () => {
  const { page, close } = await start('idle');
  assert.deepEqual(await page.locator('.project[data-id="team-atlas"] .row h4').allTextContents(), ['gemini-2.5-pro']);
  await page.getByText('Idle today: gemini-2.5-flash, gemini-2.5-flash-lite.').waitFor();
  assert.equal(await page.locator('.project[data-id="team-borealis"] .row').count(), 3);
  await close();
});

test('every drawing is told in words', async () => {
  const { page, close } = await start('pool');
  const words = await page.locator('.drawing .hidden').allTextContents();
  assert.equal(words.length, 24);
  const booked =
    /^\d+ requests? with [\d,]+ tokens sent in the last two minutes; 3 bookings ahead, the first in \d+ s with 60,000 tokens\.$/;
  assert.ok(
    words.some((text) => booked.test(text)),
    words.join('\n'),
  );
  assert.ok(
    words.some((text) => /blocked until \d\d:\d\d:\d\d: the provider said 429 for the minute\.$/.test(text)),
    words.join('\n'),
  );
  await close();
});

test('the size picked is the one whose next free instant is shown', async () => {
  const { page, close } = await start('pool');
  const next = page.locator('#pool .tile').nth(0);
  assert.match(await next.locator('.big').textContent(), /^now$/);
  await next.getByRole('button', { name: '1M' }).click();
  assert.match(await next.locator('.big').textContent(), /^in 46 s$/);
  assert.equal(await next.getByRole('button', { name: '1M' }).getAttribute('aria-pressed'), 'true');
  await close();
});

test('a number of tokens is read as people write it', async () => {
  const sent = [];
  const { page, close } = await start('pool', {
    prepare: (p) => p.on('request', (r) => r.url().endsWith('/plan') && sent.push(r.postDataJSON().tokens)),
  });
  const field = page.getByLabel('Input tokens of one request');
  for (const text of ['450,000', '1.2M', '10 k', '7']) {
    await field.fill(text);
    const asks = page.waitForRequest('**/plan');
    await field.press('Enter');
    await asks;
    await page.locator('.verdict').waitFor();
  }
  for (const text of ['', 'many', '-4', '0', '1.5']) {
    await field.fill(text);
    await page.getByRole('button', { name: 'Plan' }).click();
    if (text) await page.getByText('Write a number of tokens').waitFor();
  }
  assert.deepEqual(sent, [450_000, 1_200_000, 10_000, 7]);
  await close();
});

test('without an administrator’s token there are no controls, and it says why', async () => {
  const { page, close } = await start('caller');
  await page.getByText('Controls need an administrator’s token.').waitFor();
  await page.getByText('Only an administrator sees who calls.').waitFor();
  for (const name of [/^Disable/, /^Reset/, 'Validate all', 'Pro only'])
    assert.equal(await page.getByRole('button', { name }).count(), 0);
  await close();
});

test('colours of the reader’s own leave nothing invisible', async () => {
  const { page, close } = await start('pool', { forcedColors: 'active', reducedMotion: 'reduce' });
  const [part, ground] = await page.evaluate(() => [
    getComputedStyle(document.querySelector('.bar-part')).fill,
    getComputedStyle(document.querySelector('.card')).backgroundColor,
  ]);
  assert.notEqual(part, ground);
  await accessible(page, 'forced colours');
  await close();
});
