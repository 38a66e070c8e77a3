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

test('a list on a phone stays as it is under a finger, and says how many have come', async ({
  someone: { email, caller },
  browser,
  url,
}) => {
  for (const name of ['Ada Larsen', 'Luca Novak']) await caller.post('/leads', { name });
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  const page = await context.newPage();
  await signIn(page, email);
  await page.goto('/leads');
  const names = () => page.getByRole('main').getByRole('listitem').locator('b').allInnerTexts();
  await expect.poll(names).toEqual(['Luca Novak', 'Ada Larsen']);
  // Nobody has touched it: it follows.
  await caller.post('/leads', { name: 'Mei Kimura' });
  await expect.poll(names).toEqual(['Mei Kimura', 'Luca Novak', 'Ada Larsen']);
  await page.getByRole('checkbox', { name: 'Select Ada Larsen' }).tap();
  await caller.post('/leads', { name: 'Grace Costa' });
  const come = page.getByRole('button', { name: '1 new' });
  await expect(come).toBeVisible();
  expect(await names()).toEqual(['Mei Kimura', 'Luca Novak', 'Ada Larsen']);
  await come.tap();
  await expect.poll(names).toEqual(['Grace Costa', 'Mei Kimura', 'Luca Novak', 'Ada Larsen']);
  await expect(come).toBeHidden();
  await context.close();
});

test('a finger drags a card after a short hold, and only scrolls without it', async ({
  someone: { email, caller },
  browser,
  url,
}) => {
  await caller.post('/leads', { name: 'Ada Larsen' });
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: 820, height: 900 },
    hasTouch: true,
    isMobile: true,
  });
  const page = await context.newPage();
  await signIn(page, email);
  await page.goto('/pipeline');
  const card = page.getByRole('listitem').filter({ has: page.getByRole('link', { name: 'Ada Larsen' }) });
  const from = await card.boundingBox();
  const target = await page.getByRole('region', { name: /^Contacted/ }).boundingBox();
  if (!from || !target) throw new Error('nothing to drag');
  const finger = await context.newCDPSession(page);
  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', x = 0, y = 0) =>
    finger.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x, y }] });
  const [x, y] = [from.x + 40, from.y + 30];
  const status = async () => (await caller.get<{ items: { status: string }[] }>('/leads')).items[0]?.status;

  await touch('touchStart', x, y);
  for (let step = 1; step <= 6; step += 1) await touch('touchMove', x + step * 8, y);
  await touch('touchEnd');
  expect(await status()).toBe('New');

  await page.evaluate(() => document.querySelector('[data-col]')?.parentElement?.scrollTo({ left: 0 }));
  await touch('touchStart', x, y);
  // The hold itself is what is tried here.
  await page.waitForTimeout(350);
  for (let step = 1; step <= 12; step += 1)
    await touch('touchMove', x + ((target.x + 60 - x) * step) / 12, y + ((target.y + 200 - y) * step) / 12);
  await page.waitForTimeout(80);
  await touch('touchEnd');
  await expect.poll(status).toBe('Contacted');
  await context.close();
});

test('on a phone the list is sorted, and a deleted lead brought back', async ({
  someone: { email, caller },
  browser,
  url,
}) => {
  for (const name of ['Luca Novak', 'Ada Larsen', 'Mei Kimura']) await caller.post('/leads', { name });
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  const page = await context.newPage();
  await signIn(page, email);
  await page.goto('/leads');
  const names = () => page.getByRole('main').getByRole('listitem').locator('b').allInnerTexts();
  await expect.poll(names).toEqual(['Mei Kimura', 'Ada Larsen', 'Luca Novak']);
  await page.getByRole('button', { name: 'Order' }).tap();
  await page.getByRole('menuitem', { name: 'By name' }).tap();
  await expect.poll(names).toEqual(['Ada Larsen', 'Luca Novak', 'Mei Kimura']);

  await page.getByRole('link', { name: /Ada Larsen/ }).tap();
  await page.getByRole('button', { name: 'More about this lead' }).tap();
  await page.getByRole('menuitem', { name: 'Delete the lead' }).tap();
  await expect.poll(names).toEqual(['Luca Novak', 'Mei Kimura']);
  await page.goto('/leads?trashed=true');
  await expect.poll(names).toEqual(['Ada Larsen']);
  await page.getByRole('button', { name: 'Bring back Ada Larsen' }).tap();
  await expect.poll(async () => (await caller.get<{ total: { value: number } }>('/leads')).total.value).toBe(3);
  await expect(page.getByText('0 leads')).toBeVisible();
  await context.close();
});
