import { queryOptions } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { LeadRow, NewLead } from '../api/model';
import { importOver, startImport } from '../import/queries';
import { changeMany } from '../leads/bulk';
import { stir } from '../leads/cache';
import { queryClient } from '../query';
import { csv } from '../reports/download';
import { offer } from '../undo/change';
import { complain } from '../undo/notice';
import { t } from '../words';

/** What marks the leads that are not real, for people. */
const SAMPLE_TAG = 'sample';

const FIRST = [
  'Ada',
  'Luca',
  'Yara',
  'Kwame',
  'Ines',
  'Noah',
  'Mei',
  'Tunde',
  'Ruth',
  'Hiro',
  'Zainab',
  'Erik',
  'Camila',
  'Pavel',
  'Sofia',
  'Diego',
];
const LAST = [
  'Larsen',
  'Novak',
  'Haddad',
  'Nwosu',
  'Alvarez',
  'Moreau',
  'Kimura',
  'Okafor',
  'Schmidt',
  'Costa',
  'Ferrari',
  'Park',
  'Banerjee',
  'Lindqvist',
];
const FIRMS = [
  'Redwood Retail',
  'Solstice Logistics',
  'Tidal Labs',
  'Fathom Health',
  'Atlas Energy',
  'Lattice Robotics',
  'Cobalt Partners',
  'Kestrel Foods',
  'Juniper Studios',
  'Orchard Interiors',
];
const COUNT = 64;
const DAY_MS = 86_400_000;

/** Always the same spread, so that nobody's sample looks odd. */
function random(seed: number) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

type Sample = NewLead & { createdAt: string };

/** Made-up leads of the last ten weeks, the older the further along. */
export function sampleLeads(now: number): Sample[] {
  const next = random(7);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)] as T;
  return Array.from({ length: COUNT }, (_, i) => {
    const first = FIRST[i % FIRST.length] ?? '';
    const last = LAST[(i * 5 + Math.floor(i / 14)) % LAST.length] ?? '';
    const firm = pick(FIRMS);
    const age = (i / COUNT) ** 1.4 * 70;
    const day = new Date(now - age * DAY_MS);
    day.setUTCHours(8 + Math.floor(next() * 10), Math.floor(next() * 60), 0, 0);
    const fate = next() * 14 + age;
    return {
      name: `${first} ${last}`,
      email: `${first}.${last}@${firm.split(' ')[0] ?? ''}.example`.toLowerCase(),
      phone: `+44 20 7946 ${String(100 + i).padStart(4, '0')}`,
      company: firm,
      source: pick(['Website', 'Website', 'Website', 'Referral', 'Referral', 'Ad', 'Other'] as const),
      status:
        fate < 8
          ? 'New'
          : fate < 20
            ? 'Contacted'
            : fate < 34
              ? 'Qualified'
              : next() < 0.42
                ? 'Converted'
                : next() < 0.6
                  ? 'Lost'
                  : 'Qualified',
      tags: [SAMPLE_TAG],
      createdAt: new Date(Math.min(day.getTime(), now - 60_000)).toISOString(),
    };
  });
}

// Anybody may use the tag. These addresses nobody has: `.example` is kept for examples (RFC 2606).
let addresses: Set<string> | undefined;
/** Whether a lead is one of the sample: by its made-up address, and not by its tag alone. */
export function isSample({ email, tags }: Pick<LeadRow, 'email' | 'tags'>): boolean {
  addresses ??= new Set(sampleLeads(0).map((lead) => lead.email ?? ''));
  return email !== null && addresses.has(email.toLowerCase()) && tags.includes(SAMPLE_TAG);
}

/** The leads of the sample that are there, at most all of them. */
export const sampleQuery = queryOptions({
  queryKey: ['leads', 'sample'],
  queryFn: async ({ signal }) =>
    (
      await ok(
        api.GET('/api/v1/leads', { params: { query: { tag: [SAMPLE_TAG], q: '.example', limit: 200 } }, signal }),
      )
    ).items.filter(isSample),
  staleTime: 5 * 60_000,
});
const readSample = () => queryClient.fetchQuery({ ...sampleQuery, staleTime: 0 });

/** Brings them in as a file, which keeps their dates. */
async function importSample(leads: Sample[]): Promise<void> {
  const head = ['Name', 'Email', 'Phone', 'Company', 'Source', 'Status', 'Tags', 'Created at'];
  const rows = leads.map((lead) => [
    lead.name,
    lead.email ?? '',
    lead.phone ?? '',
    lead.company ?? '',
    lead.source ?? '',
    lead.status ?? '',
    SAMPLE_TAG,
    lead.createdAt,
  ]);
  const file = new File([csv([head, ...rows])], 'sample.csv', { type: 'text/csv' });
  await importOver((await startImport(file, { onDuplicate: 'create' })).id);
}

async function readAll() {
  stir();
  await queryClient.invalidateQueries();
}

export async function addSample(): Promise<void> {
  try {
    await importSample(sampleLeads(Date.now()));
    await addSampleReminders(await readSample());
    offer(t('sample.added'), async () => {
      const ids = (await readSample()).map((lead) => lead.id);
      if (ids.length) await ok(api.POST('/api/v1/leads/bulk', { body: { ids, delete: true } }));
      await readAll();
    });
  } catch (error) {
    complain(t('sample.failed'), error);
  }
  await readAll();
}

async function addSampleReminders(leads: LeadRow[]) {
  const hours = [-20, -2, 2, 5, 26];
  await Promise.all(
    leads.slice(0, hours.length).map((lead, i) =>
      ok(
        api.POST('/api/v1/reminders', {
          body: {
            leadId: lead.id,
            dueAt: new Date(Date.now() + (hours[i] ?? 1) * 3_600_000).toISOString(),
            message: t(`sample.reminder.${((i % 3) + 1) as 1 | 2 | 3}`, { name: lead.name }),
          },
        }),
      ),
    ),
  );
}

/**
 * Takes the sample away, and nothing else; it goes to the trash, so that an undo brings each lead back with what was
 * tried on it and its reminders. (Taking the import back would leave those that somebody has moved.)
 */
export async function removeSample(): Promise<void> {
  const leads = await readSample().catch((error: unknown) => void complain(t('sample.failed'), error));
  if (leads?.length) await changeMany(leads, { delete: true }, { said: t('sample.removed') }).catch(() => undefined);
  await readAll();
}
