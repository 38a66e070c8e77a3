import { expect, test } from './program';

test('the heads of columns sort the list, and say so', async ({ someone: { page, caller } }) => {
  for (const [name, company] of [
    ['Luca', 'Atlas'],
    ['Ada', 'Tidal'],
    ['Mei', 'Cobalt'],
  ])
    await caller.post('/leads', { name, company });
  await page.goto('/leads');
  const names = () => page.getByRole('region', { name: 'Leads' }).locator('tbody th b').allInnerTexts();
  const head = (name: string) => page.getByRole('columnheader', { name });
  await expect(head('Created')).toHaveAttribute('aria-sort', 'descending');
  await expect.poll(names).toEqual(['Mei', 'Ada', 'Luca']);
  await head('Lead').getByRole('button').click();
  await expect(head('Lead')).toHaveAttribute('aria-sort', 'ascending');
  await expect(head('Created')).not.toHaveAttribute('aria-sort');
  await expect.poll(names).toEqual(['Ada', 'Luca', 'Mei']);
  await head('Lead').getByRole('button').click();
  await expect(head('Lead')).toHaveAttribute('aria-sort', 'descending');
  await expect.poll(names).toEqual(['Mei', 'Luca', 'Ada']);
  await page.reload();
  await expect.poll(names).toEqual(['Mei', 'Luca', 'Ada']);
});

test('columns are chosen, and remembered by the browser', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen', email: 'ada@redwood.example' });
  await page.goto('/leads');
  await expect(page.getByRole('columnheader', { name: 'Next step' })).toBeVisible();
  await expect(page.getByRole('columnheader', { name: 'Email' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Email' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Next step' }).click();
  await page.keyboard.press('Escape');
  for (const again of [false, true]) {
    if (again) await page.reload();
    await expect(page.getByRole('columnheader', { name: 'Email' })).toBeVisible();
    await expect(page.getByRole('cell', { name: 'ada@redwood.example' })).toBeVisible();
    await expect(page.getByRole('columnheader', { name: 'Next step' })).toHaveCount(0);
  }
});

test('a view is kept, found by the palette, saved over, deleted, and each time given back', async ({
  someone: { page, caller },
}) => {
  await caller.post('/leads', { name: 'Ada Larsen', status: 'Lost' });
  await caller.post('/leads', { name: 'Luca Novak' });
  const views = page.getByRole('main').getByRole('button', { name: 'Views' });
  const save = async (name: string) => {
    await views.click();
    await page.getByRole('menuitem', { name: 'Save this view' }).click();
    await page.getByRole('dialog').getByLabel('Name of the view').fill(name);
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await expect(page.getByText(`View “${name}” saved`).first()).toBeVisible();
  };
  const open = async (name: string) => {
    await page.goto('/leads');
    await expect(page.getByText('2 leads', { exact: true })).toBeVisible();
    await views.click();
    await page.getByRole('menuitem', { name, exact: true }).click();
  };
  await page.goto('/leads?status=Lost');
  await save('Gone');
  await open('Gone');
  await expect(page).toHaveURL(/status=Lost/);
  await expect(page.getByText('1 lead', { exact: true })).toBeVisible();

  await page.goto('/leads?sort=name');
  await save('Gone');
  await page.keyboard.press('Control+z');
  await expect(page.getByText(/^Undone: View “Gone” saved/).first()).toBeVisible();
  await open('Gone');
  await expect(page).toHaveURL(/status=Lost/);

  await views.click();
  await page.getByRole('menuitem', { name: 'Delete “Gone”' }).click();
  await views.click();
  await expect(page.getByRole('menuitem', { name: 'Gone', exact: true })).toHaveCount(0);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Undo' }).first().click();
  await expect(page.getByText(/^Undone: View “Gone” deleted/).first()).toBeVisible();

  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'Dashboard', level: 1 })).toBeVisible();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Search or jump to' })).toBeFocused();
  await page.keyboard.type('gone');
  await page.getByRole('option', { name: 'Gone', exact: true }).click();
  await expect(page).toHaveURL(/\/leads\?status=Lost/);
});

