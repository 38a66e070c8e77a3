import { Pencil } from 'lucide-react';
import type { Lead } from '../api/model';
import { useCanWrite } from '../shell/me';
import { t } from '../words';
import { ConflictNote } from './ConflictNote';
import css from './drawer.module.css';
import { useField } from './useField';

export function EditableName({ lead }: { lead: Lead }) {
  const canWrite = useCanWrite();
  const field = useField(lead, 'name');
  const save = () => {
    const name = field.draft?.trim() ?? '';
    if (name === lead.name || field.draft === null) field.cancel();
    else void field.save({ name });
  };
  return (
    <>
      {field.draft === null ? (
        <h2>
          <button
            type="button"
            disabled={!canWrite}
            className={css.nameButton}
            onClick={() => field.setDraft(lead.name)}
            aria-label={canWrite ? t('lead.rename', { name: lead.name }) : lead.name}
          >
            {lead.name}
            {canWrite && <Pencil size={13} aria-hidden="true" />}
          </button>
        </h2>
      ) : (
        <input
          className={css.nameInput}
          aria-label={t('field.name')}
          aria-invalid={field.fault ? true : undefined}
          value={field.draft}
          maxLength={200}
          autoFocus
          onChange={(event) => field.setDraft(event.target.value)}
          onBlur={save}
          onKeyDown={(event) => {
            if (event.key === 'Enter') save();
            else if (event.key === 'Escape') {
              event.stopPropagation();
              field.cancel();
            }
          }}
        />
      )}
      {field.fault && (
        <small className={css.fault} role="alert">
          {field.fault}
        </small>
      )}
      {field.conflict && (
        <ConflictNote
          error={field.conflict.error}
          patch={field.conflict.patch}
          onMine={() => void field.keepMine()}
          onTheirs={field.takeTheirs}
        />
      )}
    </>
  );
}
