import { Send } from 'lucide-react';
import { useState } from 'react';
import type { Lead } from '../api/model';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { reason } from '../design/Small';
import { useCanWrite, useMe } from '../shell/me';
import { isMac } from '../shell/platform';
import { t } from '../words';
import { addNote } from './changes';
import css from './drawer.module.css';

// A half-written note outlives the panel, the page and the session: nobody types it twice.
const keyOf = (id: string) => `leadline.note.${id}`;
const stored = (id: string) => {
  try {
    return sessionStorage.getItem(keyOf(id)) ?? '';
  } catch {
    return '';
  }
};
const store = (id: string, text: string) => {
  try {
    if (text) sessionStorage.setItem(keyOf(id), text);
    else sessionStorage.removeItem(keyOf(id));
  } catch {
    // It lives as long as the panel.
  }
};

export function NoteForm({ lead }: { lead: Lead }) {
  const me = useMe();
  const canWrite = useCanWrite();
  const [text, setText] = useState(() => stored(lead.id));
  const [fault, setFault] = useState('');
  if (!canWrite) return null;
  const write = (next: string) => {
    setText(next);
    store(lead.id, next);
  };
  const send = async () => {
    const note = text.trim();
    if (!note) return;
    write('');
    setFault('');
    try {
      await addNote(lead, note, { id: me.user.id, name: me.user.name });
    } catch (error) {
      write(note);
      if (error instanceof ApiError && error.status === 422) setFault(error.fields['text'] ?? reason(error));
    }
  };
  return (
    <form
      className={css.note}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <textarea
        value={text}
        rows={2}
        maxLength={10_000}
        placeholder={t('note.placeholder')}
        aria-label={t('note.add')}
        aria-invalid={fault ? true : undefined}
        onChange={(event) => write(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            void send();
          }
        }}
      />
      {fault && (
        <small className={css.fault} role="alert">
          {fault}
        </small>
      )}
      <Button kind="primary" type="submit" disabled={!text.trim()} title={isMac ? '⌘↵' : 'Ctrl ↵'}>
        <Send size={14} aria-hidden="true" />
        {t('note.save')}
      </Button>
    </form>
  );
}
