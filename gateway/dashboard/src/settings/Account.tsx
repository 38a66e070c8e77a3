import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { MonitorSmartphone } from 'lucide-react';
import { useState } from 'react';
import { api, ok } from '../api/client';
import type { Me, SessionInfo } from '../api/model';
import { ApiError } from '../api/problem';
import { goOut, signOut } from '../auth/calls';
import { Button } from '../design/Button';
import { Card } from '../design/Card';
import { Form, FormError, PasswordField, TextField, texts } from '../design/Field';
import { Modal, ModalActions } from '../design/Modal';
import { Failed, reason, Skeleton, Switch } from '../design/Small';
import { meQuery, useMe } from '../shell/me';
import { ago } from '../time/format';
import { useNow } from '../time/now';
import { change, later } from '../undo/change';
import { present } from '../undo/gone';
import { notify } from '../undo/notice';
import { t } from '../words';
import { device } from './device';
import css from './settings.module.css';

export function Account() {
  return (
    <>
      <Profile />
      <Password />
      <Sessions />
      <Erase />
    </>
  );
}

function Profile() {
  const { user } = useMe();
  const client = useQueryClient();
  const [errors, setErrors] = useState<Record<string, string>>({});
  const write = (name: string) => ok(api.PATCH('/api/v1/auth/me', { body: { name } }));
  const show = (name: string) => {
    client.setQueryData<Me>(meQuery.queryKey, (me) => (me ? { ...me, user: { ...me.user, name } } : me));
    void client.invalidateQueries({ queryKey: ['members'] });
  };
  const save = async (form: HTMLFormElement) => {
    const { name = '' } = texts(form);
    if (name === user.name) return;
    setErrors({});
    try {
      await change({
        send: () => write(name),
        settle: () => show(name),
        said: () => t('account.saved'),
        undo: async () => {
          await write(user.name);
          show(user.name);
        },
        failed: t('account.failed'),
        expects: (error) => error instanceof ApiError && error.status === 422,
      });
    } catch (error) {
      if (error instanceof ApiError) setErrors({ ...error.fields });
    }
  };
  return (
    <Card title={t('account.profile')} sub={user.email}>
      <Form
        key={user.name}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          void save(event.currentTarget);
        }}
      >
        <TextField
          name="name"
          label={t('auth.name')}
          defaultValue={user.name}
          required
          maxLength={200}
          autoComplete="name"
        />
        <div>
          <Button kind="primary" type="submit">
            {t('save')}
          </Button>
        </div>
      </Form>
    </Card>
  );
}

function Password() {
  const { user } = useMe();
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const save = async (form: HTMLFormElement) => {
    const data = new FormData(form);
    setBusy(true);
    setErrors({});
    setFault('');
    try {
      await ok(
        api.POST('/api/v1/auth/me/password', {
          body: { currentPassword: String(data.get('currentPassword')), newPassword: String(data.get('newPassword')) },
        }),
      );
      form.reset();
      notify({ title: t('password.changed'), description: t('password.changed.sub') });
    } catch (error) {
      if (error instanceof ApiError && error.status === 422) setErrors({ ...error.fields });
      else setFault(reason(error));
    }
    setBusy(false);
  };
  return (
    <Card title={t('auth.password')} sub={t('password.sub')}>
      <Form
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          void save(event.currentTarget);
        }}
      >
        <FormError>{fault}</FormError>
        <input type="email" defaultValue={user.email} autoComplete="username" hidden readOnly />
        <PasswordField name="currentPassword" label={t('password.current')} required autoComplete="current-password" />
        <PasswordField
          name="newPassword"
          label={t('password.new')}
          hint={t('auth.password.hint')}
          required
          minLength={12}
          autoComplete="new-password"
        />
        <div>
          <Button kind="primary" type="submit" busy={busy}>
            {t('password.change')}
          </Button>
        </div>
      </Form>
    </Card>
  );
}

const sessionsKey = ['sessions'];

