import { ENTERABLE, REACHABLE } from '../api/model';
import { Button } from '../design/Button';
import { Form, SelectField, TextField, texts } from '../design/Field';
import { Modal, ModalActions } from '../design/Modal';
import { isDay } from '../time/zone';
import { t } from '../words';
import { parseFilter } from './filter';
import css from './form.module.css';
import { useFilter } from './useFilter';

/** The filters that are used now and then: dates, tags, silence. */
export default function MoreFilters({ onClose }: { onClose: () => void }) {
  const { filter, replace } = useFilter();
  // An instant has no field here: it stays, unless a day takes its place.
  const dayOnly = (value: string | undefined) => (isDay(value) ? value : '');
  const kept = (values: Record<string, string>) =>
    Object.fromEntries(
      (['updatedFrom', 'updatedTo'] as const)
        .filter((key) => filter[key] && !isDay(filter[key]) && !values['updatedFrom'] && !values['updatedTo'])
        .map((key) => [key, filter[key]]),
    );
  return (
    <Modal title={t('filter.more')} onClose={onClose}>
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          const values = texts(event.currentTarget);
          const tag = (values['tag'] ?? '')
            .split(',')
            .map((one) => one.trim())
            .filter(Boolean);
          replace(parseFilter({ ...filter, ...values, ...kept(values), tag }));
          onClose();
        }}
      >
        <div className={css.pair}>
          <TextField
            name="createdFrom"
            type="date"
            label={t('filter.createdFrom')}
            defaultValue={filter.createdFrom ?? ''}
          />
          <TextField name="createdTo" type="date" label={t('filter.createdTo')} defaultValue={filter.createdTo ?? ''} />
          <TextField
            name="updatedFrom"
            type="date"
            label={t('filter.updatedFrom')}
            defaultValue={dayOnly(filter.updatedFrom)}
          />
          <TextField
            name="updatedTo"
            type="date"
            label={t('filter.updatedTo')}
            defaultValue={dayOnly(filter.updatedTo)}
          />
          <TextField
            name="enteredFrom"
            type="date"
            label={t('filter.enteredFrom')}
            defaultValue={filter.enteredFrom ?? ''}
          />
          <TextField name="enteredTo" type="date" label={t('filter.enteredTo')} defaultValue={filter.enteredTo ?? ''} />
        </div>
        <SelectField name="entered" label={t('filter.entered.label')} defaultValue={filter.entered ?? ''}>
          <option value="">{t('filter.entered.present')}</option>
          {ENTERABLE.map((status) => (
            <option key={status} value={status}>
              {t(`status.${status}`)}
            </option>
          ))}
        </SelectField>
        <SelectField name="reached" label={t('filter.reached.label')} defaultValue={filter.reached?.[0] ?? ''}>
          <option value="">{t('filter.reached.any')}</option>
          {REACHABLE.map((status) => (
            <option key={status} value={status}>
              {t(`status.${status}`)}
            </option>
          ))}
        </SelectField>
        <TextField
          name="tag"
          label={t('field.tags')}
          hint={t('filter.tag.hint')}
          defaultValue={filter.tag?.join(', ') ?? ''}
        />
        <TextField
          name="inactive"
          type="number"
          min={1}
          max={3650}
          label={t('filter.inactive')}
          defaultValue={filter.inactive ? String(filter.inactive) : ''}
        />
        <ModalActions>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button kind="primary" type="submit">
            {t('filter.apply')}
          </Button>
        </ModalActions>
      </Form>
    </Modal>
  );
}
