import { Link } from '@tanstack/react-router';
import { Compass } from 'lucide-react';
import { buttonClass } from '../design/Button';
import { Empty } from '../design/Small';
import { t } from '../words';

export const NotFound = () => (
  <main>
    <Empty
      icon={Compass}
      title={t('notFound')}
      actions={
        <Link to="/" className={buttonClass()} data-kind="primary">
          {t('nav.dashboard')}
        </Link>
      }
    >
      {t('notFound.sub')}
    </Empty>
  </main>
);