function Sessions() {
  const now = useNow();
  const client = useQueryClient();
  const query = useQuery({
    queryKey: sessionsKey,
    // There are never more.
    queryFn: async ({ signal }) =>
      present((await ok(api.GET('/api/v1/auth/sessions', { params: { query: { limit: 100 } }, signal }))).items),
  });
  const end = (session: SessionInfo) =>
    later({
      id: session.id,
      show: () => {
        const before = client.getQueryData<SessionInfo[]>(sessionsKey);
        client.setQueryData<SessionInfo[]>(sessionsKey, (all) => all?.filter((one) => one.id !== session.id));
        return () => client.setQueryData(sessionsKey, before);
      },
      send: () =>
        ok(api.DELETE('/api/v1/auth/sessions/{id}', { params: { path: { id: session.id } }, keepalive: true })),
      said: t('sessions.ended'),
      failed: t('sessions.failed'),
    });
  return (
    <Card title={t('sessions.title')} sub={t('sessions.sub')}>
      {query.data ? (
        <ul className={css.people}>
          {query.data.map((session) => (
            <li key={session.id}>
              <span className={css.deviceIcon}>
                <MonitorSmartphone size={18} aria-hidden="true" />
              </span>
              <span className={css.person}>
                <b>
                  {device(session.userAgent) ?? t('sessions.device')}
                  {session.current && <small>{t('sessions.this')}</small>}
                </b>
                <span>
                  {[session.address, t('sessions.used', { ago: ago(session.lastUsedAt ?? session.createdAt, now) })]
                    .filter(Boolean)
                    .join(' · ')}
                </span>
              </span>
              {session.current ? (
                <Button kind="ghost" onClick={() => void signOut()}>
                  {t('signOut')}
                </Button>
              ) : (
                <Button kind="ghost" onClick={() => end(session)}>
                  {t('sessions.end')}
                </Button>
              )}
            </li>
          ))}
        </ul>
      ) : query.error ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : (
        <Skeleton height={100} radius={12} />
      )}
    </Card>
  );
}

function Erase() {
  const { user, workspace } = useMe();
  const [open, setOpen] = useState(false);
  // The server has said that nobody else is in these workspaces: they go too, if that is confirmed.
  const [alone, setAlone] = useState('');
  const [sure, setSure] = useState(false);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const close = () => {
    setOpen(false);
    setAlone('');
    setSure(false);
    setErrors({});
    setFault('');
  };
  const erase = async (form: HTMLFormElement) => {
    setBusy(true);
    setErrors({});
    setFault('');
    try {
      const password = String(new FormData(form).get('password'));
      const deleteWorkspace = alone !== '';
      await ok(api.DELETE('/api/v1/auth/me', { body: { password, ...(deleteWorkspace && { deleteWorkspace }) } }));
      goOut();
    } catch (error) {
      if (error instanceof ApiError && error.status === 422) setErrors({ ...error.fields });
      else if (error instanceof ApiError && error.kind === 'only-member')
        setAlone(error.message.match(/[“„].+[”“]/s)?.[0] ?? workspace.name);
      else setFault(reason(error));
      setBusy(false);
    }
  };
  return (
    <Card title={t('erase.title')} sub={t('erase.sub')}>
      <p className={css.quiet}>{t('erase.what')}</p>
      <div>
        <Button kind="danger" onClick={() => setOpen(true)}>
          {t('erase.open')}
        </Button>
      </div>
      {open && (
        <Modal title={t('erase.ask')} sub={t('erase.what')} onClose={close}>
          <Form
            errors={errors}
            onSubmit={(event) => {
              event.preventDefault();
              void erase(event.currentTarget);
            }}
          >
            <FormError>{fault}</FormError>
            {alone && (
              <div role="alert">
                <p>{t('erase.alone', { names: alone })}</p>
                <p className={css.quiet}>
                  {t('erase.export')}{' '}
                  <Link to="/leads" onClick={close}>
                    {t('erase.leads')}
                  </Link>
                </p>
              </div>
            )}
            <input type="email" defaultValue={user.email} autoComplete="username" hidden readOnly />
            <PasswordField name="password" label={t('auth.password')} required autoComplete="current-password" />
            {alone && (
              <Switch label={t('erase.sure')} checked={sure} onChange={(event) => setSure(event.target.checked)} />
            )}
            <ModalActions>
              <Button onClick={close}>{t('cancel')}</Button>
              <Button kind="danger" type="submit" busy={busy} disabled={alone !== '' && !sure}>
                {t('erase.do')}
              </Button>
            </ModalActions>
          </Form>
        </Modal>
      )}
    </Card>
  );
}
