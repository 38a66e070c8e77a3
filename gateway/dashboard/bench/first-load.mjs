// How soon the dashboard can be used on a slow machine and a slow line: four times slower processor, Fast 4G.
//   node bench/first-load.mjs URL EMAIL PASSWORD
import { chromium } from '@playwright/test';

const [url, email, password] = process.argv.slice(2);
if (!url || !email || !password) throw new Error('node bench/first-load.mjs URL EMAIL PASSWORD');
const RUNS = 7;
// Chromium's own "Fast 4G": 9 Mbit/s down, 1.5 Mbit/s up, 60 ms of latency, with the factors that DevTools applies.
const FAST_4G = {
  offline: false,
  latency: 60,
  downloadThroughput: (9e6 / 8) * 0.9,
  uploadThroughput: (1.5e6 / 8) * 0.9,
};

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic'],
});
const context = await browser.newContext({ baseURL: url, viewport: { width: 1440, height: 900 } });
const first = await context.newPage();
await first.goto('/sign-in');
await first.getByLabel('Email').fill(email);
await first.getByLabel('Password', { exact: true }).fill(password);
await first.getByRole('button', { name: 'Sign in' }).click();
await first.getByRole('heading', { name: 'Dashboard', level: 1 }).waitFor();
await first.close();

async function run(cold) {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  if (cold) await session.send('Network.clearBrowserCache');
  await session.send('Network.emulateNetworkConditions', FAST_4G);
  await session.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  await page.addInitScript(() => {
    const marks = { lcp: 0, usable: 0 };
    Object.assign(window, { marks });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) marks.lcp = entry.startTime;
    }).observe({ type: 'largest-contentful-paint', buffered: true });
    // Usable: the cards with their figures stand there, and the next frame has been painted.
    const look = () => {
      if (document.querySelector('main a b.num'))
        requestAnimationFrame(() => setTimeout(() => (marks.usable = performance.now())));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.goto('/', { waitUntil: 'commit' });
  await page.waitForFunction(() => window.marks.usable > 0);
  await page.waitForTimeout(800);
  const marks = await page.evaluate(() => window.marks);
  await page.close();
  return marks;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
for (const cold of [true, false]) {
  const runs = [];
  for (let i = 0; i < RUNS; i += 1) runs.push(await run(cold));
  console.log(
    `${cold ? 'cold' : 'warm'} cache: usable after ${Math.round(median(runs.map((one) => one.usable)))} ms, ` +
      `largest paint after ${Math.round(median(runs.map((one) => one.lcp)))} ms (median of ${RUNS})`,
  );
}
await browser.close();
