// Scrolls through as many leads as there are, by wheel and by the scroll bar, and counts the frames that showed a blank.
//   node bench/scroll.mjs URL EMAIL PASSWORD
import { chromium } from '@playwright/test';

const [url, email, password] = process.argv.slice(2);
if (!url || !email || !password) throw new Error('node bench/scroll.mjs URL EMAIL PASSWORD');
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic'],
});
const page = await (await browser.newContext({ baseURL: url, viewport: { width: 1440, height: 900 } })).newPage();
await page.goto('/sign-in');
await page.getByLabel('Email').fill(email);
await page.getByLabel('Password', { exact: true }).fill(password);
await page.getByRole('button', { name: 'Sign in' }).click();
await page.getByRole('heading', { name: 'Dashboard', level: 1 }).waitFor();

/** Looks, at every frame, whether the middle and the edges of the box show a row, while it is scrolled. */
function watch(box, row) {
  return page.evaluate(
    ([box, row]) => {
      const area = document.querySelector(box);
      const seen = { frames: 0, blank: 0, longest: 0, slowest: 0 };
      Object.assign(window, { seen });
      let since = 0;
      let before = performance.now();
      const look = (now) => {
        seen.slowest = Math.max(seen.slowest, now - before);
        before = now;
        const { left, top, width, bottom } = area.getBoundingClientRect();
        const empty = [0.12, 0.5, 0.9].some((part) => {
          const y = top + 50 + (Math.min(bottom, innerHeight) - top - 60) * part;
          const at = document.elementsFromPoint(left + width / 2, y);
          // Between two cards there is a gap of a few pixels.
          return ![0, 14].some((shift) =>
            (shift ? document.elementsFromPoint(left + width / 2, y + shift) : at).some((one) => one.closest(row)),
          );
        });
        seen.frames += 1;
        if (empty) {
          seen.blank += 1;
          since ||= now;
          seen.longest = Math.max(seen.longest, now - since);
        } else since = 0;
        if (!window.stopped) requestAnimationFrame(look);
      };
      window.stopped = false;
      requestAnimationFrame(look);
    },
    [box, row],
  );
}
async function told(name, box) {
  await page.waitForTimeout(400);
  const { seen, height } = await page.evaluate((box) => {
    window.stopped = true;
    return { seen: window.seen, height: document.querySelector(box).scrollHeight };
  }, box);
  console.log(
    `${name}: ${seen.blank} of ${seen.frames} frames with a blank, longest ${Math.round(seen.longest)} ms, ` +
      `slowest frame ${Math.round(seen.slowest)} ms, ${height} px loaded`,
  );
}
async function wheel(box, seconds, delta) {
  const { x, y, width, height } = await page.locator(box).first().boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    await page.mouse.wheel(0, delta);
    await page.waitForTimeout(16);
  }
}
/** The thumb of the scroll bar, dragged to a share of the way in half a second. */
const drag = (box, to) =>
  page.evaluate(
    async ([box, to]) => {
      const area = document.querySelector(box);
      const from = area.scrollTop;
      const way = (area.scrollHeight - area.clientHeight) * to - from;
      for (let i = 1; i <= 30; i += 1) {
        area.scrollTop = from + (way * i) / 30;
        await new Promise(requestAnimationFrame);
      }
    },
    [box, to],
  );

const TABLE = 'main [role=region][tabindex]';
await page.goto('/leads');
await page.locator(`${TABLE} tbody tr[data-index]`).first().waitFor();
await watch(TABLE, 'tr[data-index]');
await wheel(TABLE, 6, 900);
await told('list, wheel', TABLE);
for (const to of [1, 0.5, 0.1, 1]) {
  await watch(TABLE, 'tr[data-index]');
  await drag(TABLE, to);
  await told(`list, bar to ${to * 100} %`, TABLE);
}
const deep = Number(process.env['ROWS'] ?? 100_000);
const began = Date.now();
await watch(TABLE, 'tr[data-index]');
let rows = 0;
while (rows < deep && Date.now() - began < 600_000) {
  // To the end of what is loaded, again and again, as fast as more comes; over when nothing more does.
  const grew = await page.evaluate(async (box) => {
    const area = document.querySelector(box);
    const before = area.scrollHeight;
    area.scrollTop = before;
    for (const end = performance.now() + 10_000; performance.now() < end;) {
      await new Promise(requestAnimationFrame);
      if (area.scrollHeight > before) return true;
    }
    return false;
  }, TABLE);
  rows = await page.evaluate((box) => Math.round(document.querySelector(box).scrollHeight / 54), TABLE);
  if (!grew) break;
}
await told(`list, to the end (${rows} rows in ${Math.round((Date.now() - began) / 1000)} s)`, TABLE);
for (const to of [0.5, 0, 1, 0.25]) {
  await watch(TABLE, 'tr[data-index]');
  await drag(TABLE, to);
  await told(`list, bar to ${to * 100} %, all loaded`, TABLE);
}
await watch(TABLE, 'tr[data-index]');
await wheel(TABLE, 4, -1_500);
await told('list, wheel back', TABLE);

const COLUMN = '[data-col=New] [data-scroll]';
await page.goto('/pipeline');
await page.locator(`${COLUMN} li[data-index]`).first().waitFor();
await watch(COLUMN, 'li[data-index]');
await wheel(COLUMN, 6, 900);
await told('column, wheel', COLUMN);
for (const to of [1, 0.3, 0]) {
  await watch(COLUMN, 'li[data-index]');
  await drag(COLUMN, to);
  await told(`column, bar to ${to * 100} %`, COLUMN);
}
console.log(`cards in the page: ${await page.locator('li[data-index]').count()}`);
await browser.close();
