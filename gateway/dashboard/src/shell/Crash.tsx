import { type ErrorComponentProps, useRouter } from '@tanstack/react-router';
import { CloudOff } from 'lucide-react';
import { Button } from '../design/Button';
import { Empty, reason } from '../design/Small';
import { t } from '../words';

/** A page that could not be shown: the rest of the application still works. */
export function Crash({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  return (
    <Empty
      icon={CloudOff}
      title={t('crash')}
      actions={
        <Button
          kind="primary"
          onClick={() => {
            reset();
            void router.invalidate();
          }}
        >
          {t('retry')}
        </Button>
      }
    >
      {reason(error)}
    </Empty>
  );
}
