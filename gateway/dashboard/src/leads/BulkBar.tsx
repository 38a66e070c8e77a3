import { Tag as TagIcon, Trash2, UserRoundPlus } from 'lucide-react';
import { useRef, useState } from 'react';
import { type LeadPage, type LeadRow, STATUSES } from '../api/model';
import { Button } from '../design/Button';
import { Form, TextField, texts } from '../design/Field';
import { Menu } from '../design/Menu';
import { Modal, ModalActions } from '../design/Modal';
import { StageGlyph } from '../design/StageGlyph';
import { useCanWrite, useZone } from '../shell/me';
import { num } from '../time/format';
import { complain } from '../undo/notice';
import { t } from '../words';
import { type Act, changeMany, everyLead, MOST } from './bulk';
import css from './bulk.module.css';
import { useOwnerItems } from './OwnerMenu';
import type { Selection } from './selection';
import { useFilter } from './useFilter';

interface Props {
  rows: LeadRow[];
  selection: Selection;
  total: LeadPage['total'] | undefined;
}

/** What can be done to all that is selected. */
export function BulkBar({ rows, selection, total }: Props) {
  const zone = useZone();
  const canWrite = useCanWrite();
  const { filter } = useFilter();
  const [busy, setBusy] = useState<string | null>(null);
  const [tagging, setTagging] = useState(false);
  const stop = useRef(new AbortController());

  const run = async (act: Act) => {
    let chosen = rows.filter((row) => selection.has(row.id));
    try {
      if (selection.all) {
        // All that match, also what is not loaded: read first, so that each can get back what it had.
        stop.current = new AbortController();
        setBusy(t('bulk.reading', { n: 0 }));
        chosen = await everyLead(filter, zone, (n) => setBusy(t('bulk.reading', { n })), stop.current.signal);
      }
      setBusy(t('bulk.working', { n: chosen.length }));
      await changeMany(chosen, act);
      selection.clear();
    } catch (error) {
      if (selection.all && !stop.current.signal.aborted) complain(t('bulk.failed'), error);
    } finally {
      setBusy(null);
    }
  };
  const owners = useOwnerItems(undefined, (member) => void run({ assign: member }));
  const n = selection.all ? (total?.value ?? 0) : selection.ids.size;
  if (n === 0 || !canWrite || filter.trashed) return null;
  const whole = rows.length > 0 && rows.every((row) => selection.ids.has(row.id));
  return (
    <>
      <div className={css.bar} role="toolbar" aria-label={t('bulk.label')}>
        <b className="num" role="status">
          {busy ?? t('bulk.selected', { n })}
        </b>
        {busy ? (
          <Button kind="glass" onClick={() => stop.current.abort()}>
            {t('cancel')}
          </Button>
        ) : (
          <>
            {whole && !selection.all && total && total.value > rows.length && total.value <= MOST && (
              <Button kind="glass" onClick={selection.selectAll}>
                {t('bulk.all', { n: num(total.value) })}
              </Button>
            )}
            <Menu
              side="top"
              align="start"
              trigger={
                <Button kind="glass" data-act="stage">
                  {t('leads.status')}
                </Button>
              }
              items={STATUSES.map((status) => ({
                label: t(`status.${status}`),
                mark: <StageGlyph status={status} />,
                onSelect: () => void run({ status }),
              }))}
            />
            <Menu
              side="top"
              align="start"
              trigger={
                <Button kind="glass" data-act="assign">
                  <UserRoundPlus size={15} aria-hidden="true" />
                  {t('bulk.assign')}
                </Button>
              }
              items={owners}
            />
            <Button kind="glass" onClick={() => setTagging(true)}>
              <TagIcon size={15} aria-hidden="true" />
              {t('bulk.tag')}
            </Button>
            <Button kind="glass" onClick={() => void run({ delete: true })}>
              <Trash2 size={15} aria-hidden="true" />
              {t('delete')}
            </Button>
            <Button kind="citron" onClick={selection.clear}>
              {t('done')}
            </Button>
          </>
        )}
      </div>
      {tagging && (
        <Tagging
          n={n}
          onClose={() => setTagging(false)}
          onGo={(act) => {
            setTagging(false);
            void run(act);
          }}
        />
      )}
    </>
  );
}

function Tagging({ n, onClose, onGo }: { n: number; onClose: () => void; onGo: (act: Act) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <Modal title={t('bulk.tag.title', { n })} onClose={onClose} focus={input}>
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          const { tag } = texts(event.currentTarget);
          const remove = (event.nativeEvent as SubmitEvent).submitter?.getAttribute('value') === 'remove';
          if (tag) onGo(remove ? { removeTag: tag } : { addTag: tag });
        }}
      >
        <TextField name="tag" label={t('field.tag')} required maxLength={50} ref={input} />
        <ModalActions>
          <Button type="submit" value="remove">
            {t('bulk.tag.remove')}
          </Button>
          <Button kind="primary" type="submit" value="add">
            {t('bulk.tag.add')}
          </Button>
        </ModalActions>
      </Form>
    </Modal>
  );
}
