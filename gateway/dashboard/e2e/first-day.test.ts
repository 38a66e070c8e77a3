import { expect, newEmail, PASSWORD, test } from './program';

test('a newcomer registers, adds a lead, moves it, notes, is reminded, and sees the figures change', async ({
  page,
}) => {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    // The refused registration below is meant, and a server may have no search for duplicates.
    if (message.type() === 'error' && !/status of (422|404)/.test(message.text())) faults.push(message.text());
  });

  await page.goto('/');
  await expect(page).toHaveURL(/sign-in/);
  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('Your name').fill('Amara Obi');
  await page.getByLabel('Email').fill(newEmail());
  await page.getByLabel('Password', { exact: true }).fill('password1234');
  await page.getByRole('button', { name: 'Create an account' }).click();
  // The server knows that this password is common; its words stand at the field.
  await expect(page.getByLabel('Password', { exact: true })).toHaveAttribute('aria-invalid', 'true');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Create an account' }).click();

  await expect(page.getByRole('heading', { name: 'Welcome, Amara' })).toBeVisible();
  await page.getByRole('button', { name: 'Add your first lead' }).click();
  const form = page.getByRole('dialog');
  await form.getByLabel('Name').fill('Ada Larsen');
  await form.getByLabel('Email').fill('ada@redwood.example');
  await form.getByLabel('Company').fill('Redwood Retail');
  await form.getByRole('button', { name: 'Add the lead' }).click();

  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await expect(panel).toBeVisible();
  await panel.getByRole('button', { name: 'Contacted' }).click();
  await expect(panel.getByRole('button', { name: 'Contacted' })).toHaveAttribute('aria-current', 'step');
  await panel.getByLabel('Add a note').fill('Wants a call on Friday');
  await panel.getByLabel('Add a note').press('Control+Enter');
  await expect(panel.getByText('Wants a call on Friday')).toBeVisible();
  await panel.getByRole('button', { name: 'Remind me' }).click();
  await panel.getByRole('textbox', { name: 'What' }).fill('Call Ada');
  await panel.getByRole('button', { name: 'Later today' }).click();
  await panel.getByRole('button', { name: 'Set the reminder' }).click();
  await expect(panel.getByRole('button', { name: 'Complete: Call Ada' })).toBeVisible();
  await panel.getByRole('button', { name: 'Close' }).click();

  await expect(page.getByRole('link', { name: /Total leads/ })).toContainText('1');
  await expect(page.getByRole('link', { name: /New today/ })).toContainText('1');
  await expect(page.getByRole('button', { name: /Contacted/ })).toContainText('1');
  await expect(page.getByRole('region', { name: 'Today’s work' }).getByText('Call Ada')).toBeVisible();
  await expect(page.getByRole('log', { name: 'Activity' })).toContainText('moved Ada Larsen to Contacted');
  expect(faults).toEqual([]);
});

test('sample data comes and goes in one click each, and takes nobody’s own lead along', async ({
  someone: { page, caller },
}) => {
  const count = async () => (await caller.get<{ total: { value: number } }>('/leads')).total.value;
  await page.getByRole('button', { name: 'Try sample data' }).click();
  await expect(page.getByRole('link', { name: /Total leads/ })).toContainText('64', { timeout: 30_000 });
  // One of the sample is tried out, and a lead of somebody's own has the same tag.
  const { items } = await caller.get<{ items: { id: string }[] }>('/leads?limit=1');
  await caller.patch(`/leads/${items[0]?.id}/status`, { status: 'Qualified' });
  const own = await caller.post<{ id: string }>('/leads', {
    name: 'Own Lead',
    email: 'own@redwood.com',
    tags: ['sample'],
  });
  await page.reload();
  await expect(page.getByText('64 leads are sample data.')).toBeVisible();
  await page.getByRole('button', { name: 'Remove it' }).click();
  await expect.poll(count, { timeout: 20_000 }).toBe(1);
  expect((await caller.get<{ items: { id: string }[] }>('/leads')).items.map((lead) => lead.id)).toEqual([own.id]);
  await expect(page.getByRole('button', { name: 'Remove it' })).toHaveCount(0);

  await page.getByRole('button', { name: 'Undo' }).click();
  await expect.poll(count, { timeout: 20_000 }).toBe(65);
  expect(await caller.get<{ status: string }>(`/leads/${items[0]?.id}`)).toMatchObject({ status: 'Qualified' });
});

test('a card opens just the leads that it counts', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Won One', status: 'Converted' });
  await caller.post('/leads', { name: 'Still New' });
  await page.reload();
  await page.getByRole('link', { name: /Converted this week/ }).click();
  await expect(page).toHaveURL(/status=Converted/);
  await expect(page.getByRole('link', { name: /Won One/ })).toBeVisible();
  await expect(page.getByRole('link', { name: /Still New/ })).toHaveCount(0);
});

test('who registers may try it with sample data at once', async ({ page }) => {
  await page.goto('/register');
  await page.getByLabel('Your name').fill('Amara Obi');
  await page.getByLabel('Email').fill(newEmail());
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Try it with sample data' }).click();
  await expect(page.getByRole('link', { name: /Total leads/ })).toContainText('64', { timeout: 30_000 });
  await expect(page.getByRole('region', { name: 'Today’s work' }).getByRole('listitem').first()).toBeVisible();
  await page.getByRole('button', { name: 'Remove it' }).click();
  await expect(page.getByRole('heading', { name: /Welcome/ })).toBeVisible({ timeout: 20_000 });
});
