import { useQuery } from '@tanstack/react-query';
import { Sparkles } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../design/Button';
import { countQuery } from '../leads/queries';
import { useCanWrite, useZone } from '../shell/me';
import { t } from '../words';
import { removeSample, SAMPLE_TAG } from './sample';
import css from './strip.module.css';

/** Says that what is shown is made up, and takes it away in one click. */
export function SampleStrip() {
  const canWrite = useCanWrite();
  const zone = useZone();
  const { data } = useQuery({ ...countQuery({ tag: [SAMPLE_TAG] }, zone), staleTime: 5 * 60_000 });
  const [busy, setBusy] = useState(false);
  if (!data?.value || !canWrite) return null;
  return (
    <div className={css.strip}>
      <Sparkles size={16} aria-hidden="true" />
      <p>{t('sample.shown', { n: data.value })}</p>
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
