import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { AlarmClock, ArrowRight, Check, Mail, PartyPopper, Phone, X } from 'lucide-react';
import { useEffect, useEffectEvent, useMemo, useState } from 'react';
import type { Reminder } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Button, ButtonLink, IconButton } from '../design/Button';
import { Empty, Failed, Kbd, Skeleton } from '../design/Small';
import { NoteForm } from '../leads/NoteForm';
import { leadQuery } from '../leads/queries';
import { Stages } from '../leads/Stages';
import { useCanWrite, useZone } from '../shell/me';
import { isPageKey, underDialog } from '../shell/shortcuts';
import { ago, due } from '../time/format';
import { useNow } from '../time/now';
import { quietly } from '../undo/change';
import { t } from '../words';
import { completeReminder, snoozeReminder } from './changes';
import css from './followUps.module.css';
import { remindersQuery } from './queries';
import { beyond, type PutOff, waitingIn } from './walk';
import { type When, whenOf } from './when';

// The lists overlap: how many are left is known when all are loaded. Beyond so many it is near enough.
const AHEAD = 200;

/** What is due, one at a time: done, put off or passed over with one key each. */
export function FollowUps({ onClose }: { onClose: () => void }) {
  const overdue = useInfiniteQuery(remindersQuery('overdue', 'me'));
  const today = useInfiniteQuery(remindersQuery('today', 'me'));
  const [passed, setPassed] = useState<ReadonlySet<string>>(new Set());
  const [putOff, setPutOff] = useState<PutOff>(new Map());
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const zone = useZone();
  const canWrite = useCanWrite();
  const queue = useMemo(
    () => waitingIn([overdue.data, today.data], passed, putOff),
    [overdue.data, today.data, passed, putOff],
  );
  const current = queue[0];
  // As long as it may matter, more is fetched: the walk ends where the lists do, not where their first pages do.
  useMore(overdue, queue.length < AHEAD);
  useMore(today, queue.length < AHEAD);
  const more = overdue.hasNextPage || today.hasNextPage;
  const left = queue.length + beyond(overdue.data) + beyond(today.data);
  // What was undone waits again, and is not counted.
  const doneCount = [...ticked].filter((id) => !queue.some((one) => one.id === id)).length;
  const act = {
    complete: () => {
      if (!current || !canWrite) return;
      setTicked((old) => new Set([...old, current.id]));
      quietly(completeReminder(current));
    },
    snooze: (when: When) => {
      if (!current || !canWrite) return;
      setPutOff((old) => new Map([...old, [current.id, current.dueAt]]));
      quietly(snoozeReminder(current, whenOf(when, Date.now(), zone), zone));
    },
    pass: () => current && setPassed((old) => new Set([...old, current.id])),
    close: onClose,
  };
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (!isPageKey(event) || underDialog()) return;
    const { complete, snooze, pass, close } = act;
    const run = {
      d: complete,
      '1': () => snooze('later'),
      '2': () => snooze('tomorrow'),
      '3': () => snooze('nextWeek'),
      j: pass,
      escape: close,
    }[event.key.toLowerCase()];
    if (!run) return;
    event.preventDefault();
    run();
  });
  useEffect(() => {
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const failed = overdue.error ?? today.error;
  return (
    <section className={css.page} aria-label={t('hero.start')}>
      <header className={css.head}>
        <p role="status">{current ? t('followUps.left', { n: left }) : ''}</p>
        <IconButton label={t('close')} onClick={onClose}>
          <X size={18} />
        </IconButton>
      </header>
      {current ? (
        <One key={current.id} reminder={current} act={act} />
      ) : failed ? (
        <Failed error={failed} onRetry={() => void (overdue.error ? overdue : today).refetch()} />
      ) : overdue.isPending || today.isPending || more ? (
        <Skeleton height={360} radius={24} />
      ) : (
        <div className={css.card}>
          <Empty
            icon={PartyPopper}
            title={t('followUps.done')}
            actions={<Button onClick={onClose}>{t('followUps.back')}</Button>}
          >
            {doneCount ? t('followUps.done.sub', { n: doneCount }) : t('work.clear.sub')}
          </Empty>
        </div>
      )}
    </section>
  );
}

interface List {
  hasNextPage: boolean;
  isFetching: boolean;
  isFetchNextPageError: boolean;
  fetchNextPage: () => Promise<unknown>;
}
/** Fetches a list's next page, and the one after it, as long as more is wanted. */
function useMore(list: List, wanted: boolean) {
  const go = wanted && list.hasNextPage && !list.isFetching && !list.isFetchNextPageError;
  const fetchNext = useEffectEvent(() => void list.fetchNextPage());
  useEffect(() => {
    if (go) fetchNext();
  }, [go]);
}

interface Act {
  complete: () => void;
  snooze: (when: When) => void;
  pass: () => void;
}
function One({ reminder, act }: { reminder: Reminder; act: Act }) {
  const { data: lead } = useQuery(leadQuery(reminder.lead.id));
  const now = useNow();
  const zone = useZone();
  const canWrite = useCanWrite();
  const late = Date.parse(reminder.dueAt) < now;
  return (
    <article className={css.card}>
      <p className={css.when} data-late={late || undefined}>
        <AlarmClock size={15} aria-hidden="true" />
        {late ? t('nextStep.late', { ago: ago(reminder.dueAt, now, 'long') }) : due(reminder.dueAt, now, zone)}
      </p>
      <h2 className="display">{reminder.message}</h2>
      <div className={css.lead}>
        <Avatar name={reminder.lead.name} size={44} />
        <div>
          <b>{reminder.lead.name}</b>
          {lead?.company && <span>{lead.company}</span>}
        </div>
        {lead?.phone && (
          <ButtonLink href={`tel:${lead.phone.replaceAll(/[^\d+]/g, '')}`}>
            <Phone size={15} aria-hidden="true" />
            {lead.phone}
          </ButtonLink>
        )}
        {lead?.email && (
          <ButtonLink href={`mailto:${lead.email}`}>
            <Mail size={15} aria-hidden="true" />
            {t('lead.email')}
          </ButtonLink>
        )}
      </div>
      {lead ? (
        <>
          <Stages lead={lead} />
          {lead.notes[0] && (
            <blockquote className={css.note}>
              <p>{lead.notes[0].text}</p>
              <footer>
                {lead.notes[0].author.name}, {ago(lead.notes[0].createdAt, now)}
              </footer>
            </blockquote>
          )}
          <NoteForm lead={lead} />
        </>
      ) : (
        <Skeleton height={140} radius={14} />
      )}
      <footer className={css.acts}>
        {canWrite && (
          <>
            <Button kind="primary" onClick={act.complete}>
              <Check size={15} aria-hidden="true" />
              {t('done')}
              <Kbd>D</Kbd>
            </Button>
            {(['later', 'tomorrow', 'nextWeek'] as When[]).map((when, i) => (
              <Button key={when} onClick={() => act.snooze(when)}>
                {t(`snooze.${when}`)}
                <Kbd>{i + 1}</Kbd>
              </Button>
            ))}
          </>
        )}
        <Button kind="ghost" onClick={act.pass}>
          {t('followUps.pass')}
          <ArrowRight size={15} aria-hidden="true" />
          <Kbd>J</Kbd>
        </Button>
      </footer>
    </article>
  );
}
