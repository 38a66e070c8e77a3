import { useInfiniteQuery } from '@tanstack/react-query';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Entries } from '../activity/Entries';
import type { Activity, Lead, Note } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Button, IconButton } from '../design/Button';
import { Failed, Segmented, Skeleton } from '../design/Small';
import { useCanManage, useCanWrite, useMe, useZone } from '../shell/me';
import { ago, date } from '../time/format';
import { useNow } from '../time/now';
import { t } from '../words';
import { deleteNote } from './changes';
import css from './drawer.module.css';
import { notesQuery, timelineQuery } from './queries';

type Kind = 'all' | 'notes' | 'changes';
const isChange = (entry: Activity) => !entry.type.startsWith('lead.note_');

/** What happened with a lead, newest first; its notes in full. */
export function Timeline({ lead }: { lead: Lead }) {
  const [kind, setKind] = useState<Kind>('all');
  const log = useInfiniteQuery(timelineQuery(lead.id));
  const entries = log.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className={css.timeline} aria-label={t('timeline')}>
      <header>
        <h3>{t('timeline')}</h3>
        <Segmented
          name="timeline"
          label={t('timeline.kind')}
          value={kind}
          onChange={setKind}
          options={[
            { value: 'all', label: t('timeline.all') },
            { value: 'notes', label: t('timeline.notes') },
            { value: 'changes', label: t('timeline.changes') },
          ]}
        />
      </header>
      {kind !== 'changes' && <Notes lead={lead} />}
      {kind !== 'notes' &&
        (log.data ? (
          <Entries entries={entries.filter(isChange)} own />
        ) : log.error ? (
          <Failed error={log.error} onRetry={() => void log.refetch()} />
        ) : (
          <Skeleton height={120} radius={12} />
        ))}
      {kind !== 'notes' && log.hasNextPage && (
        <Button kind="ghost" busy={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
          {t('more')}
        </Button>
      )}
    </section>
  );
}

function Notes({ lead }: { lead: Lead }) {
  const [all, setAll] = useState(false);
  const full = useInfiniteQuery({ ...notesQuery(lead.id), enabled: all });
  const notes = all ? (full.data?.pages.flatMap((page) => page.items) ?? lead.notes) : lead.notes;
  if (notes.length === 0) return null;
  return (
    <>
      <ul className={css.notes}>
        {notes.map((note) => (
          <NoteItem key={note.id} note={note} lead={lead} />
        ))}
      </ul>
      {lead.notes.length >= 50 && (!all || full.hasNextPage) && (
        <Button kind="ghost" busy={full.isFetching} onClick={() => (all ? void full.fetchNextPage() : setAll(true))}>
          {t('notes.older')}
        </Button>
      )}
    </>
  );
}

function NoteItem({ note, lead }: { note: Note; lead: Lead }) {
  const me = useMe();
  const canWrite = useCanWrite();
  const canManage = useCanManage();
  const zone = useZone();
  const now = useNow();
  const mine = note.author.id === me.user.id;
  return (
    <li>
      <Avatar name={note.author.name} size={26} />
      <div>
        <header>
          <b>{note.author.name}</b>
          <time dateTime={note.createdAt} title={date(note.createdAt, { dateStyle: 'full', timeStyle: 'short' }, zone)}>
            {ago(note.createdAt, now)}
          </time>
          {canWrite && (mine || canManage) && !note.id.startsWith('guess-') && (
            <IconButton label={t('note.delete')} size="s" onClick={() => deleteNote(lead, note)}>
              <Trash2 size={14} />
            </IconButton>
          )}
        </header>
        <p>{note.text}</p>
      </div>
    </li>
  );
}
