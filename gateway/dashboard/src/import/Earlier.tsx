import { useQuery } from '@tanstack/react-query';
import type { Import } from '../api/model';
import { useZone } from '../shell/me';
import { date, num } from '../time/format';
import { t } from '../words';
import css from './import.module.css';
import { LeadCount } from './parts';
import { importsQuery } from './queries';

const WHEN: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' };

/** What was imported before; nothing if there is nothing. */
export function Earlier({ onOpen }: { onOpen: (id: string) => void }) {
  const zone = useZone();
  const { data } = useQuery(importsQuery);
  if (!data?.length) return null;
  return (
    <section className={css.earlier} aria-label={t('import.earlier')}>
      <h2>{t('import.earlier')}</h2>
      <ul>
        {data.map((one) => (
          <li key={one.id}>
            <button type="button" onClick={() => onOpen(one.id)}>
              <b>{one.fileName || t('import.unnamed')}</b>
              <small>
                {one.createdBy.name} · {date(one.createdAt, WHEN, zone)}
              </small>
            </button>
            <span className={css.became}>
              {one.state === 'done' ? <Became job={one} /> : t(`import.state.${one.state}`)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const Became = ({ job }: { job: Import }) =>
  (['created', 'updated', 'failed'] as const).map((outcome) => (
    <span key={outcome} className="num">
      <LeadCount job={job} outcome={outcome}>
        {t(`import.summary.${outcome}`, { n: num(job[outcome]) })}
      </LeadCount>
    </span>
  ));
