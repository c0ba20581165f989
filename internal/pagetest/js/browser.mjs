// What the suites share: a Chromium, tabs of it in every look, and what must be
// true of the page whatever it shows.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after } from 'node:test';

import { chromium } from 'playwright-core';

export function need(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: go test ./internal/pagetest sets it`);
  return value;
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// Features that are left out. Chromium goes by the last list that it is given, so
// this one repeats what Playwright leaves out, and adds the suggestions of the
// address bar, for which Chromium would run a renderer per tab that nobody sees.
const without = [
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
  'PreconnectToSearch',
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'WebUIOmniboxFullPopup',
];

const browser = await chromium.launch({
  executablePath: need('PAGE_CHROMIUM'),
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--disable-features=${without}`,
  ],
});
after(() => browser.close());

// The looks that the page has: both themes at the width of a small phone and of
// a desktop.
export const looks = ['light', 'dark'].flatMap((theme) => [
  { name: `phone-${theme}`, theme, width: 360, height: 740, scale: 2 },
  { name: `desktop-${theme}`, theme, width: 1280, height: 900, scale: 1 },
]);

// Tabs whose clock stands still.
const frozenTabs = new WeakSet();

// open opens the page in a tab of its own, and watches it: what it complains of,
// and whatever it asks of others than Fluxgate. The clock of a frozen one moves by
// page.clock alone, so that the page does nothing by itself, however slow the
// machine is.
export async function open(url, look = looks[1], { frozen, prepare, ...more } = {}) {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.height },
    deviceScaleFactor: look.scale,
    colorScheme: look.theme,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    ...more,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  // A refused request is in the console too, and is no fault of the page's.
  page.on(
    'console',
    (m) => m.type() === 'error' && !m.text().startsWith('Failed to load resource') && complaints.push(m.text()),
  );
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on(
    'request',
    (r) => !r.url().startsWith(`${url}/`) && !r.url().startsWith('data:') && complaints.push(`it asked for ${r.url()}`),
  );
  if (frozen) {
    const time = Date.now();
    await page.clock.install({ time });
    await page.clock.pauseAt(time + 1000);
    frozenTabs.add(page);
  }
  await prepare?.(page);
  await page.goto(`${url}/`);
  return { page, complaints, close: () => context.close() };
}

// eventually waits for what an answer that is under way will make true.
export async function eventually(check, what, seconds = 15) {
  for (let i = 0; i < seconds * 20; i += 1) {
    if (await check()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail(what);
}

// accessible has axe look at the page. It is evaluated by the debugger, which no
// policy of the page binds. Of what is as it should be axe need only say what it
// is, not where.
export async function accessible(page, what) {
  if (!(await page.evaluate(() => Boolean(globalThis.axe)))) await page.evaluate(axe);
  let over = false;
  const looked = page
    .evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
    .finally(() => (over = true));
  // Axe sets timers, of no time at all.
  while (frozenTabs.has(page) && !over) await page.clock.runFor(1);
  const { violations, passes } = await looked;
  assert.ok(passes.length > 10, `${what}: axe looked at next to nothing`);
  const told = violations.map(
    (v) =>
      `${v.id} (${v.impact}): ${v.help}\n${v.nodes.map((n) => `  ${n.target} ${n.failureSummary?.split('\n').slice(1, 2)}`).join('\n')}`,
  );
  assert.deepEqual(told, [], what);
}

// settled waits until the page is drawn as it is to be in its look, and at its
// top. What another theme fades into has colours of neither until it has faded.
export const settled = (page) =>
  page.evaluate(async () => {
    scrollTo(0, 0);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    await Promise.allSettled(document.getAnimations().map((a) => a.finished));
  });

// fits asserts that nothing is wider than the screen.
export async function fits(page, what) {
  const [content, screen, widest] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const out = [...document.querySelectorAll('main *')].filter(
      (e) => e.getBoundingClientRect().right > clientWidth + 1,
    );
    return [scrollWidth, clientWidth, out.slice(0, 3).map((e) => e.className?.baseVal ?? e.className)];
  });
  assert.ok(content <= screen, `${what}: ${content} px wide on a screen of ${screen}: ${widest}`);
}
