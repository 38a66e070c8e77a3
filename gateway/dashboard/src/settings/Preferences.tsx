import { useState } from 'react';
import { Button } from '../design/Button';
import { Card } from '../design/Card';
import { Segmented, Switch } from '../design/Small';
import { openPanel } from '../shell/panels';
import { setSingleKeys, singleKeys } from '../shell/shortcuts';
import { setTheme, type Theme, useTheme } from '../shell/theme';
import { type Language, LANGUAGES, language, speak, t } from '../words';
import css from './settings.module.css';

/** What is remembered by this browser and not by the account. */
export function Preferences() {
  const theme = useTheme();
  const [keys, setKeys] = useState(singleKeys);
  return (
    <Card title={t('settings.preferences')} sub={t('preferences.sub')}>
      <div className={css.preference}>
        <span>{t('preferences.theme')}</span>
        <Segmented<Theme>
          name="theme"
          label={t('preferences.theme')}
          value={theme}
          onChange={setTheme}
          options={(['system', 'light', 'dark'] as Theme[]).map((value) => ({
            value,
            label: t(`theme.${value as 'system' | 'light' | 'dark'}`),
          }))}
        />
      </div>
      <div className={css.preference}>
        <span>{t('preferences.language')}</span>
        <Segmented<Language>
          name="language"
          label={t('preferences.language')}
          value={language()}
          onChange={(next) => void speak(next, true)}
          options={(Object.keys(LANGUAGES) as Language[]).map((value) => ({ value, label: LANGUAGES[value] }))}
        />
      </div>
      <Switch
        label={t('preferences.keys')}
        hint={t('preferences.keys.sub')}
        checked={keys}
        onChange={(event) => {
          setSingleKeys(event.target.checked);
          setKeys(event.target.checked);
        }}
      />
      <div>
        <Button onClick={() => openPanel('help')}>{t('help.title')}</Button>
      </div>
    </Card>
  );
}
