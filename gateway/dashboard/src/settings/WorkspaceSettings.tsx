import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ifMatch, ok } from '../api/client';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Card } from '../design/Card';
import { Form, FormError, SelectField, TextField, texts } from '../design/Field';
import { reason } from '../design/Small';
import { useCanManage, useMe } from '../shell/me';
import { time } from '../time/format';
import { useNow } from '../time/now';
import { deviceZone } from '../time/zone';
import { change } from '../undo/change';
import { t } from '../words';

const zones = (present: string) => {
  const all = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : [];
  return [...new Set([...all, 'UTC', present, deviceZone()])].toSorted();
};

export function WorkspaceSettings() {
  const { workspace } = useMe();
  const canManage = useCanManage();
  const client = useQueryClient();
  const now = useNow();
  const [zone, setZone] = useState(workspace.timezone);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const save = async (form: HTMLFormElement) => {
    const { name, timezone } = texts(form);
    const patch = {
      ...(name !== workspace.name ? { name } : {}),
      ...(timezone !== workspace.timezone ? { timezone } : {}),
    };
    if (Object.keys(patch).length === 0) return;
    const write = (body: { name?: string; timezone?: string }, version?: number) =>
      ok(api.PATCH('/api/v1/workspace', { ...(version ? { params: { header: ifMatch(version) } } : {}), body }));
    const refresh = () => void client.invalidateQueries();
    setErrors({});
    setFault('');
    try {
      await change({
        send: () => write(patch, workspace.version),
        settle: refresh,
        said: () => t('workspace.saved'),
        undo: async () => {
          await write({ name: workspace.name, timezone: workspace.timezone });
          refresh();
        },
        failed: t('workspace.failed'),
        expects: () => true,
      });
    } catch (error) {
      if (error instanceof ApiError && error.status === 412) {
        setFault(t('workspace.conflict'));
        refresh();
      } else if (error instanceof ApiError && error.status === 422) setErrors({ ...error.fields });
      else setFault(reason(error));
    }
  };
  return (
    <Card title={t('settings.workspace')} sub={canManage ? t('workspace.sub') : t('workspace.readOnly')}>
      <Form
        key={workspace.version}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          void save(event.currentTarget);
        }}
      >
        <FormError>{fault}</FormError>
        <TextField
          name="name"
          label={t('workspace.name')}
          defaultValue={workspace.name}
          required
          maxLength={200}
          disabled={!canManage}
        />
        <SelectField
          name="timezone"
          label={t('workspace.zone')}
          value={zone}
          onChange={(event) => setZone(event.target.value)}
          disabled={!canManage}
          hint={t('workspace.zone.hint', { time: time(now, zone) })}
        >
          {zones(workspace.timezone).map((name) => (
            <option key={name} value={name}>
              {name.replaceAll('_', ' ')}
            </option>
          ))}
        </SelectField>
        {canManage && (
          <div>
            <Button kind="primary" type="submit">
              {t('save')}
            </Button>
          </div>
        )}
      </Form>
    </Card>
  );
}
