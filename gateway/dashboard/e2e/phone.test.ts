import { expect, signIn, test } from './program';

test('on a phone a lead is added, opened, moved and closed with a thumb', async ({
  someone: { email, caller },
  browser,
  url,
}) => {
  test.setTimeout(180_000);
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
    deviceScaleFactor: 2,
  });
  const page = await context.newPage();
  await signIn(page, email);
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  for (const path of ['/', '/leads', '/pipeline', '/reminders', '/reports', '/activity', '/settings', '/import']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    // Nothing may push the page sideways.
    expect(await wide(), path).toBeLessThanOrEqual(0);
  }
  await page.goto('/leads');
  await page.getByRole('link', { name: /Ada Larsen/ }).tap();
  const sheet = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await sheet.getByRole('button', { name: 'Qualified' }).tap();
  await expect.poll(async () => (await caller.get<{ status: string }>(`/leads/${lead.id}`)).status).toBe('Qualified');
  await sheet.getByRole('button', { name: 'Close' }).tap();
  await page.getByRole('button', { name: 'New lead' }).tap();
  await page.getByRole('dialog').getByLabel('Name').fill('Grace Costa');
  await page.getByRole('dialog').getByRole('button', { name: 'Add the lead' }).tap();
  await expect(page.getByRole('dialog', { name: 'Grace Costa', exact: true })).toBeVisible();
  await page.getByRole('dialog', { name: 'Grace Costa', exact: true }).getByRole('button', { name: 'Close' }).tap();
  await page.getByRole('button', { name: 'More', exact: true }).tap();
  await page.getByRole('link', { name: 'Reports' }).last().tap();
  await expect(page.getByRole('heading', { name: 'Reports', level: 1 })).toBeVisible();
  await context.close();
});
