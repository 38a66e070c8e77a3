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

test('Ctrl-Z before the server has answered takes back that change, not the one before', async ({
  someone: { page, caller },
}) => {
  const { id } = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  const status = async () => (await caller.get<Known>(`/leads/${id}`)).status;
  await page.goto(`/leads?lead=${id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await panel.getByRole('button', { name: 'Contacted' }).click();
  await expect.poll(status).toBe('Contacted');
  await expect(page.getByText(/moved to Contacted/).first()).toBeVisible();
  let slow = true;
  await page.route(`**/api/v1/leads/${id}/status`, async (route) => {
    if (slow) await new Promise((go) => setTimeout(go, 1_500));
    slow = false;
    await route.continue();
  });
  await panel.getByRole('button', { name: 'Qualified' }).click();
  await panel.focus();
  await page.keyboard.press('Control+z');
  await expect(page.getByText(/^Undone: .*Qualified/).first()).toBeVisible();
  await expect.poll(status).toBe('Contacted');
});

test('a deleted note stays away whatever is read meanwhile, and can be had again later', async ({
  someone: { page, caller },
}) => {
  const { id } = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen', note: 'First' });
  const notes = async () => (await caller.get<Known>(`/leads/${id}`)).notes.map((note) => note.text);
  await page.goto(`/leads?lead=${id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  await panel.getByRole('button', { name: 'Delete the note' }).click();
  await expect(panel.getByRole('button', { name: 'Delete the note' })).toHaveCount(0);
  // Somebody else's change has the lead read again, with the note, which is still on the server.
  await caller.patch(`/leads/${id}`, { company: 'Redwood' });
  await expect(panel.getByRole('button', { name: /Company: Redwood/ })).toBeVisible();
  await page.waitForTimeout(1_500);
  expect(await notes()).toEqual(['First']);
  await expect(panel.getByRole('button', { name: 'Delete the note' })).toHaveCount(0);
  await expect.poll(notes).toEqual([]);

  await panel.focus();
  await page.keyboard.press('Control+z');
  await expect(page.getByText(/^Undone: Note deleted/).first()).toBeVisible();
  await expect.poll(notes).toEqual(['First']);
  await expect(panel.getByRole('button', { name: 'Delete the note' })).toBeVisible();
});
