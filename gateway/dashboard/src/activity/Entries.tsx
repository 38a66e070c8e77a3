import { Link } from '@tanstack/react-router';
import {
  FileUp,
  GitMerge,
  type LucideIcon,
  MessageSquareText,
  MessageSquareX,
  Pencil,
  Sparkles,
  Trash2,
  Undo2,
} from 'lucide-react';
import type { ReactNode } from 'react';
import type { Activity, Status } from '../api/model';
import { Avatar } from '../design/Avatar';
import { StageGlyph } from '../design/StageGlyph';
import { useZone } from '../shell/me';
import { ago, date } from '../time/format';
import { useNow } from '../time/now';
import css from './activity.module.css';
import { sentence } from './sentence';

const ICONS: Record<string, LucideIcon> = {
  'lead.created': Sparkles,
  'lead.updated': Pencil,
  'lead.note_added': MessageSquareText,
  'lead.note_deleted': MessageSquareX,
  'lead.deleted': Trash2,
  'lead.restored': Undo2,
  'lead.merged': GitMerge,
  'lead.unmerged': Undo2,
  'lead.imported': FileUp,
};

/** What was done, newest first. `own`: entries of the lead that is open, which need not name it. */
export function Entries({ entries, own }: { entries: Activity[]; own?: boolean }) {
  const now = useNow();
  const zone = useZone();
  return (
    <ol className={css.entries}>
      {entries.map((entry) => {
        const Icon = ICONS[entry.type] ?? Pencil;
        const to = entry.type === 'lead.status_changed' ? (entry.data as { to: Status }).to : undefined;
        const name: ReactNode = own ? (
          <b />
        ) : (
          <Link to="." search={(old) => ({ ...old, lead: entry.lead.id })} resetScroll={false} className={css.lead} />
        );
        return (
          <li key={entry.id} data-type={to === 'Converted' ? 'won' : entry.type}>
            <span className={css.feedIcon}>
              {to ? <StageGlyph status={to} /> : <Icon size={15} aria-hidden="true" />}
            </span>
            <p>
              {sentence(entry, name as React.ReactElement, own ?? false)}
              <time dateTime={entry.at} title={date(entry.at, { dateStyle: 'full', timeStyle: 'short' }, zone)}>
                {ago(entry.at, now)}
              </time>
            </p>
            <Avatar name={entry.actor.name} size={24} title={entry.actor.name} />
          </li>
        );
      })}
    </ol>
  );
}
