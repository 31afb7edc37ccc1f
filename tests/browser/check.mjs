// Opens pages in headless Chromium and says what is wrong with them:
//
//     node check.mjs [--chromium PROGRAM] [--shots FOLDER] PAGE.html...
//
// Each page is opened at three widths, light and dark. Prints a JSON object: per page a list of
// problems (console messages, requests, horizontal scroll, text cut off, axe-core's serious
// findings) and what happened when it was used by keyboard.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [1440, 768, 390];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

function options(given) {
  const found = { chromium: '/usr/bin/chromium', shots: '', pages: [] };
  for (let i = 0; i < given.length; i += 1) {
    if (given[i] === '--chromium') found.chromium = given[(i += 1)];
    else if (given[i] === '--shots') found.shots = given[(i += 1)];
    else found.pages.push(given[i]);
  }
  return found;
}

async function look(browser, file, width, scheme, shots) {
  const problems = [];
  const context = await browser.newContext({
    viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP: false,
  });
  const page = await context.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`script: ${error}`));
  page.on('dialog', (dialog) => { problems.push('a dialog opened'); dialog.dismiss(); });
  const address = pathToFileURL(file).href;
  page.on('request', (request) => {
    const url = request.url();
    if (url !== address && !url.startsWith('data:')) problems.push(`request: ${url}`);
  });
  await page.goto(address);
  if (await page.evaluate(() => 'owned' in window)) problems.push('a hostile script ran');
  for (const opened of [false, true]) {
    if (opened) await page.evaluate(() => document.querySelectorAll('details').forEach((d) => { d.open = true; }));
    const [wide, room] = await page.evaluate(
      () => [document.documentElement.scrollWidth, document.documentElement.clientWidth],
    );
    if (wide > room) problems.push(`scrolls sideways: ${wide} in ${room}`);
    if (shots && !opened) {
      const name = `${path.basename(file, '.html')}-${width}-${scheme}.png`;
      await page.screenshot({ path: path.join(shots, name), fullPage: true });
    }
  }
  // Evaluated by the debugger, so the page's own policy does not forbid it.
  await page.evaluate(axe);
  const found = await page.evaluate((tags) => axe.run(document, {
    runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'],
  }), TAGS);
  for (const { id, impact, nodes } of found.violations)
    problems.push(`axe ${impact} ${id}: ${nodes.length} × ${nodes[0].target} ${nodes[0].failureSummary}`);
  const small = await page.evaluate(() => [...document.querySelectorAll('svg.plot text')]
    .filter((text) => text.getClientRects().length && text.getBoundingClientRect().height < 8).length);
  if (small) problems.push(`${small} labels are too small to read`);
  await context.close();
  return problems;
}

async function use(browser, file) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 900 } });
  const page = await context.newPage();
  await page.goto(pathToFileURL(file).href);
  const seen = {};
  const reader = page.locator('.reader').first();
  if (await reader.count()) {
    await reader.focus();
    seen.readings = [];
    for (const key of ['ArrowRight', 'ArrowRight', 'End', 'ArrowDown', 'Home']) {
      await page.keyboard.press(key);
      seen.readings.push(await reader.textContent());
    }
    seen.spoken = await reader.getAttribute('aria-valuetext');
    const plot = page.locator('.wide .rate-quality').first();
    const dot = plot.locator('circle.real, circle.rung').last();
    await dot.hover({ force: true });
    seen.hovered = await reader.textContent();
  }
  if (await page.locator('[data-switch-layer="real"]').count()) {
    const plot = page.locator('.wide .rate-quality').first();
    const button = page.locator('[data-switch-layer="real"]').first();
    const count = () => plot.locator('circle.real').filter({ visible: true }).count();
    seen.before = await count();
    await button.focus();
    await page.keyboard.press('Space');
    seen.after = await count();
    seen.pressed = await button.getAttribute('aria-pressed');
    await page.keyboard.press('Space');
    seen.again = await count();
  }
  if (await page.locator('table.sortable').count()) {
    const column = async (n) => page.locator(`table.sortable tbody tr:visible > :nth-child(${n})`).allTextContents();
    const head = page.locator('table.sortable thead th button').nth(0);
    seen.unsorted = await column(1);
    await head.focus();
    await page.keyboard.press('Enter');
    seen.ascending = await column(1);
    await page.keyboard.press('Enter');
    seen.descending = await column(1);
    await page.locator('#filter').fill('valley');
    seen.filtered = await column(1);
    seen.status = await page.locator('#shown').textContent();
  }
  await context.close();
  return seen;
}

const asked = options(process.argv.slice(2));
const browser = await chromium.launch({
  executablePath: asked.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
const report = {};
for (const file of asked.pages) {
  const problems = [];
  for (const width of WIDTHS)
    for (const scheme of ['light', 'dark'])
      for (const problem of await look(browser, file, width, scheme, asked.shots))
        problems.push(`${width} ${scheme}: ${problem}`);
  report[path.basename(file)] = { problems, used: await use(browser, file) };
}
await browser.close();
console.log(JSON.stringify(report));
