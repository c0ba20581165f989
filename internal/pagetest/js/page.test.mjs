// The page in front of the whole of Fluxgate and a simulated Gemini.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { accessible, eventually, fits, looks, need, open, settled } from './browser.mjs';

const url = need('PAGE_URL');
const other = need('PAGE_OTHER'); // another instance, over the same database
const control = need('PAGE_CONTROL');
const tokens = { caller: need('PAGE_CALLER_TOKEN'), admin: need('PAGE_ADMIN_TOKEN') };
const images = process.env.PAGE_IMAGES; // those of the readme
const pictures = process.env.PAGE_PICTURES; // to be looked at

const pro = 'gemini-2.5-pro';

// fluxgate calls the API as a program would.
async function fluxgate(method, path, body, { headers, at = url } = {}) {
  const response = await fetch(at + path, {
    method,
    headers: { 'Content-Type': 'application/json', 'X-Fluxgate-Token': tokens.admin, ...headers },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, json: await response.json() };
}

const status = async (at = url) => (await fluxgate('GET', '/status', undefined, { at })).json;

async function move(what) {
  const response = await fetch(`${control}/${what}`, { method: 'POST' });
  assert.ok(response.ok, await response.text());
}

// enter opens the page and lets it in.
async function enter(token, more) {
  const tab = await open(url, looks[1], more);
  await tab.page.getByRole('textbox', { name: 'Token' }).fill(token);
  await tab.page.getByRole('button', { name: 'Show the pool' }).click();
  await tab.page.locator('#keys > li').first().waitFor();
  return tab;
}

const tab = await enter(tokens.admin);
const { page } = tab;

const key = (index) => page.locator(`#keys > li[data-id="${index}"]`);
const row = (project, model) => page.locator(`.project[data-id="${project}"] .row[data-id="${model}"]`);

// The pictures of the readme are of this pool. They show as much as fits a
// screen or two.
test('readable and accessible in every look', async () => {
  for (const look of looks) {
    const shown = await open(url, look, {
      prepare: (p) => p.addInitScript((t) => sessionStorage.setItem('fluxgate-token', t), tokens.admin),
    });
    await shown.page.setViewportSize({ width: look.width, height: look.width < 500 ? 1500 : 1350 });
    await shown.page.locator('#keys > li').first().waitFor();
    await settled(shown.page);
    await fits(shown.page, look.name);
    if (pictures) await shown.page.screenshot({ path: join(pictures, `page-${look.name}.png`), fullPage: true });
    if (images) await shown.page.screenshot({ path: join(images, `page-${look.name}.png`) });
    await accessible(shown.page, look.name);
    assert.deepEqual(shown.complaints, []);
    await shown.close();
  }
});

test('the door: no token, a wrong one, a caller’s, and forgetting it', async () => {
  const { page: door, complaints, close } = await open(url, looks[0]);
  await door.getByRole('heading', { name: 'A token is needed' }).waitFor();
  assert.ok(await door.locator('#board').isHidden());
  await accessible(door, 'the door');
  const sent = [];
  door.on('request', (r) => sent.push(r));
  for (const wrong of ['not-a-token-of-this-one', 'naïve token']) {
    await door.getByRole('textbox', { name: 'Token' }).fill(wrong);
    await door.getByRole('button', { name: 'Show the pool' }).click();
    await door.locator('#door-error:not(:empty)').waitFor();
    assert.ok(await door.locator('#board').isHidden());
  }
  await door.getByRole('textbox', { name: 'Token' }).fill(tokens.caller);
  await door.keyboard.press('Enter');
  await door.getByText('Controls need an administrator’s token.').waitFor();
  assert.equal(await door.getByRole('button', { name: 'Disable key 1' }).count(), 0);

  const last = sent.at(-1);
  assert.equal((await last.allHeaders())['x-fluxgate-token'], tokens.caller);
  assert.ok(
    sent.every((r) => !r.url().includes(tokens.caller)),
    'the token is in an address',
  );
  assert.equal(await door.evaluate(() => localStorage.length + document.cookie.length), 0);
  await door.reload();
  await door.locator('#keys > li').first().waitFor(); // a reload keeps it
  await door.getByRole('button', { name: 'Forget token' }).click();
  await door.getByRole('heading', { name: 'A token is needed' }).waitFor();
  assert.equal(await door.evaluate(() => sessionStorage.length), 0);
  assert.equal((await door.locator('#keys > li').count()) && (await door.locator('#board').isVisible()), false);
  assert.deepEqual(complaints, []);
  await close();
});

test('a token that is no longer accepted leads back to the door', async () => {
  // By itself it would find out too, and then there is no button to be pressed.
  const { page: door, close } = await enter(tokens.admin, { frozen: true });
  await door.evaluate(() => sessionStorage.setItem('fluxgate-token', 'was-good-until-a-moment-ago'));
  await door.getByRole('button', { name: 'Validate all' }).click();
  await door.locator('#door-error').getByText('That token wasn’t accepted.').waitFor();
  assert.ok(await door.locator('#board').isHidden());
  assert.equal(await door.evaluate(() => sessionStorage.length), 0);
  await close();
});

test('the pool is what /status says', async () => {
  const { keys, projects, model_chain: chain } = await status();
  assert.equal(await page.locator('#keys > li').count(), keys.length);
  for (const k of keys) {
    await key(k.key_index).getByText(k.status, { exact: true }).waitFor();
    await key(k.key_index).getByText(k.fingerprint).waitFor();
  }
  assert.deepEqual(
    keys.map((k) => k.status).filter((s) => s !== 'healthy'),
    ['invalid', 'invalid', 'exhausted'],
  );
  await key(4).getByText('Gemini says: leaked').waitFor();
  assert.match(await page.locator('#pool .tile').nth(1).innerText(), /5 of 8 healthy[^]*1 exhausted[^]*2 invalid/);
  for (const p of projects) {
    // Those of the invalid keys have nothing to be drawn.
    const still = ['team-cirrus', 'team-delta'].includes(p.project);
    const project = page.locator(`.project[data-id="${p.project}"]`);
    const idle = await project.locator('.idle span').allTextContents();
    assert.equal((await project.locator('.row').count()) + idle.length, still ? 0 : chain.length, p.project);
    for (const m of still ? [] : p.models.filter(({ model }) => !idle.includes(model))) {
      await row(p.project, m.model)
        .getByText(m.rpd.limit < 0 ? 'no limit' : `of ${m.rpd.limit >= 1000 ? '1k' : m.rpd.limit}`)
        .last()
        .waitFor();
    }
  }
  assert.deepEqual(await page.locator('.chain-name').allTextContents(), chain);
  await page.locator('#chain .is-current').getByText(pro).waitFor();
  assert.ok((await page.locator('#history figure').count()) > 0, 'no history');
});

test('it disables a key, and enables it', async () => {
  await page.getByRole('button', { name: 'Disable key 2' }).click();
  await page.getByRole('status').getByText('Key 2 is disabled.').waitFor();
  await key(2).getByText('disabled', { exact: true }).waitFor();
  assert.equal((await status()).keys[1].status, 'disabled');
  await page.locator('#events').getByText('key 2 disabled').first().waitFor();
  await page.getByRole('button', { name: 'Enable key 2' }).click();
  await key(2).getByText('healthy', { exact: true }).waitFor();
  assert.equal((await status()).keys[1].status, 'healthy');
});

test('it changes the mode', async () => {
  const mode = (name) => page.locator('#mode').getByRole('button', { name, exact: true });
  await mode('Flash only').click();
  await page.locator('#mode').getByText('set at run time').waitFor();
  assert.equal(await mode('Flash only').getAttribute('aria-pressed'), 'true');
  assert.deepEqual(await page.locator('.chain-name').allTextContents(), ['gemini-2.5-flash']);
  assert.equal((await status()).mode, 'flash_only');
  await mode('All models').click();
  await page.locator('.chain-name').getByText(pro).waitFor();
  assert.equal((await status()).mode, 'both');
});

test('it says which projects are used first, and goes back', async () => {
  const group = page.getByRole('group', { name: /^Used first/ });
  assert.equal(await group.count(), 0, 'without tiers there is nothing to choose');
  assert.equal((await fluxgate('POST', '/config', { prefer: 'free' })).status, 200);
  await group.waitFor();
  assert.equal(await group.getByRole('button', { name: 'Free tier' }).getAttribute('aria-pressed'), 'true');
  await group.getByRole('button', { name: 'Paid tiers' }).click();
  await page.getByRole('status').getByText('What is used first: “Paid tiers” now, for everyone.').waitFor();
  assert.equal((await status()).prefer, 'paid');
  await page.locator('#events').getByText('prefer paid').first().waitFor();
  await group.getByRole('button', { name: 'As configured' }).click();
  await group.waitFor({ state: 'detached' });
  assert.equal((await status()).prefer_source, 'configured');
});

test('it shows what another instance did, and the other what it did', async () => {
  const changed = await fluxgate('POST', '/config', { disable_key: 6 }, { at: other });
  assert.equal(changed.status, 200);
  await key(6).getByText('disabled', { exact: true }).waitFor();
  await page.locator('#events').getByText('key 6 disabled').first().waitFor();
  await page.getByRole('button', { name: 'Enable key 6' }).click();
  await page.getByRole('status').getByText('Key 6 is enabled.').waitFor();
  await eventually(async () => (await status(other)).keys[5].status === 'healthy', 'the other instance doesn’t know');
});

// One instance books, and the other admits.
test('it follows a booking to its admission', async () => {
  await move(`busy?model=${pro}`);
  const body = { contents: [{ parts: [{ text: 'A request that is worth waiting for' }] }] };
  const send = (at) =>
    fluxgate('POST', `/v1beta/models/${pro}:generateContent`, body, { at, headers: { 'X-Fluxgate-Book': 'true' } });
  const refused = await send(url);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get('X-Fluxgate-Booked'), 'true');
  const booked = (await status()).projects.find((p) => p.models.find((m) => m.model === pro)?.bookings === 1);
  const calendarAt = (s) => s.projects.find((p) => p.project === booked.project).models.find((m) => m.model === pro);
  // approach has time go on until so many milliseconds before the start.
  const approach = async (ms, at) => {
    const now = await status(at);
    const [{ start }] = calendarAt(now).booked;
    await move(`forward?ms=${Math.max(0, Date.parse(start) - Date.parse(now.now) - ms)}`);
  };

  await page.waitForResponse(`${url}/status`); // it asks by itself
  const calendar = row(booked.project, pro);
  await calendar.getByText(/^1 booked, next in (\d+ s|1 min)/).waitFor();
  assert.equal(await calendar.locator('polygon.booked').count(), 1);
  assert.match(
    await calendar.locator('.hidden').textContent(),
    /1 booking ahead, the first in (\d+ s|1 min \d+ s) with [\d,]+ tokens/,
  );

  await approach(20_000, url);
  await calendar.getByText(/^1 booked, next in 1?\d s$/).waitFor();
  await approach(0, other);
  const admitted = await send(other);
  assert.equal(admitted.status, 200);
  await calendar.getByText('free now').waitFor();
  await calendar
    .getByText(/booked/)
    .first()
    .waitFor({ state: 'detached' });
  assert.equal(await calendar.locator('polygon.booked').count(), 0);
  // What made it wait leaves the minute now, one by one.
  await eventually(async () => {
    const { rpm } = calendarAt(await status(other));
    assert.ok(rpm.used > 0);
    return calendar.getByText(`${rpm.used} of ${rpm.limit}`, { exact: true }).isVisible();
  }, 'it doesn’t count the request', 15);
});

