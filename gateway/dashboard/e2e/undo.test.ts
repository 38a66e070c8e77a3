import { expect, test } from './program';

interface Known {
  status: string;
  company: string | null;
  notes: { text: string }[];
}
interface Due {
  items: { message: string; status: string; dueAt: string }[];
}

test('Ctrl-Z takes back a move, an edit, a note, and the deletion of a note', async ({ someone: { page, caller } }) => {
  const { id } = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen', company: 'Redwood', note: 'First' });
  const lead = () => caller.get<Known>(`/leads/${id}`);
  await page.goto(`/leads?lead=${id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  const undo = async (what: RegExp) => {
    // Not into a field: there it undoes typing.
    await panel.focus();
    await page.keyboard.press('Control+z');
    await expect(page.getByText(what).first()).toBeVisible();
  };

  await panel.getByRole('button', { name: 'Qualified' }).click();
  await expect.poll(async () => (await lead()).status).toBe('Qualified');
  await undo(/^Undone: .*Qualified/);
  await expect.poll(async () => (await lead()).status).toBe('New');

  await panel.getByRole('button', { name: /Company: Redwood/ }).click();
  await panel.getByRole('textbox', { name: 'Company' }).fill('Redwood Group');
  await panel.getByRole('textbox', { name: 'Company' }).press('Enter');
  await expect.poll(async () => (await lead()).company).toBe('Redwood Group');
  await undo(/^Undone: Ada Larsen saved/);
  await expect.poll(async () => (await lead()).company).toBe('Redwood');

  await panel.getByLabel('Add a note').fill('Second');
  await panel.getByLabel('Add a note').press('Control+Enter');
  await expect.poll(async () => (await lead()).notes.length).toBe(2);
  await undo(/^Undone: Note added/);
  await expect.poll(async () => (await lead()).notes.map((note) => note.text)).toEqual(['First']);

  await panel.getByRole('button', { name: 'Delete the note' }).first().click();
  await expect(page.getByText('Note deleted').first()).toBeVisible();
  await undo(/^Undone: Note deleted/);
  await expect(panel.getByRole('button', { name: 'Delete the note' }).first()).toBeVisible();
  expect((await lead()).notes.map((note) => note.text)).toEqual(['First']);
});

test('Ctrl-Z takes back what is done to a reminder', async ({ someone: { page, caller } }) => {
  const { id } = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  const dueAt = new Date(Date.now() - 3_600_000).toISOString();
  await caller.post('/reminders', { leadId: id, dueAt, message: 'Call Ada' });
  const reminder = async () => (await caller.get<Due>('/reminders?view=all')).items[0];
  const before = await reminder();
  await page.goto('/reminders');
  const choose = async (item: string) => {
    await page.getByRole('button', { name: 'More about: Call Ada' }).click();
    await page.getByRole('menuitem', { name: new RegExp(`^${item}`) }).click();
  };

  await page.getByRole('button', { name: 'Complete: Call Ada' }).click();
  await expect.poll(async () => (await reminder())?.status).toBe('done');
  await expect(page.getByText(/^Done: Call Ada/).first()).toBeVisible();
  await page.keyboard.press('Control+z');
  await expect.poll(async () => (await reminder())?.status).toBe('pending');

  await choose('Tomorrow');
  await expect(page.getByText(/^Put off:/).first()).toBeVisible();
  await page.keyboard.press('Control+z');
  await expect.poll(async () => (await reminder())?.dueAt).toBe(before?.dueAt);

  await choose('Delete');
  await expect(page.getByText('Deleted: Call Ada').first()).toBeVisible();
  await page.keyboard.press('Control+z');
  await expect(page.getByRole('button', { name: 'Complete: Call Ada' })).toBeVisible();
  expect((await reminder())?.message).toBe('Call Ada');
});
