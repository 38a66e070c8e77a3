import { FileSpreadsheet, UploadCloud } from 'lucide-react';
import { type DragEvent, useRef, useState } from 'react';
import { Button } from '../design/Button';
import { Empty, FormFault } from './parts';
import { csv, save } from '../reports/download';
import { useCanWrite } from '../shell/me';
import { num } from '../time/format';
import { t } from '../words';
import { decode, delimiterOf, parse } from './csv';
import css from './import.module.css';
import { guess } from './mapping';
import { Preview } from './Preview';
import { Progress } from './Progress';

const MOST_BYTES = 100 * 1024 * 1024;

export interface Table {
  file: File;
  headers: string[];
  /** The first rows, for the preview. */
  rows: string[][];
  /** How many rows there are, if the file is small enough to count here. */
  count: number | null;
}

/** Leads out of a file: drop, map, look, start, see what became of it. */
export default function ImportPage() {
  const canWrite = useCanWrite();
  const [table, setTable] = useState<Table | null>(null);
  const [job, setJob] = useState<string | null>(null);
  const [fault, setFault] = useState('');
  const read = async (file: File) => {
    setFault('');
    if (file.size > MOST_BYTES) return setFault(t('import.tooLarge'));
    if (/\.(xlsx?|ods|numbers)$/i.test(file.name)) return setFault(t('import.notCsv'));
    // Enough for the preview of a huge file; counting is for those that fit.
    const whole = file.size < 8_000_000;
    const text = decode(new Uint8Array(await file.slice(0, whole ? undefined : 400_000).arrayBuffer()));
    const rows = parse(text, delimiterOf(text), whole ? undefined : 40);
    const [headers, ...rest] = rows;
    if (!headers || rest.length === 0) return setFault(t('import.empty'));
    setTable({ file, headers, rows: rest.slice(0, 20), count: whole ? rest.length : null });
  };
  if (!canWrite) return <Empty />;
  if (job) return <Progress id={job} onAgain={() => (setJob(null), setTable(null))} />;
  if (table)
    return <Preview table={table} guess={guess(table.headers)} onBack={() => setTable(null)} onStarted={setJob} />;
  return <Drop fault={fault} onFile={(file) => void read(file)} />;
}

function Drop({ fault, onFile }: { fault: string; onFile: (file: File) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file) onFile(file);
  };
  return (
    <div className={css.page}>
      <div
        className={css.drop}
        data-over={over || undefined}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <span className={css.cloud}>
          <UploadCloud size={26} aria-hidden="true" />
        </span>
        <h2>{t('import.drop')}</h2>
        <p>{t('import.drop.sub')}</p>
        <input
          ref={input}
          type="file"
          accept=".csv,.tsv,.txt,text/csv"
          className="sr"
          aria-label={t('import.choose')}
          onChange={(event) => {
            const file = event.target.files?.[0];
            if (file) onFile(file);
            event.target.value = '';
          }}
        />
        <div className={css.acts}>
          <Button kind="primary" onClick={() => input.current?.click()}>
            {t('import.choose')}
          </Button>
          <Button
            onClick={() =>
              save(
                new Blob(
                  [
                    csv([
                      ['Name', 'Email', 'Phone', 'Company', 'Source', 'Status', 'Tags', 'Notes'],
                      [
                        'Ada Larsen',
                        'ada@redwood.example',
                        '+44 20 7946 0958',
                        'Redwood Retail',
                        'Website',
                        'New',
                        'vip; retail',
                        'Met at the fair',
                      ],
                    ]),
                  ],
                  { type: 'text/csv' },
                ),
                'leads-template.csv',
              )
            }
          >
            <FileSpreadsheet size={15} aria-hidden="true" />
            {t('import.template')}
          </Button>
        </div>
        {fault && <FormFault>{fault}</FormFault>}
      </div>
      <ul className={css.facts}>
        <li>{t('import.fact.1')}</li>
        <li>{t('import.fact.2')}</li>
        <li>{t('import.fact.3', { n: num(100) })}</li>
      </ul>
    </div>
  );
}
