import { useQuery } from '@tanstack/react-query';
import { Sparkles } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../design/Button';
import { useCanWrite } from '../shell/me';
import { t } from '../words';
import { removeSample, sampleQuery } from './sample';
import css from './strip.module.css';

/** Says that what is shown is made up, and takes it away in one click. */
export function SampleStrip() {
  const canWrite = useCanWrite();
  const { data } = useQuery(sampleQuery);
  const [busy, setBusy] = useState(false);
  if (!data?.length || !canWrite) return null;
  return (
    <div className={css.strip}>
      <Sparkles size={16} aria-hidden="true" />
      <p>{t('sample.shown', { n: data.length })}</p>
      <Button
        busy={busy}
        onClick={() => {
          setBusy(true);
          void removeSample().finally(() => setBusy(false));
        }}
      >
        {t('sample.remove')}
      </Button>
    </div>
  );
}
