import { Pencil, Plus } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { type Lead, SOURCES } from '../api/model';
import { Menu } from '../design/Menu';
import { Tag } from '../design/Small';
import { useCanWrite, useZone } from '../shell/me';
import { date } from '../time/format';
import { type Key, t } from '../words';
import { ConflictNote } from './ConflictNote';
import css from './drawer.module.css';
import { OwnerMenu } from './OwnerMenu';
import { useField } from './useField';

/** What is known of a lead; each fact is edited where it stands. */
export function Facts({ lead }: { lead: Lead }) {
  const zone = useZone();
  return (
    <dl className={css.facts}>
      <TextFact lead={lead} field="email" label="field.emailName" type="email" wide />
      <TextFact lead={lead} field="phone" label="field.phone" type="tel" />
      <TextFact lead={lead} field="company" label="field.company" />
      <SourceFact lead={lead} />
      <OwnerFact lead={lead} />
      <Tags lead={lead} />
      <div>
        <dt>{t('leads.created')}</dt>
        <dd title={date(lead.createdAt, { dateStyle: 'full', timeStyle: 'short' }, zone)}>
          {date(lead.createdAt, { dateStyle: 'medium' }, zone)}
          <small>{t('lead.by', { name: lead.createdBy.name })}</small>
        </dd>
      </div>
      <div>
        <dt>{t('lead.inStage')}</dt>
        <dd title={date(lead.statusChangedAt, { dateStyle: 'full', timeStyle: 'short' }, zone)}>
          {date(lead.statusChangedAt, { dateStyle: 'medium' }, zone)}
        </dd>
      </div>
    </dl>
  );
}

/** What is wrong with a field, below it: the server's words, or somebody else's value beside the visitor's. */
function Trouble({ field }: { field: ReturnType<typeof useField> }) {
  return (
    <>
      {field.fault && (
        <small className={css.fault} role="alert">
          {field.fault}
        </small>
      )}
      {field.conflict && (
        <ConflictNote {...field.conflict} onMine={() => void field.keepMine()} onTheirs={field.takeTheirs} />
      )}
    </>
  );
}

function SourceFact({ lead }: { lead: Lead }) {
  const canWrite = useCanWrite();
  const field = useField(lead, 'source');
  const name = t(`source.${lead.source}`);
  return (
    <div>
      <dt>{t('leads.source')}</dt>
      <dd>
        {canWrite ? (
          <Menu
            align="start"
            items={SOURCES.map((source) => ({
              label: t(`source.${source}`),
              hint: source === lead.source ? '✓' : undefined,
              onSelect: () => source !== lead.source && void field.save({ source }),
            }))}
            trigger={
              <button
                type="button"
                className={css.fact}
                aria-label={t('fact.change', { field: t('leads.source'), value: name })}
              >
                {name}
              </button>
            }
          />
        ) : (
          name
        )}
        <Trouble field={field} />
      </dd>
    </div>
  );
}

function OwnerFact({ lead }: { lead: Lead }) {
  const canWrite = useCanWrite();
  const field = useField(lead, 'ownerId');
  return (
    <div>
      <dt>{t('leads.owner')}</dt>
      <dd className={css.owner}>
        {canWrite ? (
          <OwnerMenu
            lead={lead}
            onPick={(member) => {
              const ownerId = member?.id ?? null;
              if (ownerId !== (lead.owner?.id ?? null)) void field.save({ ownerId }, member);
            }}
          />
        ) : (
          (lead.owner?.name ?? '–')
        )}
        <Trouble field={field} />
      </dd>
    </div>
  );
}

function TextFact({
  lead,
  field: name,
  label,
  type = 'text',
  wide,
}: {
  lead: Lead;
  field: 'email' | 'phone' | 'company';
  label: Key;
  type?: string;
  wide?: boolean;
}) {
  const canWrite = useCanWrite();
  const field = useField(lead, name);
  const value = lead[name];
  const save = () => {
    const next = field.draft?.trim() || null;
    if (next === value) field.cancel();
    else void field.save({ [name]: next });
  };
  return (
    <div className={wide ? css.wide : undefined}>
      <dt>{t(label)}</dt>
      <dd>
        {field.draft === null ? (
          canWrite ? (
            <button
              type="button"
              className={css.fact}
              data-empty={value === null || undefined}
              onClick={() => field.setDraft(value ?? '')}
              aria-label={value ? t('fact.change', { field: t(label), value }) : t('fact.add', { field: t(label) })}
            >
              {value ?? t('fact.empty')}
              <Pencil size={12} aria-hidden="true" />
            </button>
          ) : (
            (value ?? '–')
          )
        ) : (
          <input
            className={css.factInput}
            type={type}
            aria-label={t(label)}
            aria-invalid={field.fault ? true : undefined}
            value={field.draft}
            autoFocus
            onChange={(event) => field.setDraft(event.target.value)}
            onBlur={() => !field.conflict && save()}
            onKeyDown={(event) => {
              if (event.key === 'Enter') save();
              else if (event.key === 'Escape') {
                event.stopPropagation();
                field.cancel();
              }
            }}
          />
        )}
        <Trouble field={field} />
      </dd>
    </div>
  );
}

function Tags({ lead }: { lead: Lead }) {
  const canWrite = useCanWrite();
  const [adding, setAdding] = useState(false);
  const field = useField(lead, 'tags');
  const add = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const tag = String(new FormData(form).get('tag')).trim();
    if (tag && !lead.tags.some((one) => one.toLowerCase() === tag.toLowerCase()))
      void field.save({ tags: [...lead.tags, tag] });
    form.reset();
    if (!tag) setAdding(false);
  };
  return (
    <div className={css.wide}>
      <dt>{t('field.tags')}</dt>
      <dd className={css.tags}>
        {lead.tags.map((tag) => (
          <Tag
            key={tag}
            onRemove={canWrite ? () => void field.save({ tags: lead.tags.filter((one) => one !== tag) }) : undefined}
          >
            {tag}
          </Tag>
        ))}
        {lead.tags.length === 0 && !canWrite && '–'}
        {canWrite &&
          (adding ? (
            <form onSubmit={add}>
              <input
                name="tag"
                className={css.tagInput}
                aria-label={t('tag.add')}
                maxLength={50}
                autoFocus
                onBlur={(event) => event.currentTarget.form?.requestSubmit()}
                onKeyDown={(event) => {
                  if (event.key !== 'Escape') return;
                  event.stopPropagation();
                  event.currentTarget.value = '';
                  setAdding(false);
                }}
              />
            </form>
          ) : (
            <button type="button" className={css.addTag} onClick={() => setAdding(true)}>
              <Plus size={13} aria-hidden="true" />
              {t('tag.add')}
            </button>
          ))}
        <Trouble field={field} />
      </dd>
    </div>
  );
}
