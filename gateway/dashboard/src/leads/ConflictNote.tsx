import { GitCompareArrows } from 'lucide-react';
import type { LeadPatch, Person } from '../api/model';
import { Button } from '../design/Button';
import { ago } from '../time/format';
import { useNow } from '../time/now';
import { rich, t } from '../words';
import { type Conflict, mineOf, theirsOf } from './changes';
import css from './drawer.module.css';

/** Two people have changed the same field: both values, and who wrote the other. */
export function ConflictNote({
  error,
  patch,
  owner,
  onMine,
  onTheirs,
}: {
  error: Conflict;
  patch: LeadPatch;
  /** Who stands behind the patch's `ownerId`. */
  owner?: Person | null | undefined;
  onMine: () => void;
  onTheirs: () => void;
}) {
  const now = useNow();
  const field = error.fields[0];
  if (!field) return null;
  const theirs = theirsOf(error, field);
  return (
    <div className={css.conflict} role="alert">
      <GitCompareArrows size={16} aria-hidden="true" />
      <div>
        <p>
          {error.by
            ? rich('conflict.by', { who: error.by.actor.name, ago: ago(error.by.at, now), value: theirs }, { b: <b /> })
            : rich('conflict', { value: theirs }, { b: <b /> })}
        </p>
        <p>{rich('conflict.mine', { value: mineOf(patch, owner, field) }, { b: <b /> })}</p>
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
