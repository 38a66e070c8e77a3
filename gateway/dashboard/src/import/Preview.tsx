import { ArrowLeft, Check, CircleX, LoaderCircle, PenLine, SkipForward } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import type { OnDuplicate, PreviewRow } from '../api/model';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Failed, reason, Segmented } from '../design/Small';
import { num, share } from '../time/format';
import { complain, notify } from '../undo/notice';
import { type Key, said, t } from '../words';
import type { Look } from './csv';
import { follow } from './ended';
import css from './import.module.css';
import { Counts, FormFault } from './parts';
import { type Field, FIELDS, type Mapping, startImport } from './queries';
import type { Sent } from './upload';
import { useDryRun } from './useDryRun';

const LABELS: Record<Field, Key> = {
  name: 'field.name',
  firstName: 'field.firstName',
  lastName: 'field.lastName',
  email: 'field.emailName',
  phone: 'field.phone',
  company: 'field.company',
  source: 'leads.source',
  status: 'leads.status',
  tags: 'field.tags',
  owner: 'leads.owner',
  createdAt: 'leads.created',
  statusChangedAt: 'lead.inStage',
  note: 'leads.notes',
};

/** The server tells headers apart as this does. */
const key = (header: string) => header.trim().toLowerCase();
/** The first column that has the name of this one. */
const firstOf = (headers: string[], column: number) => headers.map(key).indexOf(key(headers[column] ?? ''));

type Meaning = Field | null | undefined;

const OUTCOMES = { created: Check, updated: PenLine, skipped: SkipForward, failed: CircleX };

