import type { Locator, Page } from '@playwright/test';
import { expect, signIn, test } from './program';

/** How many leads the list says that it has. */
async function total(page: Page): Promise<number> {
  const count = page.getByRole('main').getByText(/^[\d,]+ leads?$/);
  await expect(count).toBeVisible();
  await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
  return Number((await count.innerText()).replace(/\D/g, ''));
}

/** A day of the month before this one. */
function lastMonth(): string {
  const date = new Date();
  date.setUTCDate(0);
  return date.toISOString().slice(0, 10);
}

/** Waits until the screen's figures stand still. */
async function settled(page: Page) {
  await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
}

const numbers = (page: Page) => page.getByRole('main').locator('[data-leads]:not([data-swatch])');

/** Clicks every number of a screen that stands for leads, and compares it with the list that it opens. */
async function openAll(page: Page, path: string, least: number) {
  await page.goto(path);
  await expect.poll(() => numbers(page).count()).toBeGreaterThanOrEqual(least);
  await settled(page);
  const count = await numbers(page).count();
  const wrong: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const number: Locator = numbers(page).nth(i);
    const said = Number(await number.getAttribute('data-leads'));
    const name = (await number.getAttribute('aria-label')) ?? (await number.innerText());
    await number.click();
    await expect(page).toHaveURL(/\/leads/);
    const opened =
      said === 0 ? ((await page.getByText(/^0 leads$/).count()) ? 0 : await total(page)) : await total(page);
    if (opened !== said) wrong.push(`${path} “${name.replaceAll('\n', ' ')}” says ${said} and opens ${opened}`);
    await page.goBack();
    await expect(numbers(page)).toHaveCount(count);
  }
  return wrong;
}

test.describe('with two years of sample data', () => {
  let page: Page;
  test.beforeAll(async ({ browser, demo }) => {
    page = await (await browser.newContext({ baseURL: demo.url, reducedMotion: 'reduce' })).newPage();
    await signIn(page, demo.email, demo.password);
  });
  test.afterAll(() => page.context().close());

  test('every number opens exactly the leads that it counts', async () => {
    test.setTimeout(300_000);
    const wrong = [
      // The four cards, today's leads, the best source, the funnel's four steps, the month so far.
      ...(await openAll(page, '/', 11)),
      // The funnel follows what is chosen; the cards say that they count all leads.
      ...(await openAll(page, '/?source=Referral', 11)),
      ...(await openAll(page, '/reports', 18)),
      // A month that is over, from which many have moved on since.
      ...(await openAll(page, `/reports?date=${lastMonth()}`, 18)),
      ...(await openAll(page, '/pipeline', 5)),
      ...(await openAll(page, '/pipeline?source=Referral', 5)),
    ];
    expect(wrong).toEqual([]);
  });

  test('every stage and source filters the page and opens exactly its leads', async () => {
    test.setTimeout(180_000);
    for (const card of ['Leads by stage', 'Leads by source']) {
      await page.goto('/');
      const segments = page.getByRole('region', { name: card }).locator('button[aria-pressed]');
      await expect(segments).toHaveCount(card.endsWith('stage') ? 5 : 4);
      const count = await segments.count();
      for (let i = 0; i < count; i += 1) {
        const segment = segments.nth(i);
        const said = Number((await segment.locator('b').innerText()).replace(/\D/g, ''));
        await segment.click();
        await page.getByRole('button', { name: /^Open [\d,]+ leads?$/ }).click();
        expect([card, i, await total(page)]).toEqual([card, i, said]);
        await page.goto('/');
        await settled(page);
        await expect(segments).toHaveCount(count);
      }
    }
  });

  for (const [interval, chart, points] of [
    ['day', /^Leads created/, 30],
    ['week', /^Leads created/, 16],
    ['month', /^Leads created/, 12],
    ['day', /^Conversion rate/, 12],
  ] as const)
    test(`each point of the chart opens its leads: ${chart.source.slice(1)}, ${interval}`, async () => {
      test.setTimeout(180_000);
      const home = interval === 'day' ? '/' : `/?interval=${interval}`;
      const wrong: string[] = [];
      for (let back = 0; back < points; back += points > 20 ? 7 : 3) {
        await page.goto(home);
        await settled(page);
        const plot = page.getByRole('group', { name: chart });
        await plot.focus();
        await page.keyboard.press('End');
        for (let i = 0; i < back; i += 1) await page.keyboard.press('ArrowLeft');
        const said = await plot.locator('xpath=..').locator('output').innerText();
        // A rate is told with what it is made of; a count alone.
        const tip = await plot.locator('xpath=..').locator('small').allInnerTexts();
        const number = chart.source.includes('Conversion')
          ? /^([\d,]+)/.exec(tip[0] ?? '')
          : /: This period ([\d,]+)/.exec(said);
        await page.keyboard.press('Enter');
        const opened = await total(page);
        if (opened !== Number(number?.[1]?.replaceAll(',', ''))) wrong.push(`“${said}” ${tip[0]} opens ${opened}`);
      }
      expect(wrong).toEqual([]);
    });

  test('an hour of the week names the leads that it counts', async () => {
    await page.goto('/');
    const cells = page.getByRole('region', { name: 'When leads arrive' }).locator('button[data-leads]');
    await expect(cells.first()).toBeVisible();
    const all = await Promise.all((await cells.all()).map((cell) => cell.getAttribute('data-leads').then(Number)));
    const created = await page
      .getByRole('region', { name: 'When leads arrive' })
      .getByText(/newest/)
      .count();
    // Every lead of the thirty days has its cell, unless the card says that it counts the newest only.
    if (!created) {
      const thirty = all.reduce((sum, count) => sum + count, 0);
      const month = await page.getByRole('link', { name: /Total leads/ }).innerText();
      expect(month.replaceAll(',', '')).toContain(String(thirty));
    }
    for (const at of [all.indexOf(Math.max(...all)), all.findIndex((count) => count > 0)]) {
      await cells.nth(at).click();
      const named = page.getByRole('dialog').getByRole('listitem');
      await expect(named).toHaveCount(all[at] ?? -1);
      await page.keyboard.press('Escape');
      await expect(page.getByRole('dialog')).toHaveCount(0);
      await expect(cells.nth(at)).toBeFocused();
    }
  });

  test('today’s work counts the reminders that it opens', async () => {
    await page.goto('/');
    await settled(page);
    const heads = page.getByRole('region', { name: 'Today’s work' }).locator('[data-reminders]');
    await expect(heads.first()).toBeVisible();
    const count = await heads.count();
    for (let i = 0; i < count; i += 1) {
      await page.goto('/');
      await settled(page);
      const said = (await heads.nth(i).getAttribute('data-reminders')) ?? '';
      await heads.nth(i).click();
      await expect(page.getByRole('heading', { level: 2 }).first().locator('xpath=..')).toContainText(said);
    }
  });
});

