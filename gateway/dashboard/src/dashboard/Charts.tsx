import type { DashboardData } from '../api/model';
import { ActivityCard } from './ActivityCard';
import { ArrivalsCard } from './ArrivalsCard';
import { ConversionCard } from './ConversionCard';
import { CreatedCard } from './CreatedCard';
import css from './dashboard.module.css';
import { FunnelCard } from './FunnelCard';
import { ReportsCard } from './ReportsCard';
import { SourceCard } from './SourceCard';
import { StatusCard } from './StatusCard';
import type { View } from './view';
import { WorkCard } from './WorkCard';

/** The cards below the four figures: their code comes after these have been painted. */
export default function Charts({ data, view, settling }: { data: DashboardData; view: View; settling: boolean }) {
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
      <ReportsCard total={data.summary.totalLeads} view={view} className={css.wide} />
    </>
  );
}
