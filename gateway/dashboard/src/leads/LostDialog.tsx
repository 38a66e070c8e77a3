import { useRef, useState } from 'react';
import { Button } from '../design/Button';
import { Form, TextArea } from '../design/Field';
import { Modal, ModalActions } from '../design/Modal';
import { type Key, t } from '../words';
import css from './lost.module.css';
import { answerLost, closeAskedLost } from './move';

const REASONS: Key[] = ['lost.price', 'lost.timing', 'lost.competitor', 'lost.silent', 'lost.fit'];

/** Why something was lost: one tap, or words of one's own, or nothing. */
export default function LostDialog({ title }: { title: string }) {
  const [reason, setReason] = useState('');
  const first = useRef<HTMLButtonElement>(null);
  return (
    <Modal title={title} sub={t('lost.sub')} onClose={closeAskedLost} focus={first}>
      <ul className={css.reasons}>
        {REASONS.map((key, i) => (
          <li key={key}>
            <Button ref={i === 0 ? first : undefined} onClick={() => answerLost(t(key))}>
              {t(key)}
            </Button>
          </li>
        ))}
      </ul>
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          answerLost(reason);
        }}
      >
        <TextArea
          name="reason"
          label={t('lost.own')}
          optional
          maxLength={500}
          rows={2}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        <ModalActions>
          <Button onClick={closeAskedLost}>{t('cancel')}</Button>
          <Button kind="primary" type="submit">
            {reason.trim() ? t('lost.go') : t('lost.noReason')}
          </Button>
        </ModalActions>
      </Form>
    </Modal>
  );
}
