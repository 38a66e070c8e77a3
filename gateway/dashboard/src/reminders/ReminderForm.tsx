import { useState } from 'react';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Form, TextField, texts } from '../design/Field';
import { reason } from '../design/Small';
import { useZone } from '../shell/me';
import { fromInput, toInput } from '../time/zone';
import { t } from '../words';
import { createReminder } from './changes';
import css from './reminders.module.css';
import { type When, whenOf } from './when';
import { ZoneNote } from './ZoneNote';

/** A reminder about a lead that is known. */
export function ReminderForm({ lead, onDone }: { lead: { id: string; name: string }; onDone: () => void }) {
  const zone = useZone();
  const [at, setAt] = useState(() => toInput(whenOf('tomorrow', Date.now(), zone), zone));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [busy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    const { message = '' } = texts(form);
    setBusy(true);
    try {
      await createReminder(
        {
          leadId: lead.id,
          message: message || t('reminder.default', { name: lead.name }),
          dueAt: new Date(fromInput(at, zone)).toISOString(),
        },
        zone,
      );
      onDone();
    } catch (error) {
      setBusy(false);
      if (error instanceof ApiError)
        setErrors(Object.keys(error.fields).length ? { ...error.fields } : { message: reason(error) });
    }
  };
  return (
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
        placeholder={t('reminder.default', { name: lead.name })}
        maxLength={1000}
        autoFocus
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
      <div className={css.quick}>
        {(['later', 'tomorrow', 'nextWeek'] as When[]).map((which) => (
          <Button key={which} onClick={() => setAt(toInput(whenOf(which, Date.now(), zone), zone))}>
            {t(`snooze.${which}`)}
          </Button>
        ))}
        <Button kind="primary" type="submit" busy={busy}>
          {t('reminder.create')}
        </Button>
      </div>
    </Form>
  );
}
