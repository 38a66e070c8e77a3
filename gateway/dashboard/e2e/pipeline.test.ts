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
