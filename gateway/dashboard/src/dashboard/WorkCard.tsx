import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Check } from 'lucide-react';
import type { Reminder } from '../api/model';
import { Card } from '../design/Card';
import { Empty, Failed, Skeleton, Stale } from '../design/Small';
import { completeReminder, reopenReminder } from '../reminders/changes';
import { remindersQuery } from '../reminders/queries';
import { useCanWrite, useZone } from '../shell/me';
import { ago, due, num } from '../time/format';
import { useNow } from '../time/now';
import { quietly } from '../undo/change';
import { t } from '../words';
import css from './work.module.css';

const SHOWN = 9;

/** What the visitor has to do: overdue, today, next. */
export function WorkCard({ className }: { className?: string | undefined }) {
  const now = useNow();
  const overdue = useInfiniteQuery(remindersQuery('overdue', 'me'));
  const today = useInfiniteQuery(remindersQuery('today', 'me'));
  const next = useInfiniteQuery(remindersQuery('upcoming', 'me'));
  const items = (list: typeof overdue) => list.data?.pages.flatMap((page) => page.items) ?? [];
  const late = items(overdue);
  const lateIds = new Set(late.map((one) => one.id));
  const day = items(today).filter((one) => !lateIds.has(one.id));
  const done =
    items(today).filter((one) => one.status === 'done').length + late.filter((one) => one.status === 'done').length;
  // Only the first of a long list are here; the server's totals count them all.
  const beyond = (list: typeof overdue) => (list.data?.pages[0]?.total.value ?? 0) - items(list).length;
  const total = late.length + day.length + beyond(overdue) + beyond(today);
  let room = SHOWN;
  const groups = (
    [
      ['overdue', 'overdue', late, beyond(overdue)],
      [
        'today',
        'today',
        day.toSorted((a, b) => Number(a.status === 'done') - Number(b.status === 'done')),
        beyond(today),
      ],
      ['next', 'upcoming', items(next), beyond(next)],
    ] as const
  )
    .map(([key, view, all, more]) => {
      const shown = all.slice(0, Math.max(0, room));
      room -= shown.length;
      return { key, view, count: all.length + more, shown };
    })
    .filter((group) => group.shown.length > 0);
  const lists = [overdue, today, next];
  const waiting = lists.some((list) => list.isPending);
  // What can't be read may hold something that is due: then nothing is said to be clear or done.
  const unread = lists.find((list) => list.error && !list.data);
  const old = lists.filter((list) => list.error && list.data);
  const retry = () => {
    for (const list of lists) if (list.error) void list.refetch();
  };
  return (
    <Card
      className={className}
      id="work"
      title={t('work.title')}
      sub={total && !unread ? t('work.progress', { done, total }) : undefined}
      actions={
        old.length > 0 ? (
          <Stale at={Math.min(...old.map((list) => list.dataUpdatedAt))} onRetry={retry} />
        ) : (
          total > 0 &&
          !unread && (
            <span className={css.progress}>
              <span style={{ width: `${(done / total) * 100}%` }} />
            </span>
          )
        )
      }
    >
      {unread && <Failed error={unread.error} onRetry={retry} />}
      {unread && groups.length === 0 ? null : waiting ? (
        <Skeleton height={300} radius={12} />
      ) : groups.length === 0 ? (
        <Empty icon={Check} title={t('work.clear')} quiet>
          {t('work.clear.sub')}
        </Empty>
      ) : (
        <div className={css.workBody}>
          {groups.map((group) => (
            <section key={group.key} aria-label={t(`work.${group.key}`)}>
              <h3 data-kind={group.key}>
                <Link to="/reminders" search={{ view: group.view }} data-reminders={group.count}>
                  {t(`work.${group.key}`)} <small className="num">{num(group.count)}</small>
                </Link>
              </h3>
              <ul>
                {group.shown.map((reminder) => (
                  <Task key={reminder.id} reminder={reminder} late={group.key === 'overdue'} now={now} />
                ))}
              </ul>
            </section>
          ))}
        </div>
      )}
      <span className={css.room} />
      <Link to="/reminders" className={css.all}>
        {t('work.all')}
      </Link>
    </Card>
  );
}

function Task({ reminder, late, now }: { reminder: Reminder; late: boolean; now: number }) {
  const zone = useZone();
  const canWrite = useCanWrite();
  const done = reminder.status === 'done';
  return (
    <li className={css.task} data-done={done || undefined}>
      <button
        type="button"
        className={css.tick}
        disabled={!canWrite}
        aria-pressed={done}
        aria-label={
          done ? t('work.reopen', { message: reminder.message }) : t('work.complete', { message: reminder.message })
        }
        onClick={() => quietly(done ? reopenReminder(reminder) : completeReminder(reminder))}
      >
        <Check size={13} strokeWidth={3} />
      </button>
      <span className={css.taskMain}>
        <b title={reminder.message}>{reminder.message}</b>
        <Link to="." search={(old) => ({ ...old, lead: reminder.lead.id })} resetScroll={false}>
          {reminder.lead.name}
        </Link>
      </span>
      <span className={css.taskWhen} data-late={(late && !done) || undefined}>
        <time className="num" dateTime={reminder.dueAt}>
          {late ? ago(reminder.dueAt, now) : due(reminder.dueAt, now, zone)}
        </time>
      </span>
    </li>
  );
}
