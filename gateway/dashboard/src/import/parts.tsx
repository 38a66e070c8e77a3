import { Lock } from 'lucide-react';
import type { ReactNode } from 'react';
import { Empty as Base } from '../design/Small';
import { t } from '../words';
import css from './import.module.css';

export const Empty = () => (
  <Base icon={Lock} title={t('import.viewer')}>
    {t('import.viewer.sub')}
  </Base>
);

export const FormFault = ({ children }: { children: ReactNode }) => (
  <p className={css.fault} role="alert">
    {children}
  </p>
);
