import { Field as Base } from '@base-ui/react/field';
import { Form as BaseForm } from '@base-ui/react/form';
import { Eye, EyeOff } from 'lucide-react';
import {
  type ComponentProps,
  type InputHTMLAttributes,
  type ReactNode,
  type Ref,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useState,
} from 'react';
import { t } from '../words';
import { IconButton } from './Button';
import css from './field.module.css';

/** A form that shows the server's faults at their fields. */
export const Form = ({ className, ...rest }: ComponentProps<typeof BaseForm>) => (
  <BaseForm {...rest} className={`${css.form} ${typeof className === 'string' ? className : ''}`} />
);

interface Frame {
  name: string;
  label: string;
  hint?: ReactNode;
  /** Not marked as needed: said beside the label. */
  optional?: boolean;
  className?: string;
}

/** What the browser finds and the field says in our words. */
const SAID = ['valueMissing', 'typeMismatch', 'tooShort', 'tooLong', 'badInput'] as const;

function Wrap({ name, label, hint, optional, className, children }: Frame & { children: ReactNode }) {
  return (
    <Base.Root name={name} className={`${css.field} ${className ?? ''}`}>
      <Base.Label className={css.label}>
        {label}
        {optional && <small>{t('optional')}</small>}
      </Base.Label>
      {children}
      {hint && <Base.Description className={css.hint}>{hint}</Base.Description>}
      <Base.Error match="valueMissing" className={css.error}>
        {t('field.missing')}
      </Base.Error>
      <Base.Error match="typeMismatch" className={css.error}>
        {t('field.email')}
      </Base.Error>
      <Base.Error match="tooShort" className={css.error}>
        {t('field.short')}
      </Base.Error>
      <Base.Error match="tooLong" className={css.error}>
        {t('field.long')}
      </Base.Error>
      <Base.Error match="badInput" className={css.error}>
        {t('field.bad')}
      </Base.Error>
      {/* What the server found; an error with a kind of its own is never shown for that. */}
      <Base.Validity>
        {({ validity }) => (SAID.some((kind) => validity[kind]) ? null : <Base.Error className={css.error} />)}
      </Base.Validity>
    </Base.Root>
  );
}

type Input = Omit<InputHTMLAttributes<HTMLInputElement>, 'name' | 'defaultValue' | 'value' | 'className'> & {
  defaultValue?: string;
  value?: string;
  ref?: Ref<HTMLInputElement>;
};

export const TextField = ({ name, label, hint, optional, className, ...input }: Frame & Input) => (
  <Wrap name={name} label={label} hint={hint} optional={optional ?? false} className={className ?? ''}>
    <Base.Control {...input} className={css.input} />
  </Wrap>
);

export function PasswordField({ name, label, hint, ...input }: Frame & Input) {
  const [shown, setShown] = useState(false);
  return (
    <Wrap name={name} label={label} hint={hint}>
      <span className={css.password}>
        <Base.Control
          {...input}
          type={shown ? 'text' : 'password'}
          className={css.input}
          autoCapitalize="none"
          spellCheck={false}
        />
        <IconButton
          label={shown ? t('password.hide') : t('password.show')}
          aria-pressed={shown}
          onClick={() => setShown(!shown)}
        >
          {shown ? <EyeOff size={17} /> : <Eye size={17} />}
        </IconButton>
      </span>
    </Wrap>
  );
}

export const TextArea = ({
  name,
  label,
  hint,
  optional,
  className,
  ...area
}: Frame & Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, 'name'>) => (
  <Wrap name={name} label={label} hint={hint} optional={optional ?? false} className={className ?? ''}>
    <Base.Control render={<textarea {...area} />} className={css.area} />
  </Wrap>
);

export const SelectField = ({
  name,
  label,
  hint,
  optional,
  className,
  children,
  ...select
}: Frame & Omit<SelectHTMLAttributes<HTMLSelectElement>, 'name'>) => (
  <Wrap name={name} label={label} hint={hint} optional={optional ?? false} className={className ?? ''}>
    <Base.Control render={<select {...select}>{children}</select>} className={css.select} />
  </Wrap>
);

/** The texts of a form, trimmed. */
export function texts(form: HTMLFormElement): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of new FormData(form)) if (typeof value === 'string') values[name] = value.trim();
  return values;
}

export const FormError = ({ children }: { children: ReactNode }) =>
  children ? (
    <p className={css.formError} role="alert">
      {children}
    </p>
  ) : null;
