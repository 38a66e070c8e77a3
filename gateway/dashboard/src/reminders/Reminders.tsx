import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { BellRing, Check, PartyPopper, Play } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { Reminder } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Button } from '../design/Button';
import { Failed, Segmented, Skeleton, Stale, Switch } from '../design/Small';
import { setOrder } from '../leads/order';
import type { ReminderView } from '../router';
import { useCanWrite, useZone } from '../shell/me';
import { ago, date, due, time } from '../time/format';
import { useNow } from '../time/now';
import { deviceZone, sameClock } from '../time/zone';
import { quietly } from '../undo/change';
import { notify } from '../undo/notice';
import { t } from '../words';
import { AddLine } from './AddLine';
import { completeReminder, reopenReminder } from './changes';
import { noticesOn, setNotices } from './due';
import { FollowUps } from './FollowUps';
import { type List, remindersQuery } from './queries';
import css from './reminders.module.css';
import { SnoozeMenu } from './SnoozeMenu';

const route = getRouteApi('/app/reminders');
const LISTS: List[] = ['overdue', 'today', 'upcoming'];

export default function Reminders() {
  const { view, assignee, focus } = route.useSearch();
  const navigate = route.useNavigate();
  const canWrite = useCanWrite();
  const set = (patch: { view?: ReminderView; assignee?: string; focus?: true }) =>
    void navigate({ search: (old) => ({ ...old, ...patch }), replace: true });
  const who = assignee === 'all' ? undefined : (assignee ?? 'me');
  if (focus) return <FollowUps onClose={() => set({ focus: undefined })} />;
  const lists: List[] = view ? [view] : LISTS;
  return (
    <div className={css.page}>
      <div className={css.bar}>
        <Segmented
          name="view"
          label={t('reminders.view')}
          value={view ?? 'open'}
          onChange={(next) => set({ view: next === 'open' ? undefined : next })}
          options={[
            { value: 'open' as const, label: t('reminders.open') },
            { value: 'overdue' as const, label: t('work.overdue') },
            { value: 'today' as const, label: t('work.today') },
            { value: 'upcoming' as const, label: t('work.next') },
            { value: 'done' as const, label: t('done') },
          ]}
        />
        <Segmented
          name="whose"
          label={t('reminders.whose')}
          value={who ? 'me' : 'all'}
          onChange={(next) => set({ assignee: next === 'all' ? 'all' : undefined })}
          options={[
            { value: 'me', label: t('reminders.mine') },
            { value: 'all', label: t('reminders.all') },
          ]}
        />
        <span className={css.grow} />
        {canWrite && (
          <Button kind="primary" onClick={() => set({ focus: true })}>
            <Play size={14} aria-hidden="true" />
            {t('hero.start')}
          </Button>
        )}
      </div>
      {canWrite && <AddLine />}
      <div className={css.lists}>
        {lists.map((list) => (
          <ReminderList key={list} list={list} who={who} alone={lists.length === 1} />
        ))}
      </div>
      <Notices />
    </div>
  );
}

function ReminderList({ list, who, alone }: { list: List; who: string | undefined; alone: boolean }) {
  const query = useInfiniteQuery(remindersQuery(list, who));
  const late = useInfiniteQuery(remindersQuery('overdue', who));
  const name = t(list === 'upcoming' ? 'work.next' : list === 'done' ? 'done' : `work.${list}`);
  const overdueIds = new Set(
    list === 'today' ? late.data?.pages.flatMap((page) => page.items.map((one) => one.id)) : [],
  );
  // What was due earlier today stands under "overdue" already.
  const items = query.data?.pages.flatMap((page) => page.items).filter((one) => !overdueIds.has(one.id)) ?? [];
  const leads = [...new Set(items.map((one) => one.lead.id))].join();
  useEffect(() => setOrder(leads.split(',')), [leads]);
  const total = list === 'today' ? items.length : (query.data?.pages[0]?.total.value ?? 0);
  return (
    <section className={css.list} aria-label={name}>
      <header>
        <h2 data-kind={list}>{name}</h2>
        {query.data && <small className="num">{total}</small>}
        {query.error && query.data && <Stale at={query.dataUpdatedAt} onRetry={() => void query.refetch()} />}
      </header>
      {!query.data ? (
        query.error ? (
          <Failed error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <Skeleton height={120} radius={16} />
        )
      ) : items.length === 0 ? (
        <div className={css.none}>
          {list === 'overdue' ? <PartyPopper size={16} aria-hidden="true" /> : null}
          {t(`reminders.none.${list}`)}
        </div>
      ) : (
        <ul className={css.items}>
          {items.map((reminder) => (
            <Item key={reminder.id} reminder={reminder} list={list} who={who} />
          ))}
        </ul>
      )}
      {query.hasNextPage && (
        <Button
          kind={alone ? 'plain' : 'ghost'}
          busy={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {t('more')}
        </Button>
      )}
    </section>
  );
}

function Item({ reminder, list, who }: { reminder: Reminder; list: List; who: string | undefined }) {
  const now = useNow();
  const zone = useZone();
  const own = deviceZone();
  const canWrite = useCanWrite();
  const done = reminder.status === 'done';
  const at = Date.parse(reminder.dueAt);
  const late = !done && at < now;
  return (
    <li className={css.item} data-done={done || undefined}>
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
        <Check size={14} strokeWidth={3} />
      </button>
      <span className={css.main}>
        <b>{reminder.message}</b>
        <Link to="." search={(old) => ({ ...old, lead: reminder.lead.id })} resetScroll={false}>
          {reminder.lead.name}
        </Link>
      </span>
      {who === undefined && <Avatar name={reminder.assignee.name} size={24} title={reminder.assignee.name} />}
      <span className={css.when} data-late={late || undefined}>
        <time dateTime={reminder.dueAt} title={date(at, { dateStyle: 'full', timeStyle: 'short' }, zone)}>
          {list === 'done' && reminder.completedAt
            ? ago(reminder.completedAt, now)
            : late
              ? ago(at, now)
              : due(reminder.dueAt, now, zone)}
        </time>
        {!done && !sameClock(zone, own, at) && <small>{t('zone.yours', { time: time(at, own) })}</small>}
      </span>
      {canWrite && !done && <SnoozeMenu reminder={reminder} />}
    </li>
  );
}

/** The browser tells of what falls due, only for those who ask for it. */
function Notices() {
  const [on, setOn] = useState(noticesOn);
  if (!('Notification' in window)) return null;
  return (
    <div className={css.notices}>
      <BellRing size={17} aria-hidden="true" />
      <Switch
        label={t('notices')}
        hint={t('notices.sub')}
        checked={on}
        onChange={(event) => {
          const want = event.target.checked;
          void setNotices(want).then((now) => {
            setOn(now);
            if (want && !now) notify({ title: t('notices.denied'), kind: 'error' });
          });
        }}
      />
    </div>
  );
}
