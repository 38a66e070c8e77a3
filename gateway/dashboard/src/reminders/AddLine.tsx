import { useQuery } from '@tanstack/react-query';
import { Plus, X } from 'lucide-react';
import { type KeyboardEvent, useDeferredValue, useId, useRef, useState } from 'react';
import type { LeadRow } from '../api/model';
import { Button, IconButton } from '../design/Button';
import { StageGlyph } from '../design/StageGlyph';
import { searchQuery } from '../leads/queries';
import { useZone } from '../shell/me';
import { fromInput, toInput } from '../time/zone';
import { quietly } from '../undo/change';
import { t } from '../words';
import { createReminder } from './changes';
import css from './reminders.module.css';
import { whenOf } from './when';

/** A reminder in one line: what, about whom, when. */
export function AddLine() {
  const zone = useZone();
  const [message, setMessage] = useState('');
  const [lead, setLead] = useState<Pick<LeadRow, 'id' | 'name'> | null>(null);
  const [at, setAt] = useState(() => toInput(whenOf('tomorrow', Date.now(), zone), zone));
  const what = useRef<HTMLInputElement>(null);
  const ready = message.trim() && lead && at;
  return (
    <form
      className={css.line}
      onSubmit={(event) => {
        event.preventDefault();
        if (!ready) return;
        quietly(
          createReminder(
            { leadId: lead.id, message: message.trim(), dueAt: new Date(fromInput(at, zone)).toISOString() },
            zone,
          ).then(() => {
            setMessage('');
            setLead(null);
            what.current?.focus();
          }),
        );
      }}
    >
      <input
        ref={what}
        className={css.what}
        value={message}
        onChange={(event) => setMessage(event.target.value)}
        maxLength={1000}
        placeholder={t('reminder.add')}
        aria-label={t('reminder.what')}
      />
      {lead ? (
        <span className={css.chosen}>
          {lead.name}
          <IconButton label={t('reminder.otherLead')} size="s" onClick={() => setLead(null)}>
            <X size={13} />
          </IconButton>
        </span>
      ) : (
        <LeadPicker onPick={setLead} />
      )}
      <input
        type="datetime-local"
        className={css.at}
        value={at}
        onChange={(event) => setAt(event.target.value)}
        aria-label={t('reminder.when')}
        required
      />
      <Button kind="primary" type="submit" disabled={!ready}>
        <Plus size={15} aria-hidden="true" />
        {t('add')}
      </Button>
    </form>
  );
}

/** A combobox over the leads, found by the server as they are typed. */
function LeadPicker({ onPick }: { onPick: (lead: LeadRow) => void }) {
  const id = useId();
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const q = useDeferredValue(text.trim());
  const { data = [] } = useQuery(searchQuery(q));
  const found = q ? data.slice(0, 6) : [];
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt((now) => Math.min(found.length - 1, now + 1));
    else if (event.key === 'ArrowUp') setAt((now) => Math.max(0, now - 1));
    else if (event.key === 'Enter' && open && found[at]) onPick(found[at]);
    else if (event.key === 'Escape') setOpen(false);
    else return;
    event.preventDefault();
  };
  const shown = open && found.length > 0;
  return (
    <span className={css.picker}>
      <input
        role="combobox"
        aria-expanded={shown}
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={shown ? `${id}${at}` : undefined}
        aria-label={t('reminder.lead')}
        placeholder={t('reminder.lead')}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setOpen(true);
          setAt(0);
        }}
        onKeyDown={onKey}
        onBlur={() => setTimeout(() => setOpen(false), 150)}
      />
      {shown && (
        <ul id={id} role="listbox" aria-label={t('nav.leads')}>
          {found.map((lead, i) => (
            // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the keys are the combobox's
            <li
              key={lead.id}
              id={`${id}${i}`}
              role="option"
              aria-selected={i === at}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => onPick(lead)}
              onPointerEnter={() => setAt(i)}
            >
              <StageGlyph status={lead.status} size={14} />
              <span>{lead.name}</span>
              <small>{lead.company}</small>
            </li>
          ))}
        </ul>
      )}
    </span>
  );
}
