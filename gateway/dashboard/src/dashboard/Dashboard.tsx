import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useDeferredValue, useEffect } from 'react';
import { Failed, Skeleton, Stale } from '../design/Small';
import css from './dashboard.module.css';
import { FilterBar } from './FilterBar';
import { Hero } from './Hero';
import { Kpis } from './Kpis';
import { dashboardQuery } from './queries';
import { SampleStrip } from './SampleStrip';
import { useView } from './view';
import { Welcome } from './Welcome';

const Charts = lazy(() => import('./Charts'));

let painted = false;

export default function Dashboard() {
  const view = useView();
  // The cards that say most are painted first; at the next visit all stand there at once.
  const all = useDeferredValue(true, painted);
  useEffect(() => void (painted = all), [all]);
  const { data, error, refetch, dataUpdatedAt, isPlaceholderData } = useQuery(dashboardQuery(view.interval));
  if (!data) return error ? <Failed error={error} onRetry={() => void refetch()} /> : <Waiting />;
  if (data.summary.totalLeads === 0) return <Welcome />;
  return (
    <div className={css.page}>
      <Hero data={data} view={view} />
      <FilterBar view={view} stale={error ? <Stale at={dataUpdatedAt} onRetry={() => void refetch()} /> : null} />
      <SampleStrip />
      <Kpis data={data} view={view} />
      <Suspense fallback={<Shapes />}>
        {all ? <Charts data={data} view={view} settling={isPlaceholderData} /> : <Shapes />}
      </Suspense>
    </div>
  );
}

/** The page's shape while its figures are on the way. */
function Waiting() {
  return (
    <div className={css.page} aria-busy="true">
      <div className={css.wide}>
        <Skeleton height={214} radius={24} />
      </div>
      <div className={css.wide}>
        <Skeleton height={36} width={260} radius={11} />
      </div>
      <div className={css.kpis}>
        {[0, 1, 2, 3].map((i) => (
          <Skeleton key={i} height={130} radius={20} />
        ))}
      </div>
      <Shapes />
    </div>
  );
}

const Shapes = () => (
  <>
    <div className={css.w8}>
      <Skeleton height={400} radius={20} />
    </div>
    <div className={css.w4}>
      <Skeleton height={400} radius={20} />
    </div>
    {[0, 1, 2, 3, 4, 5].map((i) => (
      <div key={i} className={css.w4}>
        <Skeleton height={320} radius={20} />
      </div>
    ))}
  </>
);