test('the numbers of an import open its leads, also when it is an earlier one', async ({
  someone: { page, caller },
}) => {
  test.setTimeout(120_000);
  await caller.post('/leads', { name: 'Mei', email: 'mei@fathom.example' });
  await caller.post('/leads', { name: 'Nobody’s' });
  await page.goto('/import');
  await page.getByLabel('Choose a file').setInputFiles({
    name: 'fair.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from('Name,Email\nAda,ada@x.example\nLuca,luca@x.example\nMei Kimura,mei@fathom.example\n'),
  });
  await page.getByRole('radio', { name: 'Update' }).check();
  await page.getByRole('button', { name: 'Import 3 leads' }).click();
  await expect(page.getByRole('heading', { name: 'Import finished' })).toBeVisible();
  const done = new URL(page.url());
  expect(await openAll(page, done.pathname + done.search, 2)).toEqual([]);
  await page.getByRole('link', { name: 'See the leads' }).click();
  await expect(page.getByText('From fair.csv')).toBeVisible();
  expect(await total(page)).toBe(3);
  expect(await openAll(page, '/import', 2)).toEqual([]);
  await page.goto(done.pathname + done.search);
  await page.locator('[data-key=created] a').click();
  await expect(page.getByText('Added by fair.csv')).toBeVisible();
  expect(await total(page)).toBe(2);

  await page.goto(done.pathname + done.search);
  await page.getByRole('button', { name: 'Take it back' }).click();
  await expect(page.getByRole('heading', { name: 'The import was taken back' })).toBeVisible();
  await page.getByRole('link', { name: 'See what it had added' }).click();
  await expect(page).toHaveURL(/trashed=true/);
  expect(await total(page)).toBe(2);
});
