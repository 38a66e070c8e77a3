import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ArrowRight, Copy } from 'lucide-react';
import { useRef } from 'react';
import type { DashboardData } from '../api/model';
import { Rings } from '../charts/Rings';
import { Button, buttonClass } from '../design/Button';
import { remindersQuery } from '../reminders/queries';
import { useCanWrite, useMe } from '../shell/me';
import { date, percent, share } from '../time/format';
import { useNow } from '../time/now';
import { wallClock } from '../time/zone';
import { copied } from '../undo/notice';
import { rich, t } from '../words';
import css from './hero.module.css';
import { bestSource, greeting } from './story';
import type { View } from './view';

export function Hero({ data, view }: { data: DashboardData; view: View }) {
  const me = useMe();
  const canWrite = useCanWrite();
  const now = useNow();
  const story = useRef<HTMLParagraphElement>(null);
  const late = useInfiniteQuery(remindersQuery('overdue', 'me')).data;
  const day = useInfiniteQuery(remindersQuery('today', 'me')).data;
  // Nothing is said of what is not known yet, or can't be read.
  const known = late !== undefined && day !== undefined;
  const overdue = late?.pages[0]?.total.value ?? 0;
  const today = day?.pages.flatMap((page) => page.items) ?? [];
  const done = today.filter((reminder) => reminder.status === 'done').length;
  const open =
    overdue + today.filter((reminder) => reminder.status === 'pending' && Date.parse(reminder.dueAt) >= now).length;
  const { newToday, previous } = data.summary;
  const best = bestSource(data.bySource.items);
  const reached = (status: string) => data.funnel.items.find((item) => item.status === status);
  const rings = [
    {
      label: t('ring.work'),
      value: done + open ? done / (done + open) : known ? 1 : 0,
      text: done + open ? `${done} / ${done + open}` : known ? t('ring.clear') : '–',
      color: '#CDEB4A',
    },
    {
      label: t('ring.contacted'),
      value: (reached('Contacted')?.rate ?? 0) / 100,
      text: percent(reached('Contacted')?.rate ?? null),
      color: '#7FE3C4',
    },
    {
      label: t('ring.converted'),
      value: (reached('Converted')?.rate ?? 0) / 100,
      text: percent(reached('Converted')?.rate ?? null),
      color: '#FFB38A',
    },
  ];
  const change = previous.newToday ? newToday / previous.newToday - 1 : 0;
  return (
    <section className={css.hero} aria-label={t('hero.label')}>
      <div className={css.text}>
        <p className={css.date}>{date(now, { weekday: 'long', day: 'numeric', month: 'long' }, view.zone)}</p>
        <p className={`${css.hello} display`}>
          {t(greeting(new Date(wallClock(now, view.zone)).getUTCHours()), { name: me.user.name.split(/\s+/)[0] ?? '' })}
        </p>
        <p className={css.story} ref={story}>
          {rich(
            'hero.new',
            { n: newToday },
            {
              a: (
                <Link
                  to="/leads"
                  search={{ createdFrom: view.today, createdTo: view.today }}
                  className={css.plain}
                  data-leads={newToday}
                />
              ),
            },
          )}
          {previous.newToday > 0 && (
            <>
              {' '}
              {t(Math.abs(change) < 0.005 ? 'hero.same' : change > 0 ? 'hero.above' : 'hero.below', {
                p: share(Math.abs(change), 1),
              })}
            </>
          )}
          {'. '}
          {overdue > 0
            ? rich('hero.overdue', { n: overdue }, { a: <Link to="/reminders" search={{ view: 'overdue' }} /> })
            : open > 0
              ? rich('hero.open', { n: open }, { a: <Link to="/reminders" search={{ view: 'today' }} /> })
              : known && t('hero.clear')}
          {best && (
            <>
              {' '}
              {rich(
                'hero.best',
                { source: t(`source.${best.source}`), rate: share(best.converted, best.count) },
                {
                  a: (
                    <Link
                      to="/leads"
                      search={{ source: [best.source], status: ['Converted'] }}
                      className={css.plain}
                      data-leads={best.converted}
                    />
                  ),
                },
              )}
            </>
          )}
        </p>
        <div className={css.actions}>
          {canWrite && (
            <Link to="/reminders" search={{ focus: true }} className={buttonClass()} data-kind="citron">
              {t('hero.start')}
              <ArrowRight size={16} aria-hidden="true" />
            </Link>
          )}
          <Button kind="glass" onClick={() => void copied(story.current?.textContent ?? '', t('hero.copied'))}>
            <Copy size={15} aria-hidden="true" />
            {t('hero.copy')}
          </Button>
        </div>
      </div>
      <div className={css.rings}>
        <Rings
          rings={rings}
          label={t('ring.label', { list: rings.map((ring) => `${ring.label} ${ring.text}`).join(', ') })}
        />
        <ul aria-hidden="true">
          {rings.map((ring) => (
            <li key={ring.label}>
              <i style={{ background: ring.color }} />
              <span>{ring.label}</span>
              <b className="num">{ring.text}</b>
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}
