// The page with pools that are made up.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { accessible, fits, looks, need, open, settled } from './browser.mjs';

const scenarios = JSON.parse(need('PAGE_SCENARIOS'));
const pictures = process.env.PAGE_PICTURES;

// Where there is no pool to be seen, what is seen in its place.
const instead = { locked: '#door', unreachable: '.banner' };

for (const [name, url] of Object.entries(scenarios)) {
  test(`readable and accessible: ${name}`, async () => {
    const { page, complaints, close } = await open(url, looks[0]);
    await page.locator(instead[name] ?? '#pool .tile >> nth=3').waitFor();
    if (name === 'pool') {
      await page.getByRole('button', { name: 'Plan' }).click();
      await page.locator('.verdict').waitFor();
    }
    for (const look of looks) {
      await page.setViewportSize({ width: look.width, height: look.height });
      await page.emulateMedia({ colorScheme: look.theme });
      await settled(page);
      await fits(page, look.name);
      if (pictures) await page.screenshot({ path: join(pictures, `${name}-${look.name}.png`), fullPage: true });
      // What the looks differ in, each of the two has one side of.
      if (name === 'pool' || [looks[0], looks[3]].includes(look)) await accessible(page, look.name);
    }
    assert.deepEqual(complaints, []);
    await close();
  });
}
