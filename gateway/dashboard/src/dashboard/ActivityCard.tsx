import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Entries } from '../activity/Entries';
import { feedQuery, useFeedOrder } from '../activity/feed';
import { Card } from '../design/Card';
import { Empty, Failed, Skeleton, Stale } from '../design/Small';
import { t } from '../words';
import css from '../activity/activity.module.css';

/** `filtered`: the page shows some leads only; the log tells of all. */
export function ActivityCard({ filtered, className }: { filtered: boolean; className?: string | undefined }) {
  const { data, error, refetch, dataUpdatedAt } = useInfiniteQuery(feedQuery());
  const entries = data?.pages[0]?.items;
  useFeedOrder(data?.pages);
  return (
    <Card
      className={`${className ?? ''} ${css.feedCard}`}
      title={t('activity.title')}
      sub={filtered ? t('scope.all') : t('live.live.sub')}
      actions={
        <>
          {error && data && <Stale at={dataUpdatedAt} onRetry={() => void refetch()} />}
          <Link to="/activity" className={css.all}>
            {t('activity.all')}
          </Link>
        </>
      }
    >
      {entries ? (
        <div className={css.feed} role="log" aria-label={t('activity.title')} tabIndex={0}>
          {entries.length ? <Entries entries={entries} /> : <Empty title={t('activity.none')} quiet />}
        </div>
      ) : error ? (
        <Failed error={error} onRetry={() => void refetch()} />
      ) : (
        <Skeleton height={280} radius={12} />
      )}
    </Card>
  );
}
