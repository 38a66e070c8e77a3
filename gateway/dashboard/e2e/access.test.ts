import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { Page } from '@playwright/test';
import type { AxeResults } from 'axe-core';
import { expect, signIn, test } from './program';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function faultsOf(page: Page): Promise<string[]> {
  // Evaluated from outside: the page's policy allows no foreign script, and that is as it should be.
  await page.evaluate(AXE);
  // Left out: what stands at the ends of an open menu. It is hidden and takes the focus, but hands it on in the same moment.
  const results = await page.evaluate(() =>
    (window as unknown as { axe: { run: (c: object, o: object) => Promise<AxeResults> } }).axe.run(
      { exclude: ['[data-base-ui-focus-guard]'] },
      {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
      },
    ),
  );
  return results.violations.flatMap((one) =>
    one.nodes.map((node) => `${one.id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
  );
}

for (const theme of ['light', 'dark'] as const)
  test(`every screen is without a fault that axe can find, ${theme}`, async ({
    someone: { caller, email },
    browser,
    url,
  }) => {
    test.setTimeout(180_000);
    const lead = await caller.post<{ id: string }>('/leads', {
      name: 'Ada Larsen',
      company: 'Redwood',
      email: 'ada@redwood.example',
      tags: ['vip'],
      note: 'Met at the fair',
    });
    await caller.post('/leads', { name: 'Luca Novak', status: 'Lost' });
    await caller.post('/leads', { name: 'Yara Haddad', status: 'Converted', source: 'Referral' });
    for (const hours of [-30, 2, 50])
      await caller.post('/reminders', {
        leadId: lead.id,
        dueAt: new Date(Date.now() + hours * 3_600_000).toISOString(),
        message: `In ${hours} hours`,
      });
    const context = await browser.newContext({ baseURL: url, colorScheme: theme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await page.goto('/sign-in');
    await expect(page.getByRole('heading', { name: 'Welcome back' })).toBeVisible();
    expect(await faultsOf(page), 'sign in').toEqual([]);
    await page.goto('/register');
    await expect(page.getByRole('heading', { name: 'Start with Leadline' })).toBeVisible();
    expect(await faultsOf(page), 'register').toEqual([]);
    await signIn(page, email);
    const screens: [string, string][] = [
      ['/', 'Today’s work'],
      ['/?status=New&interval=week', 'Open 1 lead'],
      ['/leads', 'Luca Novak'],
      [`/leads?lead=${lead.id}`, 'Met at the fair'],
      ['/leads?new=true', 'Add the lead'],
      ['/pipeline', 'Luca Novak'],
      ['/reminders', 'In 2 hours'],
      ['/reminders?focus=true', 'Not now'],
      ['/reports', 'By source'],
      ['/activity', 'Ada Larsen'],
      ['/import', 'Drop a file here'],
      ['/settings', 'Members'],
      ['/settings?tab=workspace', 'Time zone'],
      ['/settings?tab=account', 'Sessions'],
      ['/settings?tab=preferences', 'Theme'],
    ];
    for (const [path, sign] of screens) {
      await page.goto(path);
      await expect(page.getByText(sign).first()).toBeVisible();
      await expect(async () => {
        await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
        expect(await faultsOf(page), `${theme} ${path}`).toEqual([]);
      }).toPass({ timeout: 20_000 });
    }
    await page.keyboard.press('Control+k');
    await expect(page.getByRole('combobox', { name: 'Search or jump to' })).toBeVisible();
    expect(await faultsOf(page), 'palette').toEqual([]);
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
    expect(await faultsOf(page), 'help').toEqual([]);
    await page.goto('/nowhere');
    await expect(page.getByText('There is no such page')).toBeVisible();
    expect(await faultsOf(page), 'no such page').toEqual([]);
    await page.goto('/leads?q=nobody');
    await expect(page.getByText('0 leads')).toBeVisible();
    expect(await faultsOf(page), 'nothing found').toEqual([]);
    await page.route('**/api/v1/analytics/dashboard*', (route) =>
      route.fulfill({ status: 400, json: { title: 'Oops', status: 400 } }),
    );
    await page.goto('/');
    await expect(page.getByRole('main').getByRole('alert')).toBeVisible();
    expect(await faultsOf(page), 'in trouble').toEqual([]);
    await page.goto('/import');
    await page.getByLabel('Choose a file').setInputFiles({
      name: 'fair.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from('Name,Email,Firm\nAda,ada@tidal.example,Tidal\nLuca,not an address,Tidal\n'),
    });
    await expect(page.getByRole('heading', { name: 'fair.csv' })).toBeVisible();
    expect(await faultsOf(page), 'a mapped file').toEqual([]);
    await context.close();
  });

for (const theme of ['light', 'dark'] as const)
  test(`on a phone, and in every dialog, axe finds no fault, ${theme}`, async ({
    someone: { caller, email },
    browser,
    url,
  }) => {
    test.setTimeout(240_000);
    const lead = await caller.post<{ id: string }>('/leads', {
      name: 'Ada Larsen',
      email: 'ada@redwood.example',
      tags: ['vip'],
      note: 'Met at the fair',
    });
    const gone = await caller.post<{ id: string }>('/leads', { name: 'Luca Novak' });
    await fetch(`${url}/api/v1/leads/${gone.id}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${caller.token}` },
    });
    for (const hours of [-30, 2])
      await caller.post('/reminders', {
        leadId: lead.id,
        dueAt: new Date(Date.now() + hours * 3_600_000).toISOString(),
        message: `In ${hours} hours`,
      });
    const context = await browser.newContext({
      baseURL: url,
      colorScheme: theme,
      reducedMotion: 'reduce',
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    });
    const page = await context.newPage();
    // Once it has come to rest: what is read anew stands dimmed for a moment.
    const clean = (what: string) =>
      expect(async () => {
        await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
        expect(await faultsOf(page), `${theme} ${what}`).toEqual([]);
      }).toPass({ timeout: 20_000 });
    for (const [path, sign] of [
      ['/sign-in', 'Welcome back'],
      ['/register', 'Start with Leadline'],
    ] as const) {
      await page.goto(path);
      await expect(page.getByRole('heading', { name: sign })).toBeVisible();
      await clean(path);
    }
    await signIn(page, email);
    for (const [path, sign] of [
      ['/', 'Today’s work'],
      ['/leads', 'Ada Larsen'],
      ['/leads?trashed=true', 'Luca Novak'],
      [`/leads?lead=${lead.id}`, 'Met at the fair'],
      ['/leads?new=true', 'Add the lead'],
      ['/pipeline', 'Ada Larsen'],
      ['/reminders', 'In 2 hours'],
      ['/reminders?focus=true', 'Not now'],
      ['/reports', 'By source'],
      ['/activity', 'Ada Larsen'],
      ['/import', /Drop a file here|Leads from a file/],
      ['/settings', 'Members'],
      ['/settings?tab=account', 'Sessions'],
    ] as const) {
      await page.goto(path);
      await expect(page.getByText(sign).filter({ visible: true }).first()).toBeVisible();
      await clean(path);
    }

    const dialog = page.getByRole('dialog');
    const main = page.getByRole('main');
    const opened = async (name: string | RegExp) => {
      await expect(page.getByRole('dialog', { name })).toBeVisible();
      await clean(`the dialog ${name}`);
      const open = await dialog.count();
      await page.keyboard.press('Escape');
      await expect(dialog).toHaveCount(open - 1);
    };
    await page.getByRole('button', { name: 'Delete my account…' }).click();
    await opened('Delete your account?');
    await page.getByRole('button', { name: 'More', exact: true }).click();
    await opened(/./);
    await page.goto('/leads');
    await main.getByRole('button', { name: 'More filters' }).click();
    await opened('More filters');
    await page.goto('/leads?sort=name');
    await main.getByRole('button', { name: 'Views' }).click();
    await expect(page.getByRole('menu')).toBeVisible();
    await clean('a menu');
    await page.getByRole('menuitem', { name: 'Save this view' }).click();
    await opened('Save this view');
    await page.getByRole('checkbox', { name: 'Select Ada Larsen' }).check();
    await page.getByRole('toolbar').getByRole('button', { name: 'Tag', exact: true }).click();
    await opened(/tag/i);
    await page.goto('/pipeline');
    await page.getByRole('button', { name: 'Move Ada Larsen' }).click();
    await page.getByRole('menuitem', { name: 'Lost' }).click();
    await opened('Why was Ada Larsen lost?');
    await page.goto('/reminders');
    await page.getByRole('button', { name: 'More about: In 2 hours' }).click();
    await page.getByRole('menuitem', { name: 'Change' }).click();
    await opened(/./);
    await context.close();
  });

test('every dialog closes with Escape and gives the focus back', async ({ someone: { page, caller } }) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  await caller.post('/reminders', {
    leadId: lead.id,
    dueAt: new Date(Date.now() + 7_200_000).toISOString(),
    message: 'Call Ada',
  });
  const closes = async () => {
    await expect(page.getByRole('dialog').last()).toBeVisible();
    const open = await page.getByRole('dialog').count();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toHaveCount(open - 1);
  };
  await page.goto('/reminders');
  const more = page.getByRole('button', { name: 'More about: Call Ada' });
  await more.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Change' }).click();
  await closes();
  await expect(more).toBeFocused();

  await page.goto('/leads');
  const name = page.getByRole('main').getByRole('link', { name: /Ada Larsen/ });
  await name.focus();
  for (const open of ['Enter', '?', 'Control+k', 'n']) {
    await page.keyboard.press(open);
    await closes();
    await expect(name, `after ${open}`).toBeFocused();
  }
  await page.goto('/');
  const hour = page.getByRole('region', { name: 'When leads arrive' }).getByRole('button', { name: /: 1 lead$/ });
  await hour.focus();
  await page.keyboard.press('Enter');
  await closes();
  await expect(hour).toBeFocused();
});

test('the page can be installed, and its policy is strict', async ({ page, baseURL }) => {
  const faults: string[] = [];
  page.on('console', (message) => message.text().includes('Content Security Policy') && faults.push(message.text()));
  const answer = await page.goto('/sign-in');
  const policy = answer?.headers()['content-security-policy'] ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).toContain("style-src 'self'");
  expect(policy).not.toContain('unsafe');
  expect(answer?.headers()['cache-control']).toBe('no-cache');
  const script = await page.locator('script[type=module]').getAttribute('src');
  const asset = await fetch(`${baseURL}${script}`, { headers: { 'Accept-Encoding': 'br' } });
  expect(script).toMatch(/-[\w-]{8}\.js$/);
  expect(asset.headers.get('cache-control')).toContain('immutable');
  expect(asset.headers.get('content-encoding')).toBe('br');

  const session = await page.context().newCDPSession(page);
  const manifest = await session.send('Page.getAppManifest');
  expect(manifest.errors).toEqual([]);
  expect(JSON.parse(manifest.data ?? '{}')).toMatchObject({ name: 'Leadline', display: 'standalone' });
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  expect(installabilityErrors.filter((one) => one.errorId !== 'in-incognito')).toEqual([]);
  expect(faults).toEqual([]);
});

test('no other page can put it into a frame, and every answer says so', async ({ page, url }) => {
  for (const path of ['/', '/sign-in', '/leads', '/api/docs', '/api/v1/leads', '/api/openapi.json', '/no/such/page']) {
    const headers = (await fetch(`${url}${path}`)).headers;
    expect(headers.get('content-security-policy'), path).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options'), path).toBe('nosniff');
  }
  const elsewhere = createServer((_, answer) => {
    answer.setHeader('Content-Type', 'text/html');
    answer.end(`<!doctype html><title>Elsewhere</title><iframe src="${url}/sign-in"></iframe>`);
  });
  await new Promise<void>((listening) => elsewhere.listen(0, '127.0.0.1', listening));
  try {
    const refused = page.waitForEvent('console', (message) => message.text().includes('frame-ancestors'));
    await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
    await refused;
    const [frame] = page.frames().slice(1);
    expect(frame?.url()).not.toContain(url);
    await expect(page.frameLocator('iframe').getByRole('heading', { name: 'Welcome back' })).toHaveCount(0);
  } finally {
    elsewhere.closeAllConnections();
    elsewhere.close();
  }
});

test('nothing of the API is kept by a browser', async ({ someone: { caller }, url }) => {
  const lead = await caller.post<{ id: string }>('/leads', { name: 'Ada Larsen' });
  const paths = ['/leads', `/leads/${lead.id}`, '/leads/nothing', '/leads/export?format=csv', '/auth/me', '/workspace'];
  for (const path of [...paths, '/analytics/dashboard', '/activity', '/reminders', '/nowhere']) {
    const answer = await fetch(`${url}/api/v1${path}`, { headers: { Authorization: `Bearer ${caller.token}` } });
    expect(answer.headers.get('cache-control'), path).toContain('no-store');
  }
});

test('a script that gets into the page is not run', async ({ someone: { page } }) => {
  const refused: string[] = [];
  page.on('console', (message) => message.text().includes('Content Security Policy') && refused.push(message.text()));
  await page.goto('/leads');
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.broken = "inline";';
    const foreign = document.createElement('script');
    foreign.src = 'data:text/javascript,window.broken="foreign"';
    const holder = document.createElement('div');
    holder.innerHTML =
      '<img src="data:," onerror="window.broken = &quot;handler&quot;"><a href="javascript:window.broken=1">x</a>';
    document.body.append(script, foreign, holder);
    holder.querySelector('a')?.click();
  });
  await expect.poll(() => refused.length).toBeGreaterThanOrEqual(4);
  expect(await page.evaluate(() => (window as unknown as { broken?: string }).broken)).toBeUndefined();
});

test('text that looks like a script stays text on every screen', async ({ someone: { page, caller } }) => {
  const script = '<script>window.broken = 1</script>';
  const image = '<img src=x onerror="window.broken = 2">';
  const address = 'javascript:window.broken=3';
  await caller.patch('/workspace', { name: `Acme ${image}` });
  await caller.patch('/auth/me', { name: `Una ${image}` });
  const lead = await caller.post<{ id: string }>('/leads', {
    name: `Ada ${script}`,
    company: `Acme ${image}`,
    phone: address,
    tags: [script.slice(0, 40)],
    note: `See ${address} and ${image} ${script}`,
  });
  await caller.post('/leads', { name: `Luca ${image}`, company: address, status: 'Converted' });
  await caller.patch(`/leads/${lead.id}/status`, { status: 'Lost', reason: `Since ${image}` });
  await caller.post('/reminders', {
    leadId: lead.id,
    dueAt: new Date(Date.now() + 60_000).toISOString(),
    message: `Call ${image} ${script}`,
  });
  const asked: string[] = [];
  page.on('dialog', (dialog) => void dialog.dismiss().then(() => asked.push(dialog.message())));
  const screens: [string, string][] = [
    ['/', 'Today’s work'],
    ['/leads', `Ada ${script}`],
    [`/leads?lead=${lead.id}`, `See ${address} and ${image} ${script}`],
    ['/pipeline', `Luca ${image}`],
    ['/reminders', `Call ${image} ${script}`],
    ['/reports', 'By source'],
    ['/activity', `Ada ${script}`],
    ['/activity', `See ${address} and ${image} ${script}`],
    ['/settings', `Una ${image}`],
  ];
  for (const [path, sign] of screens) {
    await page.goto(path);
    await expect(page.getByText(sign).first(), path).toBeVisible();
    await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
    const found = await page.evaluate(() => ({
      broken: (window as unknown as { broken?: number }).broken ?? null,
      images: document.querySelectorAll('img[src=x]').length,
      scripts: [...document.scripts].filter((script) => script.textContent?.includes('broken')).length,
      links: [...document.querySelectorAll('a')].filter((link) => link.protocol === 'javascript:').length,
    }));
    expect(found, path).toEqual({ broken: null, images: 0, scripts: 0, links: 0 });
  }
  expect(asked).toEqual([]);
});
