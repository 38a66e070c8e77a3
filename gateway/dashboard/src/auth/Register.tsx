import { getRouteApi, Link, useRouter } from '@tanstack/react-router';
import { Sparkles } from 'lucide-react';
import { useState } from 'react';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Form, FormError, PasswordField, TextField, texts } from '../design/Field';
import { reason } from '../design/Small';
import { t } from '../words';
import css from './auth.module.css';
import { register } from './calls';
import { Split } from './Split';

const route = getRouteApi('/register');

export default function Register() {
  const router = useRouter();
  const { next } = route.useSearch();
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState<'plain' | 'sample'>();
  const submit = async (form: HTMLFormElement, how: 'plain' | 'sample') => {
    const { name = '', email = '', workspaceName } = texts(form);
    const password = String(new FormData(form).get('password'));
    setBusy(how);
    setFault('');
    try {
      await register({ name, email, password, ...(workspaceName ? { workspaceName } : {}) });
      // If that does not work it says so, and the account is there.
      if (how === 'sample') await (await import('../dashboard/sample')).addSample();
      router.history.push(next ?? '/');
    } catch (error) {
      setBusy(undefined);
      if (error instanceof ApiError && error.status === 409) setErrors({ email: t('auth.taken') });
      else if (error instanceof ApiError && error.status === 422) setErrors({ ...error.fields });
      else setFault(reason(error));
    }
  };
  return (
    <Split title={t('auth.start')} sub={t('auth.start.sub')}>
      <Form
        className={css.form ?? ''}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          const pressed = (event.nativeEvent as SubmitEvent).submitter;
          void submit(event.currentTarget, pressed?.getAttribute('value') === 'sample' ? 'sample' : 'plain');
        }}
      >
        <FormError>{fault}</FormError>
        <TextField name="name" label={t('auth.name')} required maxLength={200} autoComplete="name" autoFocus />
        <TextField name="email" label={t('auth.email')} type="email" required autoComplete="username" />
        <PasswordField
          name="password"
          label={t('auth.password')}
          hint={t('auth.password.hint')}
          required
          minLength={12}
          autoComplete="new-password"
        />
        <TextField
          name="workspaceName"
          label={t('auth.workspace')}
          optional
          maxLength={200}
          autoComplete="organization"
          hint={t('auth.workspace.hint')}
        />
        <Button
          kind="primary"
          type="submit"
          className={css.go ?? ''}
          busy={busy === 'plain'}
          disabled={busy !== undefined}
        >
          {t('auth.create')}
        </Button>
        <Button
          type="submit"
          value="sample"
          className={css.go ?? ''}
          busy={busy === 'sample'}
          disabled={busy !== undefined}
          aria-describedby="sample"
        >
          <Sparkles size={16} aria-hidden="true" />
          {t('auth.sample')}
        </Button>
        <p id="sample" className={css.hint}>
          {t('auth.sample.sub')}
        </p>
      </Form>
      <p className={css.other}>
        {t('auth.known')}{' '}
        <Link to="/sign-in" search={{ next }}>
          {t('auth.signIn')}
        </Link>
      </p>
    </Split>
  );
}
