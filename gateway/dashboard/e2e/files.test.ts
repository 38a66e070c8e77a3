import { readFile } from 'node:fs/promises';
import { expect, test } from './program';

test('leads, figures and the month are handed over as files', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen', status: 'Lost' });
  await caller.post('/leads', { name: '=Formula', status: 'New' });
  await page.goto('/leads?status=Lost');
  await expect(page.getByRole('link', { name: /Ada Larsen/ })).toBeVisible();
  const take = async (menu: string, entry: string | RegExp) => {
    await page.getByRole('main').getByRole('button', { name: menu }).click();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('menuitem', { name: entry }).click(),
    ]);
    return { name: file.suggestedFilename(), body: await readFile((await file.path()) as string) };
  };
  const csv = await take('Export', /CSV/);
  expect(csv.name).toMatch(/\.csv$/);
  // Just what the list shows, and nothing of the rest.
  expect(csv.body.toString()).toContain('Ada Larsen');
  expect(csv.body.toString()).not.toContain('Formula');
  expect((await take('Export', /Excel/)).body.subarray(0, 2).toString()).toBe('PK');

  await page.goto('/');
  expect((await take('Export', /This month’s summary/)).body.subarray(0, 5).toString()).toBe('%PDF-');
  expect((await take('Export', /All figures/)).body.subarray(0, 2).toString()).toBe('PK');
  const chart = await take('Options of Leads by stage', 'Download CSV');
  expect(chart.body.toString()).toContain('Lost,1');
});

test('a lead that is known already is named while it is typed, and beside the one that is open', async ({
  someone: { page, caller },
}) => {
  await caller.post('/leads', { name: 'Ada Larsen', email: 'ada@redwood.example', company: 'Redwood' });
  await page.goto('/leads?new=true');
  const form = page.getByRole('dialog', { name: 'New lead' });
  await form.getByLabel('Name').fill('A. Larsen');
  await form.getByLabel('Email').fill('ADA@redwood.example');
  await form.getByLabel('Phone').focus();
  await expect(form.getByRole('status')).toContainText('Ada Larsen');
  await form.getByRole('button', { name: 'Add the lead' }).click();
  const panel = page.getByRole('dialog', { name: 'A. Larsen', exact: true });
  await expect(panel.getByRole('region', { name: 'Possible duplicates' })).toContainText('same email');
});
