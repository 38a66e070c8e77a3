import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { Activity as Icon } from 'lucide-react';
import type { Activity } from '../api/model';
import { Button } from '../design/Button';
import { Empty, Failed, Segmented, Skeleton, Stale } from '../design/Small';
import { useZone } from '../shell/me';
import { date } from '../time/format';
import { useNow } from '../time/now';
import { addDays, dayOf } from '../time/zone';
import { t } from '../words';
import css from './activity.module.css';
import { Entries } from './Entries';
import { feedQuery, useFeedOrder } from './feed';

const route = getRouteApi('/app/activity');
const TYPES = ['lead.created', 'lead.status_changed', 'lead.note_added', 'lead.updated', 'lead.deleted'] as const;
type Type = (typeof TYPES)[number];

/** Everything that was done in the workspace, day by day. */
export default function ActivityPage() {
  const { type } = route.useSearch();
  const navigate = useNavigate();
  const zone = useZone();
  const now = useNow();
  const known = TYPES.find((one) => one === type);
  const query = useInfiniteQuery(feedQuery(known));
  const entries = query.data?.pages.flatMap((page) => page.items) ?? [];
  useFeedOrder(query.data?.pages);
  const days = new Map<string, Activity[]>();
  for (const entry of entries) {
    const key = dayOf(Date.parse(entry.at), zone);
    days.set(key, [...(days.get(key) ?? []), entry]);
  }
  const today = dayOf(now, zone);
  const name = (key: string) =>
    key === today
      ? t('work.today')
      : key === addDays(today, -1)
        ? t('yesterday')
        : key
          ? date(Date.parse(`${key}T12:00:00Z`), { weekday: 'long', day: 'numeric', month: 'long' }, 'UTC')
          : '';
  return (
    <div className={css.page}>
      <div className={css.filter}>
        <Segmented<Type | 'all'>
          name="type"
          label={t('activity.type')}
          value={known ?? 'all'}
          onChange={(next) =>
            void navigate({ to: '/activity', search: { type: next === 'all' ? undefined : next }, replace: true })
          }
          options={[
            { value: 'all', label: t('activity.type.all') },
            ...TYPES.map((one) => ({ value: one, label: t(`activity.type.${one}`) })),
          ]}
        />
        {query.error && query.data && <Stale at={query.dataUpdatedAt} onRetry={() => void query.refetch()} />}
      </div>
      {!query.data ? (
        query.error ? (
          <Failed error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <Skeleton height={420} radius={20} />
        )
      ) : entries.length === 0 ? (
        <Empty icon={Icon} title={t('activity.none')} />
      ) : (
        <div role="log" aria-label={t('activity.title')} className={css.days}>
          {[...days].map(([key, of]) => (
            <section key={key} className={css.day}>
              <h2>{name(key)}</h2>
              <Entries entries={of} />
            </section>
          ))}
        </div>
      )}
      {query.hasNextPage && (
        <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          {t('more')}
        </Button>
      )}
    </div>
  );
}
