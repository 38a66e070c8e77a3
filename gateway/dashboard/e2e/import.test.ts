import { readFile } from 'node:fs/promises';
import { expect, test } from './program';

interface Leads {
  items: { id: string; name: string; company: string | null; version: number }[];
}

const FILE = {
  name: 'fair.csv',
  mimeType: 'text/csv',
  buffer: Buffer.from(
    [
      'Visitor;E-mail;Firm;Shoe size',
      'Ada Larsen;ada@redwood.example;Redwood Retail;38',
      'Luca Novak;not an address;Tidal Labs;43',
      ';nobody@tidal.example;Tidal Labs;40',
      'Mei Kimura;MEI@fathom.example;Fathom Health;37',
      '',
    ].join('\r\n'),
  ),
};

test('a file is mapped, looked at, imported, its bad rows handed over, and taken back', async ({
  someone: { page, caller },
}) => {
  const leads = async () => (await caller.get<Leads>('/leads?sort=name')).items;
  await caller.post('/leads', { name: 'Mei', email: 'mei@fathom.example' });
  await page.goto('/import');
  await page.getByLabel('Choose a file').setInputFiles(FILE);

  // The name's column is not known by its header: the server says so, and what is chosen counts.
  await expect(page.getByRole('heading', { name: 'fair.csv' })).toBeVisible();
  await expect(page.getByRole('alert')).toContainText(/name/i);
  const start = page.getByRole('button', { name: /^(Start the import|Import \d)/ });
  await expect(start).toBeDisabled();
  await page.getByLabel('What Visitor means').selectOption({ label: 'Name' });
  await expect(page.getByLabel('What E-mail means')).toHaveValue('email');
  await expect(page.getByLabel('What Shoe size means')).toHaveValue('');
  const table = page.getByRole('region', { name: 'The first rows' });
  await expect(table.getByRole('row', { name: /Ada Larsen/ })).toContainText('Added');
  await expect(table.getByRole('row', { name: /Luca Novak/ })).toContainText('Not accepted');
  await expect(table.getByRole('row', { name: /Mei Kimura/ })).toContainText('Skipped');
  const outlook = page.getByRole('region', { name: 'What will happen' });
  await expect(outlook).toContainText(/To be added\s*1/);
  await expect(outlook).toContainText(/Not accepted\s*2/);
  await page.getByRole('radio', { name: 'Update' }).check();
  await expect(outlook).toContainText(/To be updated\s*1/);
  expect((await leads()).map((lead) => lead.name)).toEqual(['Mei']);

  await page.getByRole('button', { name: 'Import 2 leads' }).click();
  await expect(page.getByRole('heading', { name: 'Import finished' })).toBeVisible();
  await expect(page).toHaveURL(/\/import\?id=/);
  expect((await leads()).map((lead) => lead.name)).toEqual(['Ada Larsen', 'Mei Kimura']);
  const [errors] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download the bad rows' }).click(),
  ]);
  expect(errors.suggestedFilename()).toMatch(/^import-errors-\d{4}-\d\d-\d\d\.csv$/);
  const bad = await readFile((await errors.path()) as string, 'utf8');
  expect(bad).toContain('Luca Novak');
  expect(bad).toContain('nobody@tidal.example');
  expect(bad).not.toContain('Ada');

  await page.getByRole('button', { name: 'Take it back' }).click();
  await expect(page.getByText('2 leads imported', { exact: true })).toBeHidden();
  await expect(page.getByRole('heading', { name: 'The import was taken back' })).toBeVisible();
  await expect(page.getByText('2 leads were taken back.')).toBeVisible();
  const [mei, ...none] = await leads();
  expect([mei?.name, mei?.company, none]).toEqual(['Mei', null, []]);

  // It stays among the earlier ones.
  await page.getByRole('button', { name: 'Import another file' }).click();
  const earlier = page.getByRole('region', { name: 'Earlier imports' });
  await expect(earlier.getByRole('listitem')).toHaveCount(1);
  await expect(earlier).toContainText('taken back');
});

test('Ctrl-Z takes an import back, and a workbook is read as well', async ({ someone: { page, caller } }) => {
  for (const name of ['Ada', 'Luca', 'Mei']) await caller.post('/leads', { name, company: 'Redwood' });
  const exported = await fetch(new URL('/api/v1/leads/export?format=xlsx', page.url()), {
    headers: { Authorization: `Bearer ${caller.token}` },
  });
  await page.goto('/import');
  await page.getByLabel('Choose a file').setInputFiles({
    name: 'leads.xlsx',
    mimeType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    buffer: Buffer.from(await exported.arrayBuffer()),
  });
  await expect(page.getByRole('region', { name: 'The first rows' })).toContainText('Redwood');
  await page.getByRole('radio', { name: 'Add anyway' }).check();
  await page.getByRole('button', { name: 'Import 3 leads' }).click();
  await expect(page.getByText('3 leads imported')).toBeVisible();
  await page.keyboard.press('Control+z');
  await expect(page.getByRole('heading', { name: 'The import was taken back' })).toBeVisible();
  expect((await caller.get<Leads>('/leads')).items).toHaveLength(3);
});

