import { getRouteApi, Link, useRouter } from '@tanstack/react-router';
import { Unlink } from 'lucide-react';
import { useState } from 'react';
import { ApiError } from '../api/problem';
import { Button, buttonClass } from '../design/Button';
import { Form, FormError, PasswordField, TextField, texts } from '../design/Field';
import { Empty, reason, Segmented } from '../design/Small';
import { t } from '../words';
import css from './auth.module.css';
import { acceptInvitation } from './calls';
import { Split } from './Split';

const route = getRouteApi('/invitation');

export default function Invitation() {
  const router = useRouter();
  const { token, email } = route.useSearch();
  const [known, setKnown] = useState<'new' | 'known'>('new');
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const [gone, setGone] = useState(!token);
  const submit = async (form: HTMLFormElement) => {
    const { name } = texts(form);
    setBusy(true);
    setFault('');
    try {
      await acceptInvitation({
        token: token ?? '',
        password: String(new FormData(form).get('password')),
        ...(name ? { name } : {}),
      });
      router.history.push('/');
    } catch (error) {
      setBusy(false);
      if (error instanceof ApiError && error.status === 410) setGone(true);
      else if (error instanceof ApiError && error.status === 422) setErrors({ ...error.fields });
      else setFault(error instanceof ApiError && error.status === 401 ? t('auth.wrong') : reason(error));
    }
  };
  if (gone)
    return (
      <Split title={t('invitation.gone')} sub={t('invitation.gone.sub')}>
        <Empty
          icon={Unlink}
          title={t('invitation.ask')}
          actions={
            <Link to="/sign-in" className={buttonClass()} data-kind="plain">
              {t('auth.signIn')}
            </Link>
          }
        />
      </Split>
    );
  return (
    <Split title={t('invitation.title')} sub={email ? t('invitation.for', { email }) : t('invitation.sub')}>
      <Form
        className={css.form ?? ''}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <FormError>{fault}</FormError>
        <Segmented
          name="account"
          label={t('invitation.account')}
          value={known}
          onChange={setKnown}
          options={[
            { value: 'new', label: t('invitation.new') },
            { value: 'known', label: t('invitation.known') },
          ]}
        />
        {known === 'new' && (
          <TextField name="name" label={t('auth.name')} required maxLength={200} autoComplete="name" />
        )}
        <PasswordField
          key={known}
          name="password"
          label={t('auth.password')}
          hint={known === 'new' ? t('auth.password.hint') : undefined}
          required
          minLength={known === 'new' ? 12 : undefined}
          autoComplete={known === 'new' ? 'new-password' : 'current-password'}
        />
        <Button kind="primary" type="submit" className={css.go ?? ''} busy={busy}>
          {t('invitation.join')}
        </Button>
      </Form>
    </Split>
  );
}
