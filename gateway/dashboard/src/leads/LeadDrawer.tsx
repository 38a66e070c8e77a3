import { Dialog } from '@base-ui/react/dialog';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { ChevronDown, ChevronUp, Ellipsis, Link2, Trash2, UserRoundX, X } from 'lucide-react';
import { useEffect, useEffectEvent, useRef } from 'react';
import type { Lead } from '../api/model';
import { ApiError } from '../api/problem';
import { Avatar } from '../design/Avatar';
import { IconButton } from '../design/Button';
import { Menu } from '../design/Menu';
import { Empty, Failed, Skeleton } from '../design/Small';
import { useCanWrite } from '../shell/me';
import { isPageKey } from '../shell/shortcuts';
import { quietly } from '../undo/change';
import { copied } from '../undo/notice';
import { t } from '../words';
import { deleteLead } from './changes';
import { Contact } from './Contact';
import css from './drawer.module.css';
import { Duplicates } from './Duplicates';
import { EditableName } from './EditableName';
import { Facts } from './Facts';
import { NoteForm } from './NoteForm';
import { useNeighbours } from './order';
import { leadQuery } from './queries';
import { LeadReminders } from './LeadReminders';
import { Stages } from './Stages';
import { Timeline } from './Timeline';

/** A lead beside the page it was opened from: a panel at the right, a sheet on a phone. */
export default function LeadDrawer({ id }: { id: string }) {
  const { data: lead, error, refetch } = useQuery(leadQuery(id));
  const navigate = useNavigate();
  const panel = useRef<HTMLDivElement>(null);
  const go = (next: string | undefined) =>
    next && void navigate({ to: '.', search: (old) => ({ ...old, lead: next }), replace: true, resetScroll: false });
  const close = () => void navigate({ to: '.', search: (old) => ({ ...old, lead: undefined }), resetScroll: false });
  const { before, after } = useNeighbours(id);
  const isCovered = () =>
    [...document.querySelectorAll('[role=dialog]:not([data-toast]), [role=alertdialog]')].some(
      (one) => one !== panel.current,
    );
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    // A dialog over the panel has the keys.
    if (!isPageKey(event) || isCovered()) return;
    const key = event.key.toLowerCase();
    if (key === 'j') go(after);
    else if (key === 'k') go(before);
  });
  // Whether a dialog stood over the panel when a key was pressed: its Escape is not the panel's. Asked before the dialog hears of it.
  const covered = useRef(false);
  useEffect(() => {
    const look = () => {
      covered.current = isCovered();
    };
    addEventListener('keydown', look, { capture: true });
    addEventListener('keydown', onKey);
    return () => {
      removeEventListener('keydown', look, { capture: true });
      removeEventListener('keydown', onKey);
    };
  }, []);
  useEffect(() => panel.current?.scrollTo({ top: 0 }), [id]);
  return (
    <Dialog.Root
      open
      modal={false}
      disablePointerDismissal
      onOpenChange={(open, { reason }) => !open && !(reason === 'escape-key' && covered.current) && close()}
    >
      <Dialog.Portal>
        <div className={css.veil} onClick={close} aria-hidden="true" />
        <Dialog.Popup className={css.drawer} ref={panel} initialFocus={panel}>
          {lead ? (
            <>
              <header className={css.head}>
                <Avatar name={lead.name} size={48} />
                <div>
                  <Dialog.Title className="sr" render={<span />}>
                    {lead.name}
                  </Dialog.Title>
                  <div className={css.title}>
                    <EditableName key={lead.id} lead={lead} />
                  </div>
                  {lead.company && <p>{lead.company}</p>}
                </div>
                <div className={css.tools}>
                  <IconButton label={t('lead.previous')} size="s" disabled={!before} onClick={() => go(before)}>
                    <ChevronUp size={17} />
                  </IconButton>
                  <IconButton label={t('lead.next')} size="s" disabled={!after} onClick={() => go(after)}>
                    <ChevronDown size={17} />
                  </IconButton>
                  <More lead={lead} close={close} />
                  <Dialog.Close
                    render={
                      <IconButton label={t('close')} size="s">
                        <X size={18} />
                      </IconButton>
                    }
                  />
                </div>
              </header>
              <Contact lead={lead} />
              <Stages lead={lead} />
              <Facts key={lead.id} lead={lead} />
              <LeadReminders lead={lead} />
              <NoteForm key={`note ${lead.id}`} lead={lead} />
              <Duplicates lead={lead} />
              <Timeline lead={lead} />
            </>
          ) : (
            <>
              <header className={css.head}>
                <div>
                  <Dialog.Title className={error ? css.title : 'sr'}>{t('lead')}</Dialog.Title>
                </div>
                <Dialog.Close
                  render={
                    <IconButton label={t('close')}>
                      <X size={18} />
                    </IconButton>
                  }
                />
              </header>
              {error instanceof ApiError && error.status === 404 ? (
                <Empty icon={UserRoundX} title={t('lead.gone')}>
                  {t('lead.gone.sub')}
                </Empty>
              ) : error ? (
                <Failed error={error} onRetry={() => void refetch()} />
              ) : (
                <div className={css.waiting} aria-busy="true">
                  <Skeleton height={48} />
                  <Skeleton height={36} />
                  <Skeleton height={28} />
                  <Skeleton height={220} radius={16} />
                </div>
              )}
            </>
          )}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function More({ lead, close }: { lead: Lead; close: () => void }) {
  const canWrite = useCanWrite();
  return (
    <Menu
      trigger={
        <IconButton label={t('lead.more')} size="s">
          <Ellipsis size={17} />
        </IconButton>
      }
      items={[
        {
          label: t('lead.copyLink'),
          icon: Link2,
          onSelect: () => void copied(`${location.origin}/leads?lead=${lead.id}`),
        },
        ...(canWrite
          ? [
              'line' as const,
              {
                label: t('lead.delete'),
                icon: Trash2,
                tone: 'bad' as const,
                onSelect: () => {
                  close();
                  quietly(deleteLead(lead));
                },
              },
            ]
          : []),
      ]}
    />
  );
}