test('a large file tells how far it has gone, and can be called off while it goes', async ({
  someone: { page, caller },
}) => {
  const rows = Array.from(
    { length: 45_000 },
    (_, n) => `Visitor ${n},visitor.${n}@${'redwood.'.repeat(8)}example,${'A quiet word. '.repeat(12)}`,
  );
  await page.goto('/import');
  await page.getByLabel('Choose a file').setInputFiles({
    name: 'crowd.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(['Name,Email,Notes', ...rows].join('\n')),
  });
  const start = page.getByRole('button', { name: 'Start the import' });
  await expect(start).toBeEnabled();
  const line = await page.context().newCDPSession(page);
  await line.send('Network.enable');
  const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1_500_000 };
  await line.send('Network.emulateNetworkConditions', slow);
  await start.click();
  const sending = page.getByRole('region', { name: 'Sending the file' });
  await expect(sending).toContainText(/[1-9]\d?% sent/);
  await sending.getByRole('button', { name: 'Cancel' }).click();
  await expect(sending).toBeHidden();
  await expect(page.getByRole('alert')).toHaveCount(0);
  const real = async () =>
    (await caller.get<{ items: { dryRun: boolean }[] }>('/leads/imports')).items.filter((one) => !one.dryRun);
  expect(await real()).toEqual([]);
  await expect(start).toBeEnabled();
});

test('what is wrong with a row is said in German to who reads German', async ({ someone: { page } }) => {
  await page.evaluate(() => localStorage.setItem('leadline.language', 'de'));
  await page.goto('/import');
  await page.getByLabel('Datei wählen').setInputFiles({
    name: 'messe.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from('Name,Email,Status\nAda,ada@redwood.example,New\n,luca,Sold\n'),
  });
  const table = page.getByRole('table');
  await expect(table).toContainText('E-Mail: muss eine E-Mail-Adresse sein, etwa ana@example.com');
  await expect(table).toContainText('Phase: muss eins von diesen sein: New, Contacted');
});

test('an import whose page was left is announced when it ends, and taken back by Ctrl-Z', async ({
  someone: { page, caller },
}) => {
  await page.goto('/import');
  await page.getByLabel('Choose a file').setInputFiles({
    name: 'fair.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from('Name,Email\nAda,ada@redwood.example\nLuca,luca@tidal.example\n'),
  });
  // Its end is told only when the page has been left: until then the server seems to be at work.
  let left = false;
  let id = '';
  await page.route('**/api/v1/leads/imports/*', async (route) => {
    const answer = await route.fetch();
    const job = (await answer.json()) as { id: string; state: string; dryRun: boolean };
    if (!job.dryRun) id = job.id;
    await route.fulfill({ response: answer, json: job.dryRun || left ? job : { ...job, state: 'running' } });
  });
  await page.route('**/api/v1/events', (route) => route.abort());
  await page.getByRole('button', { name: 'Import 2 leads' }).click();
  await expect(page.getByText('You can leave this page')).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('l');
  await expect(page.getByRole('heading', { name: 'Leads', level: 1 })).toBeVisible();
  expect(id).not.toBe('');
  left = true;
  await expect(page.getByText('2 leads imported')).toBeVisible();
  await page.keyboard.press('Control+z');
  await expect.poll(async () => (await caller.get<Leads>('/leads')).items.length).toBe(0);
});

test('the leads of an import are opened, and no others', async ({ someone: { page, caller } }) => {
  await caller.post('/leads', { name: 'Before' });
  await page.goto('/import');
  await page.getByLabel('Choose a file').setInputFiles({
    name: 'fair.csv',
    mimeType: 'text/csv',
    // Of last year: when they were made says nothing of when they came.
    buffer: Buffer.from('Name,Created at\nAda,2025-11-01T09:00:00Z\nLuca,2025-11-02T09:00:00Z\n'),
  });
  await page.getByRole('button', { name: 'Import 2 leads' }).click();
  await page.getByRole('link', { name: 'See the leads' }).click();
  await expect(page.getByText('2 leads', { exact: true })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Before' })).toHaveCount(0);
  await page.getByRole('button', { name: /^Remove .*From fair.csv/ }).click();
  await expect(page.getByText('3 leads', { exact: true })).toBeVisible();
});

test('two columns of one name are each given their meaning', async ({ someone: { page, caller } }) => {
  await page.goto('/import');
  await page.getByLabel('Choose a file').setInputFiles({
    name: 'fair.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from('Name,Phone,Phone\nAda,0049 30 901820,+44 20 7946 0958\n'),
  });
  await expect(page.getByLabel('What Phone means')).toHaveValue('phone');
  await page.getByLabel('What Phone (2) means').selectOption({ label: 'Phone' });
  await expect(page.getByLabel('What Phone means')).toHaveValue('');
  await page.getByRole('button', { name: 'Import 1 lead' }).click();
  await expect(page.getByRole('heading', { name: 'Import finished' })).toBeVisible();
  const [ada] = (await caller.get<{ items: { phone: string }[] }>('/leads')).items;
  expect(ada?.phone.replaceAll(/\D/g, '')).toBe('442079460958');
});

test('a file dropped anywhere on the page is taken, and one that is not wanted does not leave it', async ({
  someone: { page },
}) => {
  const drop = (name: string) =>
    page.evaluate((name) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['Name\nAda\n'], name, { type: 'text/csv' }));
      const told = (kind: string) =>
        document
          .querySelector('h1')
          ?.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
      // What is not cancelled, the browser does by itself: it shows the file in place of the page.
      return [told('dragover'), told('drop')];
    }, name);
  await page.goto('/import');
  await expect(page.getByRole('heading', { name: 'Drop a file here' })).toBeVisible();
  expect(await drop('fair.csv')).toEqual([false, false]);
  await expect(page.getByRole('heading', { name: 'fair.csv' })).toBeVisible();
  expect(await drop('other.csv')).toEqual([false, false]);
  await expect(page.getByRole('heading', { name: 'fair.csv' })).toBeVisible();
});
