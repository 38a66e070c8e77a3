import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { GitMerge } from 'lucide-react';
import { useState } from 'react';
import type { Lead, LeadRow } from '../api/model';
import { Button } from '../design/Button';
import { Modal, ModalActions } from '../design/Modal';
import { useCanWrite } from '../shell/me';
import { quietly } from '../undo/change';
import { t } from '../words';
import { mergeLead } from './changes';
import css from './drawer.module.css';
import { duplicatesQuery } from './queries';

/** Leads that may be the same; nothing is shown when there are none, or when the server doesn't look for them. */
export function Duplicates({ lead }: { lead: Lead }) {
  const { data } = useQuery(duplicatesQuery(lead.id));
  const canWrite = useCanWrite();
  const [merging, setMerging] = useState<LeadRow | null>(null);
  if (!data?.items.length) return null;
  return (
    <section className={css.duplicates} aria-label={t('duplicates')}>
      <h3>{t('duplicates.found', { n: data.items.length })}</h3>
      <ul>
        {data.items.map(({ lead: other, reasons }) => (
          <li key={other.id}>
            <span>
              <Link to="." search={(old) => ({ ...old, lead: other.id })} resetScroll={false}>
                {other.name}
              </Link>
              <small>
                {[other.company, ...reasons.map((why) => t(`duplicate.${why}`))].filter(Boolean).join(' · ')}
              </small>
            </span>
            {canWrite && (
              <Button onClick={() => setMerging(other)}>
                <GitMerge size={14} aria-hidden="true" />
                {t('merge')}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {merging && (
        <Modal
          title={t('merge.title', { name: lead.name })}
          sub={t('merge.sub', { from: merging.name, to: lead.name })}
          onClose={() => setMerging(null)}
        >
          <ModalActions>
            <Button onClick={() => setMerging(null)}>{t('cancel')}</Button>
            <Button
              kind="primary"
              onClick={() => {
                setMerging(null);
                quietly(mergeLead(lead, merging));
              }}
            >
              {t('merge.go')}
            </Button>
          </ModalActions>
        </Modal>
      )}
    </section>
  );
}
