import { getRouteApi, Link, useRouter } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Form, FormError, PasswordField, TextField } from '../design/Field';
import { reason } from '../design/Small';
import { t } from '../words';
import css from './auth.module.css';
import { signIn } from './calls';
import { Split } from './Split';

const route = getRouteApi('/sign-in');

export default function SignIn() {
  const router = useRouter();
  const { next } = route.useSearch();
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const password = useRef<HTMLInputElement>(null);
  const submit = async (form: HTMLFormElement) => {
    const data = new FormData(form);
    setBusy(true);
    setFault('');
    try {
      await signIn(String(data.get('email')).trim(), String(data.get('password')));
      router.history.push(next ?? '/');
    } catch (error) {
      setBusy(false);
      if (error instanceof ApiError && error.status === 422) setErrors({ ...error.fields });
      else setFault(error instanceof ApiError && error.status === 401 ? t('auth.wrong') : reason(error));
      password.current?.select();
    }
  };
  return (
    <Split title={t('auth.welcome')} sub={t('auth.welcome.sub')}>
      <Form
        className={css.form ?? ''}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <FormError>{fault}</FormError>
        <TextField name="email" label={t('auth.email')} type="email" required autoComplete="username" autoFocus />
        <PasswordField
          name="password"
          label={t('auth.password')}
          required
          autoComplete="current-password"
          ref={password}
        />
        <Button kind="primary" type="submit" className={css.go ?? ''} busy={busy}>
          {t('auth.signIn')}
        </Button>
      </Form>
      <p className={css.other}>
        {t('auth.new')}{' '}
        <Link to="/register" search={{ next }}>
          {t('auth.create')}
        </Link>
      </p>
    </Split>
  );
}