test('it plans without booking', async () => {
  const before = (await status()).projects.flatMap((p) => p.models).reduce((n, m) => n + m.bookings, 0);
  await page.getByLabel('Input tokens of one request').fill('450,000');
  await page.getByRole('button', { name: 'Plan' }).click();
  const plan = (await fluxgate('POST', '/plan', { tokens: 450_000 })).json;
  await page.locator('.verdict').getByText('450,000 tokens could go').waitFor();
  await page.locator('.waits').getByText(plan.best.model).first().waitFor();
  const after = (await status()).projects.flatMap((p) => p.models).reduce((n, m) => n + m.bookings, 0);
  assert.equal(after, before);
});

test('it validates the keys, refreshes the policy, and resets a key', async () => {
  await page.getByRole('button', { name: 'Validate all' }).click();
  await page.getByRole('status').getByText('8 keys checked: key 3, key 4 invalid.').waitFor();
  await page.getByRole('button', { name: 'Refresh policy' }).click();
  await page
    .getByRole('status')
    .getByText(/^Gemini reported \d+ models?\./)
    .waitFor();
  await page.getByRole('button', { name: 'Reset key 7' }).click();
  await page.getByRole('dialog', { name: 'Reset key 7?' }).getByRole('button', { name: 'Reset' }).click();
  await page.getByRole('status').getByText('Key 7 is reset.').waitFor();
  await page.locator('#events').getByText('key 7 reset').first().waitFor();
});

test('it never complained', async () => {
  assert.deepEqual(tab.complaints, []);
  await tab.close();
});