test('J and K go on in the order of the page behind the open lead, and not past a dialog', async ({
  someone: { page, caller },
}) => {
  for (const name of ['Ada', 'Luca', 'Mei']) await caller.post('/leads', { name });
  await caller.post('/leads', { name: 'Yara', status: 'Contacted' });
  const panel = (name: string) => page.getByRole('dialog', { name, exact: true });
  await page.goto('/pipeline');
  // What moved last is on top: Mei, Luca, Ada; Yara is in another column.
  await page.getByRole('region', { name: /^New/ }).getByRole('link', { name: 'Mei' }).click();
  await expect(panel('Mei').getByRole('button', { name: /^Previous lead/ })).toBeDisabled();
  await page.keyboard.press('j');
  await expect(panel('Luca')).toBeVisible();
  await page.keyboard.press('j');
  await expect(panel('Ada')).toBeVisible();
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await expect(panel('Luca')).toBeVisible();
  await panel('Luca').getByRole('button', { name: 'Mark as lost' }).click();
  const asked = page.getByRole('dialog', { name: 'Why was Luca lost?' });
  await expect(asked.getByRole('button', { name: 'Bad timing' })).toBeVisible();
  await page.keyboard.press('j');
  await page.keyboard.press('Escape');
  await expect(asked).toHaveCount(0);
  await expect(panel('Luca')).toBeVisible();

  // Another page, another order: the pipeline's is forgotten.
  await page.goto('/activity');
  await page.getByRole('log').getByRole('link', { name: 'Mei' }).click();
  await expect(panel('Mei')).toBeVisible();
  await page.keyboard.press('k');
  await expect(panel('Yara')).toBeVisible();
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('e');
  await expect(page.getByRole('heading', { name: 'Reports', level: 1 })).toBeVisible();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Search or jump to' })).toBeFocused();
  await page.keyboard.type('mei');
  await page.getByRole('option', { name: /^Mei/ }).click();
  await expect(panel('Mei').getByRole('button', { name: /^Previous lead/ })).toBeDisabled();
  await expect(panel('Mei').getByRole('button', { name: /^Next lead/ })).toBeDisabled();
});

test('every chart shows itself as a table, and as a chart again', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen', status: 'Lost' });
  await page.goto('/');
  for (const name of [
    'Leads created',
    'Leads by stage',
    'Leads by source',
    'Conversion rate',
    'When leads arrive',
    'Funnel',
  ]) {
    const card = page.getByRole('region', { name: new RegExp(`^${name}`) }).first();
    const choose = async (item: string) => {
      await card.getByRole('button', { name: /^Options of/ }).click();
      await page.getByRole('menuitem', { name: item }).click();
    };
    await choose('Show as table');
    await expect(card.getByRole('table'), name).toBeVisible();
    expect(await card.getByRole('rowheader').count(), name).toBeGreaterThan(2);
    await choose('Show as chart');
    await expect(card.getByRole('button', { name: /^Options of/ }), name).toBeVisible();
  }
});

test('the theme is switched at the top, chosen in the settings, and there before the first paint', async ({
  someone: { page },
}) => {
  const html = page.locator('html');
  await expect(html).toHaveAttribute('data-theme', 'light');
  await page.getByRole('button', { name: 'Switch to the dark theme' }).click();
  await expect(html).toHaveAttribute('data-theme', 'dark');
  await expect(page.locator('meta[name="theme-color"]')).toHaveAttribute('content', '#0B110F');
  // Set by the first script, before there is anything to see.
  await page.addInitScript(() => {
    requestAnimationFrame(() => Object.assign(window, { firstTheme: document.documentElement.dataset['theme'] }));
  });
  await page.goto('/settings?tab=preferences');
  await expect.poll(() => page.evaluate(() => (window as { firstTheme?: string }).firstTheme)).toBe('dark');
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked();
  await page.getByRole('radio', { name: 'System' }).click();
  await expect(html).toHaveAttribute('data-theme', 'light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await expect(html).toHaveAttribute('data-theme', 'dark');
});
