import type { Page } from '@playwright/test';
import { expect, signIn, test } from './program';

const column = (page: Page, name: string) => page.getByRole('region', { name: new RegExp(`^${name}`) });
const card = (page: Page, name: string) => page.getByRole('listitem').filter({ has: page.getByRole('link', { name }) });

async function drag(page: Page, name: string, to: string) {
  const from = await card(page, name).boundingBox();
  const target = await column(page, to).boundingBox();
  if (!from || !target) throw new Error('nothing to drag');
  await page.mouse.move(from.x + 40, from.y + 40);
  await page.mouse.down();
  await page.mouse.move(from.x + 60, from.y + 60, { steps: 4 });
  await page.mouse.move(target.x + target.width / 2, target.y + 140, { steps: 12 });
}

test('a card is dragged to another stage, and the move is undone', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen', company: 'Redwood Retail' });
  await page.goto('/pipeline');
  await expect(column(page, 'New').getByRole('link', { name: 'Ada Larsen' })).toBeVisible();

  await drag(page, 'Ada Larsen', 'Qualified');
  await page.mouse.up();
  await expect(column(page, 'Qualified').getByRole('link', { name: 'Ada Larsen' })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Qualified, 1 lead' })).toBeVisible();
  await expect
    .poll(async () => (await caller.get<{ items: { status: string }[] }>('/leads')).items[0]?.status)
    .toBe('Qualified');

  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(column(page, 'New').getByRole('link', { name: 'Ada Larsen' })).toBeVisible();
  await expect
    .poll(async () => (await caller.get<{ items: { status: string }[] }>('/leads')).items[0]?.status)
    .toBe('New');
});

test('Escape lets a dragged card go where it was', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen' });
  await page.goto('/pipeline');
  await expect(card(page, 'Ada Larsen')).toBeVisible();
  await drag(page, 'Ada Larsen', 'Contacted');
  await page.keyboard.press('Escape');
  await page.mouse.up();
  await expect(column(page, 'New').getByRole('link', { name: 'Ada Larsen' })).toBeVisible();
  expect((await caller.get<{ items: { status: string; version: number }[] }>('/leads')).items[0]).toMatchObject({
    status: 'New',
    version: 1,
  });
});

