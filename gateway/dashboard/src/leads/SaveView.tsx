import { useRef } from 'react';
import { Button } from '../design/Button';
import { Form, TextField, texts } from '../design/Field';
import { Modal, ModalActions } from '../design/Modal';
import { offer } from '../undo/change';
import { t } from '../words';
import type { LeadFilter } from './filter';
import { saveView } from './views';

export function SaveView({
  filter,
  workspace,
  onClose,
}: {
  filter: LeadFilter;
  workspace: string;
  onClose: () => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <Modal title={t('view.save')} sub={t('view.save.sub')} onClose={onClose} focus={input}>
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          const { name } = texts(event.currentTarget);
          if (name) {
            const back = saveView(workspace, { name, filter });
            offer(t('view.saved', { name }), async () => back());
          }
          onClose();
        }}
      >
        <TextField name="name" label={t('view.name')} required maxLength={60} ref={input} />
        <ModalActions>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button kind="primary" type="submit">
            {t('save')}
          </Button>
        </ModalActions>
      </Form>
    </Modal>
  );
}
