import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { TriangleAlert } from 'lucide-react';
import { useRef, useState } from 'react';
import { type NewLead as Values, SOURCES, type Source, type Status, STATUSES } from '../api/model';
import { ApiError } from '../api/problem';
import { Button } from '../design/Button';
import { Form, FormError, SelectField, TextArea, TextField, texts } from '../design/Field';
import { Modal, ModalActions } from '../design/Modal';
import { reason } from '../design/Small';
import { useMe, useMembers } from '../shell/me';
import { t } from '../words';
import { createLead } from './changes';
import css from './form.module.css';
import { type Typed, typedDuplicatesQuery } from './queries';

export default function NewLead() {
  const navigate = useNavigate();
  const me = useMe();
  const members = useMembers();
  const name = useRef<HTMLInputElement>(null);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState<Typed>({});
  const close = () => void navigate({ to: '.', search: (old) => ({ ...old, new: undefined }), resetScroll: false });
  const submit = async (form: HTMLFormElement) => {
    const { name: named = '', email, phone, company, source, status, ownerId, tags, note } = texts(form);
    const values: Values = {
      name: named,
      ...(email ? { email } : {}),
      ...(phone ? { phone } : {}),
      ...(company ? { company } : {}),
      source: (source as Source | undefined) ?? 'Other',
      status: (status as Status | undefined) ?? 'New',
      tags: (tags ?? '')
        .split(',')
        .map((tag) => tag.trim())
        .filter(Boolean),
      ownerId: ownerId || null,
      ...(note ? { note } : {}),
    };
    setBusy(true);
    setFault('');
    try {
      const lead = await createLead(values);
      void navigate({ to: '.', search: (old) => ({ ...old, new: undefined, lead: lead.id }), resetScroll: false });
    } catch (error) {
      setBusy(false);
      if (error instanceof ApiError && error.status === 422) {
        const {
          name: a,
          email: b,
          phone: c,
          company: d,
          source: e,
          status: f,
          ownerId: g,
          note: h,
          ...rest
        } = error.fields;
        setErrors(
          Object.fromEntries(
            Object.entries({
              name: a,
              email: b,
              phone: c,
              company: d,
              source: e,
              status: f,
              ownerId: g,
              note: h,
            }).filter(([, message]) => message),
          ) as Record<string, string>,
        );
        setFault(Object.values(rest)[0] ?? '');
      } else setFault(reason(error));
    }
  };
  return (
    <Modal title={t('lead.new')} onClose={close} focus={name}>
      <Form
        errors={errors}
        onBlur={(event) => {
          const { name: named, email, phone, company } = texts(event.currentTarget);
          setTyped({
            ...(named ? { name: named } : {}),
            ...(email ? { email } : {}),
            ...(phone ? { phone } : {}),
            ...(company ? { company } : {}),
          });
        }}
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <FormError>{fault}</FormError>
        <TextField name="name" label={t('field.name')} required maxLength={200} autoComplete="off" ref={name} />
        <div className={`${css.pair} ${css.stack}`}>
          <TextField name="email" label={t('field.emailName')} type="email" autoComplete="off" />
          <TextField name="phone" label={t('field.phone')} type="tel" autoComplete="off" />
        </div>
        <Known typed={typed} />
        <div className={css.pair}>
          <TextField name="company" label={t('field.company')} autoComplete="off" />
          <SelectField name="source" label={t('leads.source')} defaultValue="Website">
            {SOURCES.map((source) => (
              <option key={source} value={source}>
                {t(`source.${source}`)}
              </option>
            ))}
          </SelectField>
          <SelectField name="status" label={t('leads.status')} defaultValue="New">
            {STATUSES.map((status) => (
              <option key={status} value={status}>
                {t(`status.${status}`)}
              </option>
            ))}
          </SelectField>
          <SelectField name="ownerId" label={t('leads.owner')} defaultValue={me.user.id} key={members.length}>
            <option value="">{t('owner.none')}</option>
            {(members.length ? members : [{ ...me.user, role: me.role }])
              .filter((member) => member.role !== 'viewer')
              .map((member) => (
                <option key={member.id} value={member.id}>
                  {member.name}
                </option>
              ))}
          </SelectField>
        </div>
        <TextField name="tags" label={t('field.tags')} optional hint={t('filter.tag.hint')} autoComplete="off" />
        <TextArea name="note" label={t('note.first')} optional maxLength={10_000} rows={2} />
        <ModalActions>
          <Button onClick={close}>{t('cancel')}</Button>
          <Button kind="primary" type="submit" busy={busy}>
            {t('lead.create')}
          </Button>
        </ModalActions>
      </Form>
    </Modal>
  );
}

/** Says at once who this may be already. */
function Known({ typed }: { typed: Typed }) {
  const { data } = useQuery(typedDuplicatesQuery(typed));
  const found = data?.items[0];
  if (!found || Object.keys(typed).length === 0) return null;
  return (
    <p className={css.known} role="status">
      <TriangleAlert size={16} aria-hidden="true" />
      <span>
        {t('lead.known')}{' '}
        <Link to="." search={(old) => ({ ...old, new: undefined, lead: found.lead.id })}>
          {found.lead.name}
        </Link>
        {', '}
        {[found.lead.company, ...found.reasons.map((why) => t(`duplicate.${why}`))].filter(Boolean).join(', ')}
      </span>
    </p>
  );
}
