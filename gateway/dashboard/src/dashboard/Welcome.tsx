import { Link, useNavigate } from '@tanstack/react-router';
import { FileUp, Plus, Sparkles, UserRoundPlus } from 'lucide-react';
import { useState } from 'react';
import { Button, buttonClass } from '../design/Button';
import { useCanManage, useCanWrite, useMe } from '../shell/me';
import { t } from '../words';
import { addSample } from './sample';
import css from './welcome.module.css';

/** A workspace without a lead: three ways to begin. */
export function Welcome() {
  const me = useMe();
  const canWrite = useCanWrite();
  const canManage = useCanManage();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  return (
    <section className={css.welcome} aria-labelledby="welcome">
      <div className={css.text}>
        <h2 id="welcome" className="display">
          {t('welcome', { name: me.user.name.split(/\s+/)[0] ?? '' })}
        </h2>
        <p>{canWrite ? t('welcome.sub') : t('welcome.viewer')}</p>
        {canWrite && (
          <div className={css.actions}>
            <Button
              kind="citron"
              onClick={() => void navigate({ to: '.', search: (old) => ({ ...old, new: true as const }) })}
            >
              <Plus size={16} aria-hidden="true" />
              {t('welcome.first')}
            </Button>
            <Link to="/import" className={buttonClass()} data-kind="glass">
              <FileUp size={16} aria-hidden="true" />
              {t('welcome.import')}
            </Link>
            <Button
              kind="glass"
              busy={busy}
              onClick={() => {
                setBusy(true);
                void addSample().finally(() => setBusy(false));
              }}
            >
              <Sparkles size={16} aria-hidden="true" />
              {t('welcome.sample')}
            </Button>
          </div>
        )}
        {canWrite && <small>{t('welcome.sample.sub')}</small>}
        {canManage && (
          <Link to="/settings" search={{ tab: 'team' }} className={css.invite}>
            <UserRoundPlus size={15} aria-hidden="true" />
            {t('welcome.invite')}
          </Link>
        )}
      </div>
    </section>
  );
}
