import { ArrowLeft, TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { ApiError } from '../api/problem';
import { startImport } from '../api/undescribed';
import { Button } from '../design/Button';
import { reason, Segmented } from '../design/Small';
import { num } from '../time/format';
import { t } from '../words';
import css from './import.module.css';
import type { Table } from './ImportPage';
import { fault, type Field, FIELDS, LABELS } from './mapping';
import { FormFault } from './parts';

type OnDuplicate = 'skip' | 'update' | 'create';

/** The columns' meaning, and the first rows with their faults in place. */
export function Preview({
  table,
  guess,
  onBack,
  onStarted,
}: {
  table: Table;
  guess: (Field | null)[];
  onBack: () => void;
  onStarted: (id: string) => void;
}) {
  const [fields, setFields] = useState(guess);
  const [onDuplicate, setOnDuplicate] = useState<OnDuplicate>('skip');
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const setField = (column: number, field: Field | null) =>
    setFields((old) => old.map((one, i) => (i === column ? field : field !== null && one === field ? null : one)));
  const named = fields.includes('name');
  const bad = table.rows.filter((row) => fields.some((field, i) => field && fault(field, row[i] ?? ''))).length;
  const start = async () => {
    setBusy(true);
    setWrong('');
    const form = new FormData();
    form.set(
      'mapping',
      JSON.stringify(
        Object.fromEntries(table.headers.flatMap((header, i) => (fields[i] ? [[header, fields[i]]] : []))),
      ),
    );
    form.set('onDuplicate', onDuplicate);
    form.set('file', table.file, table.file.name);
    try {
      onStarted((await startImport(form)).id);
    } catch (error) {
      setBusy(false);
      setWrong(
        error instanceof ApiError && (error.status === 404 || error.status === 405)
          ? t('import.unavailable')
          : reason(error),
      );
    }
  };
  return (
    <div className={css.page}>
      <div className={css.bar}>
        <Button kind="ghost" onClick={onBack}>
          <ArrowLeft size={15} aria-hidden="true" />
          {t('import.other')}
        </Button>
        <h2>{table.file.name}</h2>
        <span className={css.dim}>
          {table.count === null ? t('import.many') : t('import.rows', { n: table.count })}
        </span>
      </div>
      <div className={css.wrap} tabIndex={0} role="region" aria-label={t('import.preview')}>
        <table className={css.table}>
          <thead>
            <tr>
              {table.headers.map((header, i) => (
                <th key={i} scope="col" data-unused={fields[i] ? undefined : ''}>
                  <span title={header}>{header || t('import.noHeader')}</span>
                  <select
                    aria-label={t('import.means', { header })}
                    value={fields[i] ?? ''}
                    onChange={(event) => setField(i, (event.target.value || null) as Field | null)}
                  >
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
            {table.rows.map((row, r) => (
              <tr key={r}>
                {table.headers.map((_, i) => {
                  const field = fields[i];
                  const why = field ? fault(field, row[i] ?? '') : null;
                  return (
                    <td
                      key={i}
                      data-unused={field ? undefined : ''}
                      data-bad={why ? '' : undefined}
                      title={why ?? undefined}
                    >
                      {row[i]}
                      {why && <small>{why}</small>}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {bad > 0 && (
        <p className={css.warn}>
          <TriangleAlert size={15} aria-hidden="true" />
          {t('import.bad', { n: bad, of: num(table.rows.length) })}
        </p>
      )}
      <div className={css.choice}>
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
      <div className={css.acts}>
        <Button kind="primary" busy={busy} disabled={!named} onClick={() => void start()}>
          {table.count === null ? t('import.start') : t('import.startN', { n: table.count })}
        </Button>
        {!named && <span className={css.dim}>{t('import.needsName')}</span>}
      </div>
    </div>
  );
}
