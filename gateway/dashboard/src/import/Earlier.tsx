import { useQuery } from '@tanstack/react-query';
import { useZone } from '../shell/me';
import { date, num } from '../time/format';
import { t } from '../words';
import css from './import.module.css';
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
              <span className="num">
                {one.state === 'done'
                  ? t('import.summary', {
                      created: num(one.created),
                      updated: num(one.updated),
                      failed: num(one.failed),
                    })
                  : t(`import.state.${one.state}`)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
