import { expect, test } from './program';

test('all leads that match are changed at once, and each gets back what it had', async ({
  someone: { page, caller },
}) => {
  test.setTimeout(120_000);
  const stages = ['New', 'Contacted', 'Qualified', 'Converted'];
  for (let from = 0; from < 450; from += 10)
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        caller.post('/leads', { name: `Lead ${from + i}`, status: stages[(from + i) % stages.length], tags: ['fair'] }),
      ),
    );
  const count = async (status: string) =>
    (await caller.get<{ total: { value: number } }>(`/leads?status=${status}`)).total.value;
  const before = await Promise.all(stages.map(count));
  await page.goto('/leads?tag=fair');
  await expect(page.getByText('450 leads', { exact: true })).toBeVisible();
  await page.getByRole('checkbox', { name: /^Select all/ }).check();
  await page.getByRole('button', { name: /Select all 450 that match/ }).click();
  await page.getByRole('toolbar').getByRole('button', { name: 'Stage' }).click();
  await page.getByRole('menuitem', { name: 'Lost' }).click();
  // They are asked about once; who closes the question moves nothing.
  const why = page.getByRole('dialog', { name: 'Why were these 450 leads lost?' });
  await why.getByRole('button', { name: 'Cancel' }).click();
  await expect(why).toBeHidden();
  expect(await count('Lost')).toBe(0);
  await page.getByRole('toolbar').getByRole('button', { name: 'Stage' }).click();
  await page.getByRole('menuitem', { name: 'Lost' }).click();
  await why.getByRole('button', { name: 'Bad timing' }).click();
  await expect(page.getByText('450 leads moved to Lost.')).toBeVisible();
  expect(await count('Lost')).toBe(450);
  const { items: moves } = await caller.get<{ items: { data: { reason: string | null } }[] }>(
    '/activity?type=lead.status_changed&limit=200',
  );
  expect(new Set(moves.map((move) => move.data.reason))).toEqual(new Set(['Bad timing']));
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect.poll(() => Promise.all(stages.map(count)), { timeout: 20_000 }).toEqual(before);
  expect(await count('Lost')).toBe(0);
});

test('hundreds of rows are scrolled through with a screenful of them in the page', async ({
  someone: { page, caller },
}) => {
  test.setTimeout(180_000);
  for (let from = 0; from < 320; from += 16)
    await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        caller.post('/leads', { name: `Lead ${String(from + i).padStart(4, '0')}` }),
      ),
    );
  await page.goto('/leads?sort=name');
  const table = page.getByRole('region', { name: 'Leads' });
  await expect(table.getByRole('link', { name: /Lead 0000/ })).toBeVisible();
  for (let i = 0; i < 60 && !(await table.getByRole('link', { name: /Lead 0319/ }).isVisible()); i += 1)
    await table.evaluate((element) => element.scrollBy(0, 900));
  await expect(table.getByRole('link', { name: /Lead 0319/ })).toBeVisible();
  expect(await table.getByRole('row').count()).toBeLessThan(80);
});

test('what a bulk change has done before it failed is told exactly, and is undone', async ({
  someone: { page, caller },
}) => {
  test.setTimeout(120_000);
  for (let from = 0; from < 520; from += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => caller.post('/leads', { name: `Lead ${from + i}`, tags: ['fair'] })),
    );
  const lost = async () => (await caller.get<{ total: { value: number } }>('/leads?status=Lost')).total.value;
  await page.goto('/leads?tag=fair');
  await page.getByRole('checkbox', { name: /^Select all/ }).check();
  await page.getByRole('button', { name: /Select all 520 that match/ }).click();
  let calls = 0;
  await page.route('**/api/v1/leads/bulk', (route) => {
    calls += 1;
    return calls === 2 ? route.fulfill({ status: 422, json: { title: 'Oops', status: 422 } }) : route.continue();
  });
  await page.getByRole('toolbar').getByRole('button', { name: 'Stage' }).click();
  await page.getByRole('menuitem', { name: 'Lost' }).click();
  await page.getByRole('button', { name: 'Lost, without a reason' }).click();
  await expect(page.getByText('500 leads moved to Lost. 20 could not be changed.')).toBeVisible();
  expect(await lost()).toBe(500);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect.poll(lost, { timeout: 20_000 }).toBe(0);
});