test('a lost lead is asked why, and the menu moves without dragging', async ({ someone: { page, caller } }) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await page.goto('/pipeline');
  await page.getByRole('button', { name: 'Move Ada Larsen' }).click();
  await page.getByRole('menuitem', { name: 'Lost' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Bad timing' }).click();
  await expect(column(page, 'Lost').getByRole('link', { name: 'Ada Larsen' })).toBeVisible();
  await expect
    .poll(async () => (await caller.get<{ items: { data: unknown }[] }>(`/leads/${lead.id}/activity`)).items[0]?.data)
    .toMatchObject({ from: 'New', to: 'Lost', reason: 'Bad timing' });
});

test('what one browser changes, the other sees', async ({ someone: { page, email }, browser }) => {
  const other = await (await browser.newContext({ baseURL: new URL(page.url()).origin })).newPage();
  await signIn(other, email);
  await other.goto('/pipeline');
  await expect(other.getByText('Live', { exact: true })).toBeVisible();

  await page.goto('/leads?new=true');
  const form = page.getByRole('dialog');
  await form.getByLabel('Name').fill('Grace Costa');
  await form.getByRole('button', { name: 'Add the lead' }).click();
  await expect(column(other, 'New').getByRole('link', { name: 'Grace Costa' })).toBeVisible();

  await drag(other, 'Grace Costa', 'Contacted');
  await other.mouse.up();
  const panel = page.getByRole('dialog', { name: 'Grace Costa', exact: true });
  await expect(panel.getByRole('button', { name: 'Contacted' })).toHaveAttribute('aria-current', 'step');

  await page.goto('/');
  await other.getByRole('button', { name: 'Move Grace Costa' }).click();
  await other.getByRole('menuitem', { name: 'Converted' }).click();
  await expect(page.getByRole('link', { name: /Converted this week/ })).toContainText('1');
  await expect(page.getByRole('log', { name: 'Activity' })).toContainText('won Grace Costa');
  await other.context().close();
});

test('two who change the same field are shown both values', async ({ someone: { page, caller } }) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen', company: 'Redwood' });
  await page.goto(`/leads?lead=${lead.id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  // The other's change must come while this page's stream is not heard: otherwise the page knows of it before it writes.
  await page.route('**/api/v1/events', (route) => route.abort());
  await page.reload();
  await panel.getByRole('button', { name: /Company: Redwood/ }).click();
  await caller.patch(`/leads/${lead.id}`, { company: 'Redwood Group' });
  await panel.getByRole('textbox', { name: 'Company' }).fill('Redwood Retail');
  await panel.getByRole('textbox', { name: 'Company' }).press('Enter');
  const note = panel.getByRole('alert');
  await expect(note).toContainText('Redwood Group');
  await expect(note).toContainText('Redwood Retail');
  await note.getByRole('button', { name: 'Keep mine' }).click();
  await expect(panel.getByRole('button', { name: /Company: Redwood Retail/ })).toBeVisible();
  await expect
    .poll(async () => (await caller.get<{ company: string }>(`/leads/${lead.id}`)).company)
    .toBe('Redwood Retail');
});

test('two who change source or tags are shown both values; what is refused in the table is said', async ({
  someone: { page, caller },
}) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen', source: 'Website', tags: ['vip'] });
  await page.route('**/api/v1/events', (route) => route.abort());
  await page.goto(`/leads?lead=${lead.id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  const note = panel.getByRole('alert');
  await panel.getByRole('button', { name: /^Source: Website/ }).click();
  await caller.patch(`/leads/${lead.id}`, { source: 'Referral' });
  await page.getByRole('menuitem', { name: 'Ad', exact: true }).click();
  await expect(note).toContainText('Amara Obi changed this to Referral');
  await expect(note).toContainText('You wrote Ad.');
  await note.getByRole('button', { name: 'Take theirs' }).click();
  await expect(note).toHaveCount(0);
  await expect(panel.getByRole('button', { name: /^Source: Referral/ })).toBeVisible();

  await panel.getByRole('button', { name: 'Add tag' }).click();
  await caller.patch(`/leads/${lead.id}`, { tags: ['vip', 'fair'] });
  await panel.getByRole('textbox', { name: 'Add tag' }).fill('warm');
  await panel.getByRole('textbox', { name: 'Add tag' }).press('Enter');
  await expect(note).toContainText('vip, fair');
  await expect(note).toContainText('vip, warm');
  await note.getByRole('button', { name: 'Keep mine' }).click();
  await expect
    .poll(async () => (await caller.get<{ tags: string[] }>(`/leads/${lead.id}`)).tags)
    .toEqual(['vip', 'warm']);

  await page.goto('/leads');
  await page.route(`**/api/v1/leads/${lead.id}`, (route) =>
    route.request().method() === 'PATCH'
      ? route.fulfill({
          status: 422,
          json: { title: 'Invalid', status: 422, errors: [{ field: 'ownerId', message: 'is no member any more' }] },
        })
      : route.continue(),
  );
  const give = page.getByRole('button', { name: 'Give Ada Larsen an owner' });
  await give.click();
  await page.getByRole('menuitem', { name: 'Amara Obi' }).click();
  await expect(page.getByText('Ada Larsen could not be saved').first()).toBeVisible();
  await expect(page.getByText('Is no member any more').first()).toBeVisible();
  await expect(give).toBeVisible();
});

test('a lead that comes while the pointer is in a list waits above it', async ({ someone: { page, caller } }) => {
  for (const name of ['Ada Larsen', 'Luca Novak']) await caller.post('/leads', { name });
  const first = async (path: string, list: 'Leads' | 'New') => {
    await page.goto(path);
    await expect(page.getByText('Live', { exact: true })).toBeVisible();
    const links = page
      .getByRole('region', { name: new RegExp(`^${list}`) })
      .getByRole('link', { name: /Larsen|Novak|Costa|Park/ });
    await expect(links.first()).toBeVisible();
    await links.first().hover();
    return links;
  };
  const table = await first('/leads', 'Leads');
  await expect(table.first()).toContainText('Luca Novak');
  await caller.post('/leads', { name: 'Grace Costa' });
  const chip = page.getByRole('button', { name: '1 new' });
  await expect(chip).toBeVisible();
  await expect(page.getByText('3 leads', { exact: true })).toBeVisible();
  await expect(table.first()).toContainText('Luca Novak');
  await chip.click();
  await expect(table.first()).toContainText('Grace Costa');
  await expect(chip).toHaveCount(0);

  const cards = await first('/pipeline', 'New');
  await expect(cards.first()).toContainText('Grace Costa');
  await caller.post('/leads', { name: 'Mei Park' });
  await expect(chip).toBeVisible();
  await expect(cards.first()).toContainText('Grace Costa');
  // Nothing is held from a list that nobody points at.
  await page.getByRole('heading', { name: 'Pipeline', level: 1 }).hover();
  await expect(cards.first()).toContainText('Mei Park');
});

test('a move is announced once it has happened, and not if it does not', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen' });
  await page.goto('/pipeline');
  const said = page.locator('output');
  const choose = async (stage: string) => {
    await page.getByRole('button', { name: 'Move Ada Larsen' }).click();
    await page.getByRole('menuitem', { name: stage }).click();
  };
  await choose('Lost');
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.route('**/api/v1/leads/*/status', (route) =>
    route.fulfill({ status: 403, json: { title: 'Forbidden', status: 403 } }),
  );
  await choose('Contacted');
  await expect(page.getByText('Ada Larsen could not be moved').first()).toBeVisible();
  await expect(said).toBeEmpty();
  await page.unroute('**/api/v1/leads/*/status');
  await choose('Lost');
  await page.getByRole('dialog').getByRole('button', { name: 'Bad timing' }).click();
  await expect(said).toHaveText('Ada Larsen moved to Lost');
});

test('the panel of a lead tells notes and changes in the order in which they came', async ({
  someone: { page, caller },
}) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await caller.post(`/leads/${lead.id}/notes`, { text: 'First note' });
  await caller.patch(`/leads/${lead.id}/status`, { status: 'Contacted' });
  await caller.post(`/leads/${lead.id}/notes`, { text: 'Second note' });
  await page.goto(`/leads?lead=${lead.id}`);
  const timeline = page.getByRole('region', { name: 'Timeline' });
  await expect(timeline.getByText('Second note')).toBeVisible();
  const told = (await timeline.getByRole('listitem').allInnerTexts()).map(
    (text) => /First note|Second note|Contacted|added/i.exec(text)?.[0],
  );
  expect(told).toEqual(['Second note', 'Contacted', 'First note', expect.stringMatching(/added/i)]);
});
