import { expect, test } from './program';

test('a server in trouble is said where it hurts, and tried again', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen' });
  // News of the lead would have the figures read again without a click.
  await page.route('**/api/v1/events', (route) => route.abort());
  await page.route('**/api/v1/analytics/dashboard*', (route) =>
    route.fulfill({ status: 500, json: { title: 'Oops', status: 500, requestId: 'r-42' } }),
  );
  await page.goto('/');
  const alert = page.getByRole('main').getByRole('alert');
  await expect(alert).toContainText('r-42', { timeout: 20_000 });
  await page.unroute('**/api/v1/analytics/dashboard*');
  await alert.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('link', { name: /Total leads/ })).toContainText('1');

  // What was shown stays, and says how old it is.
  await page.unroute('**/api/v1/events');
  await page.route('**/api/v1/analytics/dashboard*', (route) =>
    route.fulfill({ status: 503, json: { title: 'Down', status: 503 } }),
  );
  await caller.post('/leads', { name: 'Luca Novak' });
  await expect(page.getByRole('button', { name: /As of \d\d:\d\d/ })).toBeVisible({ timeout: 30_000 });
  await expect(page.getByRole('link', { name: /Total leads/ })).toBeVisible();
});

test('a chart whose figures can’t be had does not show those of all leads under its title', async ({
  someone: { page, caller },
}) => {
  await caller.post('/leads', { name: 'Ada Larsen', source: 'Referral' });
  await caller.post('/leads', { name: 'Luca Novak', source: 'Website' });
  // News of the two would have the figures read again, and mend by themselves what is to be mended by hand here.
  await page.route('**/api/v1/events', (route) => route.abort());
  await page.goto('/');
  const chart = page.getByRole('region', { name: 'Leads by stage' });
  await expect(chart.getByRole('button', { name: /^New/ })).toContainText('2');
  let trouble = true;
  await page.route(/api\/v1\/leads\?.*source=Referral/, (route) =>
    trouble ? route.fulfill({ status: 400, json: { title: 'Oops', status: 400 } }) : route.continue(),
  );
  await page
    .getByRole('region', { name: 'Leads by source' })
    .getByRole('button', { name: /Referral/ })
    .click();
  await expect(chart.getByRole('alert')).toContainText('Oops');
  await expect(chart.getByRole('button', { name: /^New/ })).toHaveCount(0);
  trouble = false;
  await chart.getByRole('button', { name: 'Try again' }).click();
  await expect(chart.getByRole('button', { name: /^New/ })).toContainText('1');
  // The funnel follows as well; what can't says so.
  const funnel = page.getByRole('region', { name: 'Funnel' });
  await funnel.getByRole('button', { name: 'Try again' }).click();
  await expect(funnel.locator('[data-leads]').first()).toHaveAttribute('data-leads', '1');
  await expect(page.getByRole('region', { name: 'Conversion rate' })).toContainText('All leads');
});

test('when reminders can’t be read, nothing is said to be clear', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen' });
  let trouble = true;
  await page.route('**/api/v1/reminders?*', (route) =>
    trouble ? route.fulfill({ status: 400, json: { title: 'Oops', status: 400 } }) : route.continue(),
  );
  // The dashboard's own answer has the first of them, and says that there are more.
  await page.route('**/api/v1/analytics/dashboard*', async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    for (const list of ['overdue', 'today']) json.reminders[list].nextCursor = 'more';
    await route.fulfill({ response, json });
  });
  await page.goto('/');
  const work = page.getByRole('region', { name: 'Today’s work' });
  await expect(work.getByRole('alert')).toContainText('Oops');
  await expect(page.getByText('All clear')).toHaveCount(0);
  await expect(page.getByText('No follow-up is waiting.')).toHaveCount(0);
  trouble = false;
  await work.getByRole('button', { name: 'Try again' }).click();
  await expect(work.getByText('All clear')).toBeVisible();
  await expect(page.getByText('No follow-up is waiting.')).toBeVisible();
});

test('without a connection the pill says so, a change goes back with the reason, and all is well again', async ({
  someone: { page, caller },
}) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await page.goto(`/leads?lead=${lead.id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await expect(panel.getByRole('button', { name: 'Contacted' })).toBeVisible();
  await expect(page.getByText('Live', { exact: true })).toBeVisible();

  await page.context().setOffline(true);
  await expect(page.getByText('Offline', { exact: true })).toBeVisible({ timeout: 60_000 });
  await panel.getByRole('button', { name: 'Contacted' }).click();
  await expect(page.getByText('Ada Larsen could not be moved').first()).toBeVisible();
  await expect(panel.getByRole('button', { name: 'New' })).toHaveAttribute('aria-current', 'step');

  await page.context().setOffline(false);
  await expect(page.getByText('Live', { exact: true })).toBeVisible({ timeout: 30_000 });
  await panel.getByRole('button', { name: 'Contacted' }).click();
  await expect.poll(async () => (await caller.get<{ status: string }>(`/leads/${lead.id}`)).status).toBe('Contacted');
});

test('a write whose answer was lost is done once', async ({ someone: { page, caller } }) => {
  let lost = 0;
  await page.route('**/api/v1/leads', async (route) => {
    if (route.request().method() !== 'POST' || lost++) return route.continue();
    // The server has done it; the answer does not arrive.
    await route.fetch();
    await route.abort('connectionreset');
  });
  await page.goto('/leads?new=true');
  const form = page.getByRole('dialog', { name: 'New lead' });
  await form.getByLabel('Name').fill('Ada Larsen');
  await form.getByRole('button', { name: 'Add the lead' }).click();
  await expect(page.getByRole('dialog', { name: 'Ada Larsen', exact: true })).toBeVisible();
  expect(lost).toBe(2);
  expect((await caller.get<{ total: { value: number } }>('/leads')).total.value).toBe(1);
});

test('a deleted lead comes back by undo, and from the trash', async ({ someone: { page, caller } }) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  const count = async () => (await caller.get<{ total: { value: number } }>('/leads')).total.value;
  const remove = async () => {
    await page.goto(`/leads?lead=${lead.id}`);
    await page.getByRole('button', { name: 'More about this lead' }).click();
    await page.getByRole('menuitem', { name: 'Delete the lead' }).click();
    await expect.poll(count).toBe(0);
  };
  await remove();
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect.poll(count).toBe(1);
  await remove();
  await page.goto('/leads?trashed=true');
  await page.getByRole('button', { name: 'Bring back' }).click();
  await expect.poll(count).toBe(1);
});

test('six tabs that a browser restores together stay signed in', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Ada Larsen' });
  await page.goto('/');
  await expect(page.getByRole('link', { name: /Total leads/ })).toContainText('1');
  const tabs = await Promise.all(Array.from({ length: 5 }, () => page.context().newPage()));
  const all = [page, ...tabs];
  for (const again of ['opened', 'loaded once more']) {
    await Promise.all(all.map((tab) => (tab === page || again !== 'opened' ? tab.reload() : tab.goto('/'))));
    for (const tab of all) {
      await tab.bringToFront();
      await expect(tab.getByRole('link', { name: /Total leads/ }), again).toContainText('1', { timeout: 20_000 });
    }
  }
  await Promise.all(tabs.map((tab) => tab.close()));
});
