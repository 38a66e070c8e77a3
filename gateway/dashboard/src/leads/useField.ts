import { useState } from 'react';
import type { Lead, LeadPatch, Person } from '../api/model';
import { ApiError } from '../api/problem';
import { reason } from '../design/Small';
import { Conflict, overwrite, patchLead } from './changes';

type Owner = Person | null | undefined;
/** What a change of the visitor's met. */
export interface Met {
  error: Conflict;
  patch: LeadPatch;
  owner: Owner;
}

/** One field of a lead, edited in place: its draft, what is wrong with it, and somebody else's value if both changed it. */
export function useField(lead: Lead, field: keyof LeadPatch) {
  const [draft, setDraft] = useState<string | null>(null);
  const [fault, setFault] = useState('');
  const [conflict, setConflict] = useState<Met | null>(null);
  const run = async (patch: LeadPatch, owner: Owner, write: () => Promise<Lead>) => {
    setFault('');
    try {
      await write();
      setDraft(null);
      setConflict(null);
    } catch (error) {
      if (error instanceof Conflict) setConflict({ error, patch, owner });
      else if (error instanceof ApiError && error.status === 422) setFault(error.fields[field] ?? reason(error));
      else setDraft(null);
    }
  };
  return {
    draft,
    setDraft,
    fault,
    conflict,
    /** `owner`: who stands behind an `ownerId`. */
    save: (patch: LeadPatch, owner?: Owner) => run(patch, owner, () => patchLead(lead, patch, owner)),
    keepMine: () =>
      conflict &&
      run(conflict.patch, conflict.owner, () => overwrite(conflict.error.theirs, conflict.patch, conflict.owner)),
    takeTheirs: () => {
      setConflict(null);
      setDraft(null);
      setFault('');
    },
    cancel: () => {
      setDraft(null);
      setFault('');
    },
  };
}
