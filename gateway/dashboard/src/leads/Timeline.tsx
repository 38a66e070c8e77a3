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
import { inOrder } from './story';

type Kind = 'all' | 'notes' | 'changes';
const isChange = (entry: Activity) => !entry.type.startsWith('lead.note_');

/** What happened with a lead, newest first; its notes in full. */
export function Timeline({ lead }: { lead: Lead }) {
  const [kind, setKind] = useState<Kind>('all');
  const log = useInfiniteQuery(timelineQuery(lead.id));
  const entries = log.data?.pages.flatMap((page) => page.items) ?? [];
  const notes = useNotes(lead);
  const all = inOrder(notes.loaded, notes.more, entries, log.hasNextPage);
  const busy = log.isFetchingNextPage || notes.busy;
  // Both, where both are shown: more of one alone might stay hidden behind what is missing of the other.
  const moreNotes = kind !== 'changes' && notes.more;
  const moreLog = kind !== 'notes' && log.hasNextPage;
  const more = () => {
    if (moreNotes) notes.fetch();
    if (moreLog) void log.fetchNextPage();
  };
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
      {kind === 'notes' ? (
        <Notes lead={lead} notes={notes.loaded} />
      ) : log.data ? (
        kind === 'changes' ? (
          <Entries entries={entries.filter(isChange)} own />
        ) : (
          all.map((run) =>
            'notes' in run ? (
              <Notes key={run.notes[0]?.id} lead={lead} notes={run.notes} />
            ) : (
              <Entries key={run.entries[0]?.id} entries={run.entries} own />
            ),
          )
        )
      ) : log.error ? (
        <>
          <Notes lead={lead} notes={notes.loaded} />
          <Failed error={log.error} onRetry={() => void log.refetch()} />
        </>
      ) : (
        <Skeleton height={120} radius={12} />
      )}
      {(moreNotes || moreLog) && (
        <Button kind="ghost" busy={busy} onClick={more}>
          {kind === 'notes' ? t('notes.older') : t('more')}
        </Button>
      )}
    </section>
  );
}

// So many come with the lead itself.
const WITH_LEAD = 50;

/** The lead's notes as far as they are loaded, and the way to those before. */
function useNotes(lead: Lead) {
  const [beyond, setBeyond] = useState(false);
  const full = useInfiniteQuery({ ...notesQuery(lead.id), enabled: beyond });
  // The newest are those of the lead: they have what was just added or taken away.
  const last = lead.notes.at(-1)?.createdAt ?? '';
  const older = full.data?.pages.flatMap((page) => page.items).filter((note) => note.createdAt < last) ?? [];
  return {
    loaded: [...lead.notes, ...older],
    more: lead.notes.length >= WITH_LEAD && (!full.data || full.hasNextPage),
    busy: full.isFetching,
    fetch: () => (beyond ? void full.fetchNextPage() : setBeyond(true)),
  };
}

function Notes({ lead, notes }: { lead: Lead; notes: Note[] }) {
  if (notes.length === 0) return null;
  return (
    <ul className={css.notes}>
      {notes.map((note) => (
        <NoteItem key={note.id} note={note} lead={lead} />
      ))}
    </ul>
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
