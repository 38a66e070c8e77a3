import { api, ok } from '../api/client';
import type { NewLead } from '../api/model';
import { importOver, startImport } from '../import/queries';
import { stir } from '../leads/cache';
import { queryClient } from '../query';
import { csv } from '../reports/download';
import { complain, notify } from '../undo/notice';
import { t } from '../words';

/** What marks the leads that are not real; they go by it again. */
export const SAMPLE_TAG = 'sample';

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

export async function addSample(): Promise<void> {
  try {
    await importSample(sampleLeads(Date.now()));
    await addSampleReminders();
    notify({ title: t('sample.added') });
  } catch (error) {
    complain(t('sample.failed'), error);
  }
  stir();
  await queryClient.invalidateQueries();
}

async function addSampleReminders() {
  const { items } = await ok(api.GET('/api/v1/leads', { params: { query: { tag: [SAMPLE_TAG], limit: 5 } } }));
  const hours = [-20, -2, 2, 5, 26];
  await Promise.all(
    items.map((lead, i) =>
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

/** Takes all of it away: deleted leads take their reminders with them. */
export async function removeSample(): Promise<void> {
  try {
    for (let round = 0; round < 5; round += 1) {
      const result = await ok(
        api.POST('/api/v1/leads/bulk', { body: { filter: { tag: [SAMPLE_TAG] }, delete: true } }),
      );
      if (result.changed === 0) break;
    }
    notify({ title: t('sample.removed') });
  } catch (error) {
    complain(t('sample.failed'), error);
  }
  stir();
  await queryClient.invalidateQueries();
}
