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
import { type Act, changeMany, CHUNK, everyLead, MOST } from './bulk';
import css from './bulk.module.css';
import { askLost } from './move';
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
  const [stoppable, setStoppable] = useState(false);
  const stop = useRef(new AbortController());
  // Who was selected and is in the list no more is not changed, and not counted.
  const picked = rows.filter((row) => selection.has(row.id));

  const run = async (act: Act) => {
    const chosen = selection.all ? await readChosen() : picked;
    if (!chosen) return;
    setStoppable(chosen.length > CHUNK);
    const working = (done: number) =>
      setBusy(
        done ? t('bulk.progress', { done: num(done), n: num(chosen.length) }) : t('bulk.working', { n: chosen.length }),
      );
    working(0);
    try {
      await changeMany(chosen, act, { progress: working, signal: stop.current.signal });
      selection.clear();
    } catch {
      // Said already.
    } finally {
      setBusy(null);
    }
  };
  /** All that match, also what is not loaded: read first, so that each can get back what it had. */
  const readChosen = async () => {
    setStoppable(true);
    setBusy(t('bulk.reading', { n: 0 }));
    const { signal } = stop.current;
    try {
      const all = await everyLead(filter, zone, (n) => setBusy(t('bulk.reading', { n })), signal);
      if (!signal.aborted) return all;
    } catch (error) {
      if (!signal.aborted) complain(t('bulk.failed'), error);
    }
    setBusy(null);
    return undefined;
  };
  const start = (act: Act) => {
    stop.current = new AbortController();
    void run(act);
  };
  const owners = useOwnerItems(undefined, (member) => start({ assign: member }));
  const n = selection.all ? (total?.value ?? 0) : picked.length;
  if ((n === 0 && !busy) || !canWrite || filter.trashed) return null;
  const whole = rows.length > 0 && picked.length === rows.length;
  const beyond = whole && !selection.all && total !== undefined && total.value > rows.length;
  const tooMany = total !== undefined && (total.relation === 'gte' || total.value > MOST);
  return (
    <>
      <div className={css.bar} role="toolbar" aria-label={t('bulk.label')}>
        <b className="num" role="status">
          {busy ?? t('bulk.selected', { n })}
        </b>
        {busy ? (
          stoppable && (
            <Button kind="glass" onClick={() => stop.current.abort()}>
              {t('cancel')}
            </Button>
          )
        ) : (
          <>
            {beyond &&
              (tooMany ? (
                <span className={css.limit}>{t('bulk.limit', { n: num(MOST) })}</span>
              ) : (
                <Button kind="glass" onClick={selection.selectAll}>
                  {t('bulk.all', { n: num(total.value) })}
                </Button>
              ))}
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
                onSelect: () =>
                  status === 'Lost'
                    ? askLost(t('lost.many', { n }), (reason) => start({ status, reason }))
                    : start({ status }),
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
            <Button kind="glass" onClick={() => start({ delete: true })}>
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
            start(act);
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
