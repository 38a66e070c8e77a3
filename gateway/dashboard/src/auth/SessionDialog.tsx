import { useRef, useState } from 'react';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Form, FormError, PasswordField } from '../design/Field';
import { Modal, ModalActions } from '../design/Modal';
import { reason } from '../design/Small';
import { useMe } from '../shell/me';
import { t } from '../words';
import { signInAgain, signOut } from './calls';

/** The session has ended: the password is asked for over the page, and what was being done goes on. */
export default function SessionDialog() {
  const { user, workspace } = useMe();
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const submit = async (form: HTMLFormElement) => {
    setBusy(true);
    setFault('');
    try {
      await signInAgain(user.email, String(new FormData(form).get('password')), workspace.id);
    } catch (error) {
      setBusy(false);
      setFault(error instanceof ApiError && error.status === 401 ? t('auth.wrongPassword') : reason(error));
      input.current?.select();
    }
  };
  return (
    <Modal title={t('session.ended')} sub={t('session.ended.sub')} onClose={() => undefined} firm focus={input}>
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <FormError>{fault}</FormError>
        <input type="email" name="email" defaultValue={user.email} autoComplete="username" hidden readOnly />
        <PasswordField
          name="password"
          label={t('session.passwordOf', { email: user.email })}
          required
          autoComplete="current-password"
          ref={input}
        />
        <ModalActions>
          <Button onClick={() => void signOut()}>{t('session.other')}</Button>
          <Button kind="primary" type="submit" busy={busy}>
            {t('session.continue')}
          </Button>
        </ModalActions>
      </Form>
    </Modal>
  );
}
