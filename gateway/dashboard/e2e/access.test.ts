import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import type { AxeResults } from 'axe-core';
import { expect, signIn, test } from './program';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function faultsOf(page: Page): Promise<string[]> {
  // Evaluated from outside: the page's policy allows no foreign script, and that is as it should be.
  await page.evaluate(AXE);
  const results = await page.evaluate(() =>
    (window as unknown as { axe: { run: (o: object) => Promise<AxeResults> } }).axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    }),
  );
  return results.violations.flatMap((one) =>
    one.nodes.map((node) => `${one.id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
  );
}

for (const theme of ['light', 'dark'] as const)
  test(`every screen is without a fault that axe can find, ${theme}`, async ({
    someone: { caller, email },
    browser,
    url,
  }) => {
    test.setTimeout(180_000);
    const lead = await caller.post<{ id: string }>('/leads', {
      name: 'Ada Larsen',
      company: 'Redwood',
      email: 'ada@redwood.example',
      tags: ['vip'],
      note: 'Met at the fair',
    });
    await caller.post('/leads', { name: 'Luca Novak', status: 'Lost' });
    await caller.post('/leads', { name: 'Yara Haddad', status: 'Converted', source: 'Referral' });
    for (const hours of [-30, 2, 50])
      await caller.post('/reminders', {
        leadId: lead.id,
        dueAt: new Date(Date.now() + hours * 3_600_000).toISOString(),
        message: `In ${hours} hours`,
      });
    const context = await browser.newContext({ baseURL: url, colorScheme: theme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await page.goto('/sign-in');
    await expect(page.getByRole('heading', { name: 'Welcome back' })).toBeVisible();
    expect(await faultsOf(page), 'sign in').toEqual([]);
    await page.goto('/register');
    await expect(page.getByRole('heading', { name: 'Start with Leadline' })).toBeVisible();
    expect(await faultsOf(page), 'register').toEqual([]);
    await signIn(page, email);
    const screens: [string, string][] = [
      ['/', 'Today’s work'],
      ['/?status=New&interval=week', 'Open 1 lead'],
      ['/leads', 'Luca Novak'],
      [`/leads?lead=${lead.id}`, 'Met at the fair'],
      ['/leads?new=true', 'Add the lead'],
      ['/pipeline', 'Luca Novak'],
      ['/reminders', 'In 2 hours'],
      ['/reminders?focus=true', 'Not now'],
      ['/reports', 'By source'],
      ['/activity', 'Ada Larsen'],
      ['/import', 'Drop a CSV file here'],
      ['/settings', 'Members'],
      ['/settings?tab=workspace', 'Time zone'],
      ['/settings?tab=account', 'Sessions'],
      ['/settings?tab=preferences', 'Theme'],
    ];
    for (const [path, sign] of screens) {
      await page.goto(path);
      await expect(page.getByText(sign).first()).toBeVisible();
      await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
      expect(await faultsOf(page), `${theme} ${path}`).toEqual([]);
    }
    await page.keyboard.press('Control+k');
    await expect(page.getByRole('combobox', { name: 'Search or jump to' })).toBeVisible();
    expect(await faultsOf(page), 'palette').toEqual([]);
    await context.close();
  });
