import { callerOf, expect, newEmail, PASSWORD, test } from './program';

test('who is reminded is told when it falls due, and nobody else', async ({ someone: { page, caller }, url }) => {
  const me = await caller.get<{ user: { id: string } }>('/auth/me');
  const { token } = await caller.post<{ token: string }>('/workspace/invitations', {
    email: newEmail(),
    role: 'member',
  });
  const joined = (await (
    await fetch(`${url}/api/v1/auth/invitations/accept`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token, name: 'Priya Nair', password: PASSWORD }),
    })
  ).json()) as { accessToken: string };
  const colleague = await callerOf(url, joined.accessToken).get<{ user: { id: string } }>('/auth/me');
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await page.goto('/activity');
  await expect(page.getByText('Live', { exact: true })).toBeVisible();
  const remind = (assigneeId: string, message: string, seconds: number) =>
    caller.post('/reminders', {
      leadId: lead.id,
      dueAt: new Date(Date.now() + seconds * 1000).toISOString(),
      message,
      assigneeId,
    });
  await remind(colleague.user.id, 'Call for Priya', 2);
  await remind(me.user.id, 'Call for Amara', 4);
  await expect(page.getByText('Call for Amara', { exact: true }).first()).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText('Call for Priya', { exact: true })).toHaveCount(0);
});
