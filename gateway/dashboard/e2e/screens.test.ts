import { mkdirSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { expect, signIn, test } from './program';

/** test-results/screens, unless Playwright is told another folder. */
const folder = () => `${test.info().project.outputDir}/screens`;
const SCREENS: [name: string, path: string, sign: string | RegExp][] = [
  ['dashboard', '/', 'Today’s work'],
  ['leads', '/leads', /^[\d,]+ leads$/],
  ['pipeline', '/pipeline', 'Qualified'],
  ['reminders', '/reminders', 'Overdue'],
  ['follow-ups', '/reminders?focus=true', 'Not now'],
  ['import', '/import', /Drop a file here|Leads from a file/],
  ['reports', '/reports', 'By source'],
  ['activity', '/activity', /moved|added|note/],
  ['team', '/settings', 'Members'],
  ['account', '/settings?tab=account', 'Sessions'],
  ['preferences', '/settings?tab=preferences', 'Theme'],
];

async function still(page: Page) {
  await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
  await page.evaluate(() => document.fonts.ready);
}
const sideways = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

// Pictures for people to look at, kept by CI; they are compared with nothing.
for (const theme of ['light', 'dark'] as const)
  for (const width of [390, 1440] as const)
    test(`every screen has its picture and needs no scrolling sideways: ${theme}, ${width} px`, async ({
      browser,
      demo,
    }) => {
      test.setTimeout(240_000);
      mkdirSync(folder(), { recursive: true });
      const context = await browser.newContext({
        baseURL: demo.url,
        colorScheme: theme,
        reducedMotion: 'reduce',
        viewport: { width, height: width === 390 ? 844 : 1000 },
        hasTouch: width === 390,
      });
      const page = await context.newPage();
      const shoot = async (name: string) => {
        await still(page);
        expect([name, await sideways(page)]).toEqual([name, 0]);
        await page.screenshot({ path: `${folder()}/${name}-${theme}-${width}.png` });
      };
      await page.goto('/sign-in');
      await expect(page.getByRole('heading', { name: 'Welcome back' })).toBeVisible();
      await shoot('sign-in');
      await signIn(page, demo.email, demo.password);
      for (const [name, path, sign] of SCREENS) {
        await page.goto(path);
        await expect(page.getByText(sign).filter({ visible: true }).first()).toBeVisible();
        if (name === 'dashboard') {
          // As tall as its content: a picture of a page that is scrolled keeps the charts' old sizes.
          await page.setViewportSize({ width, height: width === 390 ? 4200 : 2000 });
          await expect(page.getByRole('region', { name: 'When leads arrive' }).getByRole('table')).toBeVisible();
        }
        await shoot(name);
        await page.setViewportSize({ width, height: width === 390 ? 844 : 1000 });
      }
      await page.goto('/leads');
      await page.getByRole('main').getByRole('link').filter({ hasText: /\w/ }).nth(3).click();
      await expect(page.getByRole('dialog')).toBeVisible();
      await shoot('lead');
      await page.goto('/nowhere');
      await expect(page.getByText('There is no such page')).toBeVisible();
      await shoot('not-found');
      await context.close();
    });

test('the dashboard fills a very wide screen, and report and lead print on paper', async ({ browser, demo }) => {
  test.setTimeout(120_000);
  mkdirSync(folder(), { recursive: true });
  const context = await browser.newContext({
    baseURL: demo.url,
    reducedMotion: 'reduce',
    viewport: { width: 2560, height: 1600 },
  });
  const page = await context.newPage();
  await signIn(page, demo.email, demo.password);
  await expect(page.getByRole('region', { name: 'When leads arrive' }).getByRole('table')).toBeVisible();
  await still(page);
  expect(await sideways(page)).toBe(0);
  await page.screenshot({ path: `${folder()}/dashboard-light-2560.png` });
  await page.setViewportSize({ width: 1000, height: 1400 });
  for (const [name, path, sign] of [
    ['reports', '/reports', /printed/],
    ['lead', '/leads', /^[\d,]+ leads$/],
  ] as const) {
    await page.emulateMedia({ media: 'screen' });
    await page.goto(path);
    if (name === 'lead') await page.getByRole('main').getByRole('link').filter({ hasText: /\w/ }).nth(3).click();
    await page.emulateMedia({ media: 'print' });
    if (name === 'lead') await expect(page.getByRole('dialog')).toBeVisible();
    else await expect(page.getByText(sign).first()).toBeVisible();
    await still(page);
    // Nothing of the frame is of use on paper.
    await expect(page.getByRole('navigation').filter({ visible: true })).toHaveCount(0);
    await page.screenshot({ path: `${folder()}/${name}-print.png` });
  }
  await context.close();
});

test('German fits a phone', async ({ browser, demo }) => {
  test.setTimeout(120_000);
  mkdirSync(folder(), { recursive: true });
  const context = await browser.newContext({
    baseURL: demo.url,
    reducedMotion: 'reduce',
    viewport: { width: 390, height: 844 },
  });
  const page = await context.newPage();
  await signIn(page, demo.email, demo.password);
  await page.evaluate(() => localStorage.setItem('leadline.language', 'de'));
  for (const [name, path, sign] of [
    ['dashboard', '/', 'Heute zu tun'],
    ['leads', '/leads', /^[\d.]+ Leads$/],
    ['pipeline', '/pipeline', 'Qualifiziert'],
    ['import', '/import', 'CSV'],
    ['reports', '/reports', 'Nach Quelle'],
  ] as const) {
    await page.goto(path);
    await expect(page.getByText(sign).filter({ visible: true }).first()).toBeVisible();
    await still(page);
    expect([name, await sideways(page)]).toEqual([name, 0]);
    await page.setViewportSize({ width: 390, height: name === 'dashboard' ? 4200 : 844 });
    await page.screenshot({ path: `${folder()}/${name}-german-390.png` });
  }
  await context.close();
});
