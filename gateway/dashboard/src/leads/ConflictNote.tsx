import { GitCompareArrows } from 'lucide-react';
import type { LeadPatch } from '../api/model';
import { Button } from '../design/Button';
import { ago } from '../time/format';
import { useNow } from '../time/now';
import { rich, t } from '../words';
import { fieldOf, type Conflict } from './changes';
import css from './drawer.module.css';

const words = (value: unknown) =>
  Array.isArray(value) ? value.join(', ') : value === null || value === undefined || value === '' ? '–' : String(value);

/** Two people have changed the same field: both values, and who wrote the other. */
export function ConflictNote({
  error,
  patch,
  onMine,
  onTheirs,
}: {
  error: Conflict;
  patch: LeadPatch;
  onMine: () => void;
  onTheirs: () => void;
}) {
  const now = useNow();
  const field = error.fields[0];
  if (!field) return null;
  return (
    <div className={css.conflict} role="alert">
      <GitCompareArrows size={16} aria-hidden="true" />
      <div>
        <p>
          {error.by
            ? rich(
                'conflict.by',
                { who: error.by.actor.name, ago: ago(error.by.at, now), value: words(fieldOf(error.theirs, field)) },
                { b: <b /> },
              )
            : rich('conflict', { value: words(fieldOf(error.theirs, field)) }, { b: <b /> })}
        </p>
        <p>{rich('conflict.mine', { value: words(patch[field]) }, { b: <b /> })}</p>
        <div>
          <Button kind="primary" onClick={onMine}>
            {t('conflict.keep')}
          </Button>
          <Button onClick={onTheirs}>{t('conflict.take')}</Button>
        </div>
      </div>
    </div>
  );
}
