import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Download, FileSpreadsheet, FileText, type LucideIcon, Sheet } from 'lucide-react';
import { IconButton } from '../design/Button';
import { Card } from '../design/Card';
import { Failed, Skeleton, Stale } from '../design/Small';
import { downloadFigures, downloadLeads, downloadMonth } from '../reports/download';
import { day, num, share } from '../time/format';
import { addMonths, type Day, firstOf } from '../time/zone';
import { t } from '../words';
import { reportQuery } from './queries';
import css from './reports.module.css';
import type { View } from './view';

/** The month so far, and the files that people hand on. */
export function ReportsCard({ total, view, className }: { total: number; view: View; className?: string | undefined }) {
  const { today } = view;
  const { data, error, refetch, dataUpdatedAt } = useQuery(reportQuery('month', today));
  const figures = data?.figures;
  const last = addMonths(today, -1);
  const month = (date: Day) => day(date, { month: 'long' });
  const files: { icon: LucideIcon; name: string; sub: string; tone: string; run: () => void }[] = [
    {
      icon: FileText,
      name: t('reports.month', { month: month(last) }),
      sub: t('reports.month.sub'),
      tone: 'bad',
      run: () => void downloadMonth(last.slice(0, 7), 'pdf'),
    },
    {
      icon: FileSpreadsheet,
      name: t('reports.figures'),
      sub: t('reports.figures.sub'),
      tone: 'good',
      run: () => void downloadFigures('xlsx', { interval: view.step, ...view.zoom }),
    },
    {
      icon: Sheet,
      name: t('reports.leads'),
      sub: t('reports.leads.sub', { n: total }),
      tone: 'warn',
      run: () => void downloadLeads('csv'),
    },
  ];
  return (
    <Card
      className={className}
      title={t('nav.reports')}
      sub={t('reports.soFar', { month: month(today) })}
      actions={
        <>
          {error && data && <Stale at={dataUpdatedAt} onRetry={() => void refetch()} />}
          <Link to="/reports" className={css.all}>
            {t('reports.all')}
          </Link>
        </>
      }
    >
      <div className={css.row}>
        {figures ? (
          <dl className={css.month}>
            <div>
              <dt>{t('report.created')}</dt>
              <dd className="display num">
                <Link to="/leads" search={{ createdFrom: firstOf(today) }} data-leads={figures.created}>
                  {num(figures.created)}
                </Link>
              </dd>
            </div>
            <div>
              <dt>{t('report.converted')}</dt>
              <dd className="display num">
                <Link
                  to="/leads"
                  search={{ status: ['Converted'], enteredFrom: firstOf(today) }}
                  data-leads={figures.converted}
                >
                  {num(figures.converted)}
                </Link>
              </dd>
            </div>
            <div>
              <dt title={t('report.winRate.sub')}>{t('report.winRate')}</dt>
              <dd className="display num">
                {figures.converted + figures.lost > 0
                  ? share(figures.converted, figures.converted + figures.lost)
                  : '–'}
              </dd>
            </div>
          </dl>
        ) : error ? (
          <Failed error={error} onRetry={() => void refetch()} />
        ) : (
          <Skeleton height={78} radius={14} />
        )}
        <ul className={css.reps}>
          {files.map(({ icon: Icon, name, sub, tone, run }) => (
            <li key={name}>
              <span className={css.repIcon} data-tone={tone}>
                <Icon size={19} aria-hidden="true" />
              </span>
              <span className={css.repMain}>
                <b>{name}</b>
                <small>{sub}</small>
              </span>
              <IconButton label={t('download', { name })} onClick={run}>
                <Download size={17} />
              </IconButton>
            </li>
          ))}
        </ul>
      </div>
    </Card>
  );
}
