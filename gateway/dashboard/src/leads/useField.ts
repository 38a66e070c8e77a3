import { useState } from 'react';
import type { Lead, LeadPatch } from '../api/model';
import { ApiError } from '../api/problem';
import { reason } from '../design/Small';
import { Conflict, overwrite, patchLead } from './changes';

/** One field of a lead, edited in place: its draft, what is wrong with it, and somebody else's value if both changed it. */
export function useField(lead: Lead, field: keyof LeadPatch) {
  const [draft, setDraft] = useState<string | null>(null);
  const [fault, setFault] = useState('');
  const [conflict, setConflict] = useState<{ error: Conflict; patch: LeadPatch } | null>(null);
  const run = async (patch: LeadPatch, write: () => Promise<Lead>) => {
    setFault('');
    try {
      await write();
      setDraft(null);
      setConflict(null);
    } catch (error) {
      if (error instanceof Conflict) setConflict({ error, patch });
      else if (error instanceof ApiError && error.status === 422) setFault(error.fields[field] ?? reason(error));
      else setDraft(null);
    }
  };
  return {
    draft,
    setDraft,
    fault,
    conflict,
    save: (patch: LeadPatch) => run(patch, () => patchLead(lead, patch)),
    keepMine: () => conflict && run(conflict.patch, () => overwrite(conflict.error.theirs, conflict.patch)),
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
