import { useRef, useState } from 'react';
import type { Reminder } from '../api/model';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Form, SelectField, TextField, texts } from '../design/Field';
import { Modal, ModalActions } from '../design/Modal';
import { useMembers, useZone } from '../shell/me';
import { fromInput, toInput } from '../time/zone';
import { t } from '../words';
import { editReminder } from './changes';
import { ZoneNote } from './ZoneNote';

export default function EditReminder({ reminder, onClose }: { reminder: Reminder; onClose: () => void }) {
  const zone = useZone();
  const members = useMembers();
  const first = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(toInput(Date.parse(reminder.dueAt), zone));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const submit = async (form: HTMLFormElement) => {
    const { message, assigneeId } = texts(form);
    try {
      await editReminder(reminder, { message, assigneeId, dueAt: new Date(fromInput(at, zone)).toISOString() });
      onClose();
    } catch (error) {
      if (error instanceof ApiError) setErrors({ ...error.fields });
    }
  };
  return (
    <Modal title={t('reminder.edit')} sub={reminder.lead.name} onClose={onClose} focus={first}>
      <Form
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <TextField
          name="message"
          label={t('reminder.what')}
          required
          maxLength={1000}
          defaultValue={reminder.message}
          ref={first}
        />
        <TextField
          name="dueAt"
          label={t('reminder.when')}
          type="datetime-local"
          required
          value={at}
          onChange={(event) => setAt(event.target.value)}
          hint={<ZoneNote at={at} />}
        />
        <SelectField
          name="assigneeId"
          label={t('reminder.who')}
          defaultValue={reminder.assignee.id}
          key={members.length}
        >
          {(members.length ? members.filter((member) => member.role !== 'viewer') : [reminder.assignee]).map(
            (member) => (
              <option key={member.id} value={member.id}>
                {member.name}
              </option>
            ),
          )}
        </SelectField>
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
