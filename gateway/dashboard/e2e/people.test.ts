import { expect, newEmail, PASSWORD, signIn, test } from './program';

test('a viewer reads everything and is offered nothing to change', async ({
  someone: { page, caller },
  browser,
  url,
}) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await page.goto('/settings');
  const email = newEmail();
  await page.getByLabel('Email').fill(email);
  await page.getByRole('combobox', { name: 'Role', exact: true }).selectOption('viewer');
  await page.getByRole('button', { name: 'Make the link' }).click();
  const link = await page.locator('code').innerText();
  expect(link).toContain('/invitation?token=');

  const viewer = await (await browser.newContext({ baseURL: url })).newPage();
  await viewer.goto(link);
  await viewer.getByLabel('Your name').fill('Priya Nair');
  await viewer.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await viewer.getByRole('button', { name: 'Join the workspace' }).click();
  await expect(viewer.getByRole('heading', { name: 'Dashboard', level: 1 })).toBeVisible();
  await expect(viewer.getByRole('button', { name: /New lead/ })).toHaveCount(0);
  await expect(viewer.getByRole('link', { name: 'Import' })).toHaveCount(0);

  await viewer.goto(`/leads?lead=${lead.id}`);
  const panel = viewer.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await expect(panel.getByRole('button', { name: 'Contacted' })).toBeDisabled();
  await expect(panel.getByLabel('Add a note')).toHaveCount(0);
  await expect(viewer.getByRole('checkbox')).toHaveCount(0);
  await panel.getByRole('button', { name: 'Close' }).click();
  await viewer.keyboard.press('Control+k');
  await expect(viewer.getByRole('combobox', { name: 'Search or jump to' })).toBeFocused();
  await viewer.keyboard.type('follow');
  await expect(viewer.getByRole('option', { name: 'Overdue follow-ups' })).toBeVisible();
  await expect(viewer.getByRole('option', { name: 'Start follow-ups' })).toHaveCount(0);
  await viewer.goto('/');
  await expect(viewer.getByRole('link', { name: /Total leads/ })).toBeVisible();
  await expect(viewer.getByRole('link', { name: 'Start follow-ups' })).toHaveCount(0);
  // The invitation is spent.
  const late = await (await browser.newContext({ baseURL: url })).newPage();
  await late.goto(link);
  await late.getByLabel('Your name').fill('Somebody Else');
  await late.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await late.getByRole('button', { name: 'Join the workspace' }).click();
  await expect(late.getByRole('heading', { name: /no longer good/ })).toBeVisible();

  // The page of the owner shows who came, and takes them out again.
  await page.reload();
  await expect(page.getByText('Priya Nair')).toBeVisible();
  await page.getByRole('button', { name: 'More about Priya Nair' }).click();
  await page.getByRole('menuitem', { name: 'Remove from the workspace' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove from the workspace' }).click();
  await expect(page.getByRole('list').getByText('Priya Nair')).toHaveCount(0);
  await viewer.context().close();
  await late.context().close();
});

test('a session that ends asks for the password over the page and keeps the work', async ({
  someone: { page, caller },
}) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await page.goto(`/leads?lead=${lead.id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await panel.getByLabel('Add a note').fill('Half a thought');

  // Somebody ends the page's session while the note is on its way; later, and the page might have heard of it before.
  // Not their own with it: whichever ended first would decide whether the other can be ended.
  const { items } = await caller.get<{ items: { id: string; current: boolean }[] }>('/auth/sessions');
  const others = items.filter((session) => !session.current);
  expect(others).toHaveLength(1);
  let ended = 0;
  await page.route('**/api/v1/leads/*/notes', async (route) => {
    if (!ended)
      for (const { id } of others) {
        const answer = await fetch(`${new URL(page.url()).origin}/api/v1/auth/sessions/${id}`, {
          method: 'DELETE',
          headers: { Authorization: `Bearer ${caller.token}` },
        });
        ended = answer.status;
      }
    await route.continue();
  });
  await panel.getByLabel('Add a note').press('Control+Enter');
  const again = page.getByRole('dialog', { name: 'Your session has ended' });
  await expect(again).toBeVisible({ timeout: 70_000 });
  expect(ended).toBe(204);
  await again.getByLabel(/Password of/).fill('not the password');
  await again.getByRole('button', { name: 'Continue' }).click();
  await expect(again.getByRole('alert')).toContainText('not right');
  await again.getByLabel(/Password of/).fill(PASSWORD);
  await again.getByRole('button', { name: 'Continue' }).click();
  await expect(again).toHaveCount(0);
  await expect(panel.getByRole('list').getByText('Half a thought')).toBeVisible();
});

test('signing out ends it in every tab', async ({ someone: { page } }) => {
  const second = await page.context().newPage();
  await second.goto('/leads');
  await expect(second.getByRole('heading', { name: 'Leads', level: 1 })).toBeVisible();
  await page.getByRole('button', { name: /Account:/ }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/sign-in/);
  await expect(second).toHaveURL(/sign-in/);
  await page.goto('/leads');
  await expect(page).toHaveURL(/sign-in\?next=%2Fleads/);
});

test('the page speaks German and remembers it', async ({ someone: { page } }) => {
  await page.goto('/settings?tab=preferences');
  await page.getByRole('radio', { name: 'Deutsch' }).click();
  await expect(page.getByRole('heading', { name: 'Einstellungen', level: 1 })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('link', { name: 'Erinnerungen' }).first()).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
});

test('who deletes their account gives their password, and is gone', async ({ someone: { page }, browser, url }) => {
  await page.goto('/settings');
  const email = newEmail();
  await page.getByLabel('Email').fill(email);
  await page.getByRole('button', { name: 'Make the link' }).click();
  const link = await page.locator('code').innerText();
  const other = await (await browser.newContext({ baseURL: url })).newPage();
  await other.goto(link);
  await other.getByLabel('Your name').fill('Priya Nair');
  await other.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await other.getByRole('button', { name: 'Join the workspace' }).click();
  await expect(other.getByRole('heading', { name: 'Dashboard', level: 1 })).toBeVisible();

  // The only owner is told what to do first.
  await page.goto('/settings?tab=account');
  await page.getByRole('button', { name: 'Delete my account…' }).click();
  const asked = page.getByRole('dialog', { name: 'Delete your account?' });
  await asked.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await asked.getByRole('button', { name: 'Delete for good' }).click();
  await expect(asked.getByRole('alert')).toContainText('make another member its owner first');
  await asked.getByRole('button', { name: 'Cancel' }).click();
  await expect(asked).toHaveCount(0);

  await other.goto('/settings?tab=account');
  await other.getByRole('button', { name: 'Delete my account…' }).click();
  const dialog = other.getByRole('dialog', { name: 'Delete your account?' });
  await dialog.getByLabel('Password', { exact: true }).fill(`not ${PASSWORD}`);
  await dialog.getByRole('button', { name: 'Delete for good' }).click();
  await expect(dialog.getByText('is not your password')).toBeVisible();
  await dialog.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Delete for good' }).click();
  await expect(other.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await other.getByLabel('Email').fill(email);
  await other.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await other.getByRole('button', { name: 'Sign in' }).click();
  await expect(other.getByText('That email and password don’t match.')).toBeVisible();
  await page.goto('/settings');
  await expect(page.getByText('Members', { exact: true }).first()).toBeVisible();
  await expect(page.getByRole('list').getByText('Priya Nair')).toHaveCount(0);
  await other.context().close();
});

test('who is alone in a workspace is told what goes with their account', async ({ someone: { page } }) => {
  await page.goto('/settings?tab=account');
  await page.getByRole('button', { name: 'Delete my account…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete your account?' });
  await dialog.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Delete for good' }).click();
  await expect(dialog.getByRole('alert')).toContainText('All leads, notes, reminders, imports and figures');
  await expect(dialog.getByRole('link', { name: 'to the leads' })).toBeVisible();
  // Nothing goes without a yes.
  await expect(dialog.getByRole('button', { name: 'Delete for good' })).toBeDisabled();
  await dialog.getByText('Yes, erase all of it too').click();
  await dialog.getByRole('button', { name: 'Delete for good' }).click();
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
});

test('another session is ended from the settings, and can be kept for as long as the notice stands', async ({
  someone: { page, email },
  browser,
  url,
}) => {
  const other = await (await browser.newContext({ baseURL: url })).newPage();
  await signIn(other, email);
  await page.goto('/settings?tab=account');
  const sessions = page.getByRole('region', { name: 'Sessions' });
  // The page's own, the one that registered, and the other browser's.
  const ends = sessions.getByRole('button', { name: 'End' });
  await expect(ends).toHaveCount(2);
  await ends.first().click();
  await expect(ends).toHaveCount(1);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(ends).toHaveCount(2);
  for (const left of [1, 0]) {
    await ends.first().click();
    await expect(ends).toHaveCount(left);
  }
  // It is sent when it can't be undone any more.
  await expect(page.getByText('Session ended')).toHaveCount(0, { timeout: 15_000 });
  await other.goto('/leads');
  await expect(other.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await page.reload();
  await expect(sessions.getByRole('listitem')).toHaveCount(1);
  await other.context().close();
});

test('an open page renews its access token without a word', async ({ someone: { page, caller } }) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  let renewed = 0;
  await page.route('**/api/v1/auth/refresh', async (route) => {
    const answer = await route.fetch();
    const body = (await answer.json()) as { expiresIn: number };
    renewed += 1;
    // Half a minute before its end a token is renewed; this one is about to reach that.
    await route.fulfill({ response: answer, json: renewed > 1 ? body : { ...body, expiresIn: 31 } });
  });
  await page.goto(`/leads?lead=${lead.id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await expect(panel.getByRole('button', { name: 'Contacted' })).toBeVisible();
  // On a slow machine it has been renewed by now.
  expect(renewed).toBeGreaterThanOrEqual(1);
  await page.waitForTimeout(1_500);
  await panel.getByRole('button', { name: 'Contacted' }).click();
  await expect.poll(async () => (await caller.get<{ status: string }>(`/leads/${lead.id}`)).status).toBe('Contacted');
  expect(renewed).toBe(2);
  await expect(page.getByRole('dialog', { name: 'Your session has ended' })).toHaveCount(0);
});

test('a token that the server takes for spent is renewed, and what was asked is asked again', async ({
  someone: { page, caller },
}) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await page.goto(`/leads?lead=${lead.id}`);
  const panel = page.getByRole('dialog', { name: 'Ada Larsen', exact: true });
  await expect(panel.getByRole('button', { name: 'Contacted' })).toBeVisible();
  let refused = 0;
  await page.route('**/api/v1/leads/*/status', async (route) => {
    if (refused++) return route.continue();
    await route.fulfill({ status: 401, json: { title: 'Unauthorized', status: 401 } });
  });
  await panel.getByRole('button', { name: 'Contacted' }).click();
  await expect.poll(async () => (await caller.get<{ status: string }>(`/leads/${lead.id}`)).status).toBe('Contacted');
  expect(refused).toBe(2);
  await expect(page.getByRole('dialog', { name: 'Your session has ended' })).toHaveCount(0);
});
