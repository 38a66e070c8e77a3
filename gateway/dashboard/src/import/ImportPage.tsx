import { useNavigate, useSearch } from '@tanstack/react-router';
import { FileSpreadsheet, UploadCloud } from 'lucide-react';
import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { Button } from '../design/Button';
import { csv, save } from '../reports/download';
import { useCanWrite } from '../shell/me';
import { useNarrow } from '../shell/narrow';
import { num } from '../time/format';
import { t } from '../words';
import { type Look, look } from './csv';
import { Earlier } from './Earlier';
import css from './import.module.css';
import { Empty, FormFault } from './parts';
import { Preview } from './Preview';
import { Progress } from './Progress';

const MOST_BYTES = 100 * 1024 * 1024;

/** Leads out of a file: drop, map, look, start, see what became of it. */
export default function ImportPage() {
  const canWrite = useCanWrite();
  const navigate = useNavigate();
  const { id } = useSearch({ from: '/app/import' });
  const [chosen, setChosen] = useState<{ file: File; look: Look | null } | null>(null);
  const [fault, setFault] = useState('');
  const show = (next: string | undefined) => void navigate({ to: '/import', search: { id: next } });
  const choose = async (file: File) => {
    setFault('');
    if (file.size > MOST_BYTES) return setFault(t('import.tooLarge'));
    const seen = await look(file);
    if (seen === 'empty') return setFault(t('import.empty'));
    setChosen({ file: seen?.file ?? file, look: seen });
  };
  const over = useDrop(id || !canWrite || chosen ? undefined : (file) => void choose(file));
  if (id) return <Progress key={id} id={id} onAgain={() => show(undefined)} />;
  if (!canWrite)
    return (
      <div className={css.page}>
        <Empty />
        <Earlier onOpen={show} />
      </div>
    );
  if (chosen)
    return (
      <Preview
        file={chosen.file}
        look={chosen.look}
        onBack={() => setChosen(null)}
        onStarted={(started) => {
          setChosen(null);
          show(started);
        }}
      />
    );
  return (
    <div className={css.page}>
      <Drop fault={fault} over={over} onFile={(file) => void choose(file)} />
      <Earlier onOpen={show} />
    </div>
  );
}

const TEMPLATE = [
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
];

/**
 * Takes a file that is dropped anywhere on the page, and tells whether one is held over it. Where none is wanted, it is let
 * fall: a browser would leave the page and show it.
 */
function useDrop(onFile: ((file: File) => void) | undefined): boolean {
  const [over, setOver] = useState(false);
  const take = useEffectEvent((event: DragEvent) => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    if (!onFile) event.dataTransfer.dropEffect = 'none';
    // Nothing is entered when the pointer leaves the window.
    setOver(Boolean(onFile) && event.type !== 'drop' && (event.type !== 'dragleave' || event.relatedTarget !== null));
    const file = event.type === 'drop' ? event.dataTransfer.files[0] : undefined;
    if (file) onFile?.(file);
  });
  useEffect(() => {
    const kinds = ['dragover', 'dragleave', 'drop'] as const;
    for (const kind of kinds) addEventListener(kind, take);
    return () => {
      for (const kind of kinds) removeEventListener(kind, take);
    };
  }, []);
  return over;
}

interface DropProps {
  fault: string;
  /** A file is held over the page. */
  over: boolean;
  onFile: (file: File) => void;
}
function Drop({ fault, over, onFile }: DropProps) {
  const input = useRef<HTMLInputElement>(null);
  const narrow = useNarrow();
  return (
    <>
      <div className={css.drop} data-over={over || undefined}>
        <span className={css.cloud}>
          <UploadCloud size={26} aria-hidden="true" />
        </span>
        {/* Nothing can be dropped on a phone. */}
        <h2>{t(narrow ? 'import.bring' : 'import.drop')}</h2>
        <p>{t('import.drop.sub')}</p>
        <input
          ref={input}
          type="file"
          accept=".csv,.tsv,.txt,.xlsx,text/csv"
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
          <Button onClick={() => save(new Blob([csv(TEMPLATE)], { type: 'text/csv' }), 'leads-template.csv')}>
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
    </>
  );
}
