import { expect, test } from './program';

interface Known {
  email: string | null;
  company: string | null;
  tags: string[];
  notes: { text: string }[];
}

test('a duplicate is merged on the page of its lead, and Ctrl-Z takes that back', async ({
  someone: { page, caller },
}) => {
  const { id } = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen', email: 'ada@redwood.example' });
  const other = await caller.post<{ id: string }>('/leads', {
    name: 'A. Larsen',
    email: 'ADA@redwood.example',
    company: 'Redwood Retail',
    tags: ['fair'],
    note: 'Met at the fair',
  });
  const known = () => caller.get<Known>(`/leads/${id}`);
  const names = async () =>
    (await caller.get<{ items: { name: string }[] }>('/leads?sort=name')).items.map((lead) => lead.name);
  await page.goto(`/leads?lead=${id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  const duplicates = panel.getByRole('region', { name: 'Possible duplicates' });
  await expect(duplicates.getByRole('link', { name: 'A. Larsen' })).toBeVisible();

  await duplicates.getByRole('button', { name: 'Merge' }).click();
  const question = page.getByRole('dialog', { name: 'Merge into Ada Larsen?' });
  // Tab stays in the question; Escape answers it with no, closes nothing else, and gives the focus back.
  await expect(question.locator(':focus')).toHaveCount(1);
  for (let i = 0; i < 6; i += 1) {
    await page.keyboard.press(i < 4 ? 'Tab' : 'Shift+Tab');
    await expect(question.locator(':focus')).toHaveCount(1);
  }
  await page.keyboard.press('Escape');
  await expect(question).toHaveCount(0);
  await expect(panel).toBeVisible();
  await expect(duplicates.getByRole('button', { name: 'Merge' })).toBeFocused();
  expect(await names()).toEqual(['A. Larsen', 'Ada Larsen']);
  await page.keyboard.press('Enter');
  await expect(question).toContainText('It can be taken back for 30 days.');
  await question.getByRole('button', { name: 'Merge them' }).click();
  await expect(page.getByText('A. Larsen merged into Ada Larsen', { exact: true })).toBeVisible();
  await expect(duplicates).toBeHidden();
  await expect(panel.getByText('Met at the fair').first()).toBeVisible();
  const merged = await known();
  expect([merged.email, merged.company, merged.tags]).toEqual(['ada@redwood.example', 'Redwood Retail', ['fair']]);
  expect(await names()).toEqual(['Ada Larsen']);

  await page.keyboard.press('Control+z');
  await expect(page.getByText(/^Undone: A\. Larsen merged into Ada Larsen/).first()).toBeVisible();
  await expect.poll(names).toEqual(['A. Larsen', 'Ada Larsen']);
  const { company, tags, notes } = await known();
  expect([company, tags, notes]).toEqual([null, [], []]);
  const back = await caller.get<Known>(`/leads/${other.id}`);
  expect([back.company, back.tags, back.notes.map((note) => note.text)]).toEqual([
    'Redwood Retail',
    ['fair'],
    ['Met at the fair'],
  ]);
  await expect(duplicates.getByRole('link', { name: 'A. Larsen' })).toBeVisible();
});