/** The columns' meaning, and what will become of the rows: the server says it, as it will do it. */
export function Preview({
  file,
  look,
  onBack,
  onStarted,
}: {
  file: File;
  /** What the file shows at once; `null`: only the server can read it. */
  look: Look | null;
  onBack: () => void;
  onStarted: (id: string) => void;
}) {
  const [mapping, setMapping] = useState<Mapping>({});
  const [onDuplicate, setOnDuplicate] = useState<OnDuplicate>('skip');
  const [wrong, setWrong] = useState('');
  const [sent, setSent] = useState<Sent>();
  const starting = sent !== undefined;
  const stop = useRef<AbortController>(undefined);
  const left = useRef(false);
  useEffect(() => {
    left.current = false;
    return () => void (left.current = true);
  }, []);
  const { told, busy, fault, again } = useDryRun(look?.head ?? file, mapping, onDuplicate);

  const headers = told?.columns.map((column) => column.header) ?? look?.headers;
  // What a column means that nobody has chosen is known when the server has said it.
  const fields = headers?.map((header, i) => {
    const own = firstOf(headers, i) === i ? mapping[header] : undefined;
    return own === undefined ? (told?.columns[i]?.field as Meaning) : own;
  });
  // A column is named by its header. In a text file headers are told apart before it is sent; a workbook is sent as it is.
  const isRepeated = (column: number) => headers !== undefined && firstOf(headers, column) < column;
  const repeated = headers?.findIndex((_, i) => isRepeated(i)) ?? -1;
  const setField = (column: number, field: Field | null) => {
    const next = { ...mapping, [headers?.[column] ?? '']: field };
    // Each field once: the column that had it is left out.
    headers?.forEach((header, i) => {
      if (i !== column && field !== null && fields?.[i] === field && !isRepeated(i)) next[header] = null;
    });
    setMapping(next);
  };
  const rows: (PreviewRow | string[])[] = told?.state === 'done' ? told.preview : (look?.rows ?? []);
  const taken = told && !fault ? told.created + told.updated : 0;
  const start = async () => {
    setSent({ bytes: 0, of: file.size });
    setWrong('');
    stop.current = new AbortController();
    const { signal } = stop.current;
    try {
      const { id } = await startImport(file, { mapping, onDuplicate }, { signal, told: setSent });
      // Who has gone elsewhere meanwhile is not called back: it goes on by itself.
      if (!left.current) onStarted(id);
      else {
        notify({ title: t('import.started', { name: file.name }) });
        follow(id);
      }
    } catch (error) {
      setSent(undefined);
      if (signal.aborted) return;
      if (!left.current) setWrong(reason(error));
      else complain(t('import.state.failed'), error);
    }
  };
  return (
    <div className={css.page}>
      <div className={css.bar}>
        <Button kind="ghost" onClick={onBack} disabled={starting}>
          <ArrowLeft size={15} aria-hidden="true" />
          {t('import.other')}
        </Button>
        <h2>{file.name}</h2>
        {busy && (
          <span className={css.looking} role="status">
            <LoaderCircle size={14} aria-hidden="true" />
            {t('import.looking')}
          </span>
        )}
      </div>
      {headers && fields && (
        <div
          className={css.wrap}
          tabIndex={0}
          role="region"
          aria-label={t('import.preview')}
          aria-busy={busy}
          inert={starting}
        >
          <table className={css.table}>
            <thead>
              <tr>
                <th scope="col" className={css.outcome}>
                  <span>{t('import.outcome')}</span>
                </th>
                {headers.map((header, i) => (
                  <th key={i} scope="col" data-unused={fields[i] ? undefined : ''}>
                    <span title={header}>{header || t('import.noHeader')}</span>
                    <select
                      aria-label={t('import.means', { header })}
                      value={fields[i] === undefined ? 'unknown' : (fields[i] ?? '')}
                      disabled={isRepeated(i)}
                      onChange={(event) => setField(i, (event.target.value || null) as Field | null)}
                    >
                      {fields[i] === undefined && (
                        <option value="unknown" disabled>
                          {t('import.unknown')}
                        </option>
                      )}
                      <option value="">{t('import.leaveOut')}</option>
                      {FIELDS.map((field) => (
                        <option key={field} value={field}>
                          {t(LABELS[field])}
                        </option>
                      ))}
                    </select>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, r) => (
                <Row key={r} row={row} fields={fields} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {headers && repeated >= 0 && (
        <p className={css.dim}>{t('import.sameName', { header: headers[repeated] ?? '' })}</p>
      )}
      {told?.state === 'done' && !fault && (
        <section className={css.outlook} aria-label={t('import.outlook')} aria-live="polite">
          <Counts job={told} />
          {look?.head && <p className={css.dim}>{t('import.headOnly', { n: num(told.rows) })}</p>}
        </section>
      )}
      {told?.state === 'failed' && <FormFault>{said(told.reason ?? '')}</FormFault>}
      {fault instanceof ApiError && !fault.offline && fault.status < 500 ? (
        <FormFault>{reason(fault)}</FormFault>
      ) : (
        fault !== null && fault !== undefined && <Failed error={fault} onRetry={again} />
      )}
      <div className={css.choice} inert={starting}>
        <div>
          <b>{t('import.duplicates')}</b>
          <p>{t(`import.${onDuplicate}.sub`)}</p>
        </div>
        <Segmented<OnDuplicate>
          name="onDuplicate"
          label={t('import.duplicates')}
          value={onDuplicate}
          onChange={setOnDuplicate}
          options={(['skip', 'update', 'create'] as OnDuplicate[]).map((value) => ({
            value,
            label: t(`import.${value}`),
          }))}
        />
      </div>
      {wrong && <FormFault>{wrong}</FormFault>}
      {sent && <Sending sent={sent} onCancel={() => stop.current?.abort()} />}
      <div className={css.acts} hidden={starting}>
        <Button
          kind="primary"
          disabled={Boolean(fault) || busy || told?.state !== 'done' || taken === 0}
          onClick={() => void start()}
        >
          {look?.head || taken === 0 ? t('import.start') : t('import.startN', { n: taken })}
        </Button>
        {!busy && told?.state === 'done' && taken === 0 && <span className={css.dim}>{t('import.nothing')}</span>}
      </div>
    </div>
  );
}

/** How much of the file has gone; until the last of it has, it can be called off and nothing has happened. */
function Sending({ sent, onCancel }: { sent: Sent; onCancel: () => void }) {
  const part = sent.of > 0 ? sent.bytes / sent.of : 0;
  const gone = part >= 1;
  return (
    <section className={css.sending} aria-label={t('import.sending')}>
      <progress max={1} value={gone ? undefined : part} aria-label={t('import.sending')} />
      <p className="num">{gone ? t('import.sent') : t('import.sentOf', { part: share(sent.bytes, sent.of) })}</p>
      <Button onClick={onCancel} disabled={gone}>
        {t('cancel')}
      </Button>
    </section>
  );
}

function Row({ row, fields }: { row: PreviewRow | string[]; fields: Meaning[] }) {
  const [told, cells] = Array.isArray(row) ? [null, row] : [row, row.cells];
  const Icon = told && OUTCOMES[told.outcome];
  return (
    <tr data-outcome={told?.outcome}>
      <td className={css.outcome}>
        {told && Icon && (
          <>
            <b>
              <Icon size={14} aria-hidden="true" />
              {t(`import.row.${told.outcome}`)}
            </b>
            {told.reason && <small>{said(told.reason)}</small>}
          </>
        )}
      </td>
      {fields.map((field, i) => (
        <td key={i} data-unused={field === null ? '' : undefined}>
          {cells[i]}
        </td>
      ))}
    </tr>
  );
}
