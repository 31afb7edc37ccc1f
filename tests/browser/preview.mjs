// Opens a served preview page in headless Chromium and uses it:
//
//     node preview.mjs ADDRESS [--chromium PROGRAM] [--shots FOLDER]
//
// Prints a JSON object of what was seen.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const [address, ...rest] = process.argv.slice(2);
const option = (name, otherwise) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : otherwise);
const shots = option('--shots', '');

const browser = await chromium.launch({
  executablePath: option('--chromium', '/usr/bin/chromium'),
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'],
});
const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
page.setDefaultTimeout(90_000); // a busy machine takes its time
const seen = { problems: [], hosts: [] };
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) seen.problems.push(message.text());
});
page.on('pageerror', (error) => seen.problems.push(String(error)));
page.on('request', (request) => {
  const host = new URL(request.url()).host;
  if (host && !seen.hosts.includes(host)) seen.hosts.push(host);
});
await page.goto(address);
await page.waitForFunction(
  () => ['a', 'b'].every((id) => document.getElementById(id).readyState >= 3),
);
seen.options = await page.locator('#rung-a option').allTextContents();
seen.sizes = await page.evaluate(() => ['a', 'b'].map((id) => document.getElementById(id).videoWidth));

await page.locator('#play').click();
await page.waitForFunction(() => document.getElementById('a').currentTime > 1);
await page.locator('#play').click();
seen.paused = await page.evaluate(() => ['a', 'b'].every((id) => document.getElementById(id).paused));

// The frame that each side really shows, by its time stamp: the last one before the wanted time.
const shown = async () => {
  await page.waitForFunction((ids) => ids.every((id) => {
    const video = document.getElementById(id);
    const late = video.currentTime - video.dataset.shown;
    return !video.seeking && late >= 0 && late < 0.04;
  }), ['a', 'b']);
  return page.evaluate(() => ['a', 'b'].map((id) => Number(document.getElementById(id).dataset.shown)));
};
await page.evaluate(() => ['a', 'b'].forEach((id) => {
  const video = document.getElementById(id);
  const note = (_, frame) => {
    video.dataset.shown = frame.mediaTime;
    video.requestVideoFrameCallback(note);
  };
  video.requestVideoFrameCallback(note);
}));
seen.frames = [];
for (const button of ['#forward', '#forward', '#back']) {
  await page.locator(button).click();
  seen.frames.push(await shown());
}

await page.locator('#split').focus();
const clip = () => page.evaluate(() => getComputedStyle(document.getElementById('b')).clipPath);
seen.clip = [await clip()];
await page.keyboard.press('ArrowRight');
seen.clip.push(await clip());
await page.locator('#zoom').click();
seen.zoomed = await clip();
await page.locator('#zoom').click();
if (shots) await page.screenshot({ path: path.join(shots, 'preview-1000.png'), fullPage: true });

const best = await page.locator('#rung-b option').first().getAttribute('value');
await page.locator('#rung-b').selectOption(best);
await page.waitForFunction(
  (before) => document.getElementById('b').videoWidth !== before, seen.sizes[1],
);
seen.switched = await page.evaluate(() => document.getElementById('b').videoWidth);
await page.evaluate(axe);
const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
for (const { id, impact, nodes } of found.violations)
  if (['serious', 'critical'].includes(impact)) seen.problems.push(`axe ${impact} ${id}: ${nodes[0].target}`);
await page.setViewportSize({ width: 390, height: 800 });
seen.wide = await page.evaluate(() => document.documentElement.scrollWidth);
if (shots) await page.screenshot({ path: path.join(shots, 'preview-390.png'), fullPage: true });
await browser.close();
console.log(JSON.stringify(seen));
