import { useQuery } from '@tanstack/react-query';
import { useDeferredValue, useEffect } from 'react';
import type { DashboardData } from '../api/model';
import { Failed, Skeleton, Stale } from '../design/Small';
import { ActivityCard } from './ActivityCard';
import { ArrivalsCard } from './ArrivalsCard';
import { ConversionCard } from './ConversionCard';
import { CreatedCard } from './CreatedCard';
import css from './dashboard.module.css';
import { FilterBar } from './FilterBar';
import { FunnelCard } from './FunnelCard';
import { Hero } from './Hero';
import { Kpis } from './Kpis';
import { dashboardQuery } from './queries';
import { ReportsCard } from './ReportsCard';
import { SampleStrip } from './SampleStrip';
import { SourceCard } from './SourceCard';
import { StatusCard } from './StatusCard';
import { useView, type View } from './view';
import { Welcome } from './Welcome';
import { WorkCard } from './WorkCard';

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
      {all ? <Charts data={data} view={view} settling={isPlaceholderData} /> : <Shapes />}
    </div>
  );
}

function Charts({ data, view, settling }: { data: DashboardData; view: View; settling: boolean }) {
  return (
    <>
      <CreatedCard data={data} view={view} settling={settling} className={css.w8} />
      <WorkCard className={css.w4} />
      <StatusCard data={data} view={view} className={css.w4} />
      <SourceCard data={data} view={view} className={css.w4} />
      <ConversionCard data={data} view={view} className={css.w4} />
      <ActivityCard filtered={view.filtered} className={css.w4} />
      <ArrivalsCard view={view} className={css.w4} />
      <FunnelCard data={data} view={view} className={css.w4} />
      <ReportsCard total={data.summary.totalLeads} today={view.today} className={css.wide} />
    </>
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
    {[0, 1, 2].map((i) => (
      <div key={i} className={css.w4}>
        <Skeleton height={320} radius={20} />
      </div>
    ))}
  </>
);
