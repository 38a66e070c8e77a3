import { expect, test } from './program';

test('leads are found, opened, selected, moved and given away without a pointer', async ({
  someone: { page, caller },
}) => {
  for (const name of ['Ada Larsen', 'Luca Novak', 'Yara Haddad']) await caller.post('/leads', { name });
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await expect(page.getByRole('heading', { name: 'Leads', level: 1 })).toBeVisible();
  await expect(page.getByRole('link', { name: /Yara Haddad/ })).toBeVisible();

  // Newest first: Yara, Luca, Ada.
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await expect(page.getByRole('toolbar')).toContainText('2 selected');
  await page.keyboard.press('s');
  const contacted = page.getByRole('menuitem', { name: 'Contacted' });
  await expect(contacted).toBeVisible();
  while ((await contacted.getAttribute('data-highlighted')) === null) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByText('2 leads moved to Contacted.')).toBeVisible();
  await expect
    .poll(async () => (await caller.get<{ total: { value: number } }>('/leads?status=Contacted')).total.value)
    .toBe(2);
  await page.keyboard.press('Control+z');
  await expect
    .poll(async () => (await caller.get<{ total: { value: number } }>('/leads?status=Contacted')).total.value)
    .toBe(0);

  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Search or jump to' })).toBeFocused();
  await page.keyboard.type('luca');
  await expect(page.getByRole('option', { name: /Luca Novak/ })).toBeVisible();
  await page.keyboard.press('Enter');
  const panel = page.getByRole('dialog', { name: 'Luca Novak', exact: true });
  await expect(panel).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(panel).toHaveCount(0);
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
});

test('the keyboard’s place in the table stays with its lead when others come', async ({
  someone: { page, caller },
}) => {
  for (const name of ['Ada Larsen', 'Luca Novak', 'Yara Haddad']) await caller.post('/leads', { name });
  await page.goto('/leads');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await expect(page.getByRole('link', { name: /Luca Novak/ })).toBeVisible();
  await page.getByRole('heading', { name: 'Leads', level: 1 }).hover();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await caller.post('/leads', { name: 'Grace Costa' });
  await expect(page.getByRole('link', { name: /Grace Costa/ })).toBeVisible();
  await page.keyboard.press('x');
  await expect(page.getByRole('checkbox', { name: 'Select Luca Novak' })).toBeChecked();
  await expect(page.getByRole('toolbar')).toContainText('1 selected');
});

test('a chart is read with the arrow keys, and Shift and Enter zoom in', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen' });
  await page.reload();
  const chart = page.getByRole('group', { name: /Leads created/ });
  await chart.focus();
  await page.keyboard.press('End');
  await expect(page.locator('output').filter({ hasText: /This period 1/ })).toHaveCount(1);
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/from=.*to=/);
  await expect(page.getByRole('button', { name: 'Open 1 lead' })).toBeVisible();
});

test('follow-ups are worked through one key at a time', async ({ someone: { page, caller } }) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  const due = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
  await caller.post('/reminders', { leadId: lead.id, dueAt: due(-60), message: 'First call' });
  await caller.post('/reminders', { leadId: lead.id, dueAt: due(-30), message: 'Second call' });
  await page.goto('/reminders?focus=true');
  await expect(page.getByRole('heading', { name: 'First call' })).toBeVisible();
  await page.keyboard.press('d');
  await expect(page.getByRole('heading', { name: 'Second call' })).toBeVisible();
  await page.keyboard.press('2');
  await expect(page.getByText('That was all')).toBeVisible();
  const first = async () =>
    (await caller.get<{ items: { message: string; status: string }[] }>('/reminders?view=all')).items.find(
      (one) => one.message === 'First call',
    );
  await expect.poll(async () => (await first())?.status).toBe('done');
  await expect
    .poll(async () => (await caller.get<{ total: { value: number } }>('/reminders?view=overdue')).total.value)
    .toBe(0);
});
