import { ArrowDownRight, ArrowRight, ArrowUpRight, type LucideIcon, RotateCw, TriangleAlert, X } from 'lucide-react';
import type { InputHTMLAttributes, ReactNode } from 'react';
import { ApiError } from '../api/problem';
import { share, time } from '../time/format';
import { deviceZone } from '../time/zone';
import { t } from '../words';
import { Button } from './Button';
import css from './small.module.css';

/** A key. `hidden`: not part of the name of the button that it stands on. */
export const Kbd = ({ children, hidden }: { children: ReactNode; hidden?: boolean }) => (
  <kbd className={css.kbd} aria-hidden={hidden}>
    {children}
  </kbd>
);

/** A place-holder in the shape of what is coming; shows itself after 150 ms only, so that quick answers don't flicker. */
export const Skeleton = ({
  height,
  width = '100%',
  radius,
}: {
  height: number | string;
  width?: number | string;
  radius?: number;
}) => <div className={css.skeleton} style={{ height, width, borderRadius: radius }} />;

interface Change {
  now: number;
  before: number;
  goodWhenUp?: boolean;
  /** The first figure is not complete yet, while the second is: that it is less is no bad news. */
  soFar?: boolean;
}
/** The change from one figure to another of the same kind, as a percentage. */
export function Delta({ now, before, goodWhenUp = true, soFar = false }: Change) {
  const change = before ? now / before - 1 : 0;
  const flat = Math.abs(change) < 0.005;
  const Icon = flat ? ArrowRight : change > 0 ? ArrowUpRight : ArrowDownRight;
  if (!before)
    return (
      <span className={css.delta} data-tone="flat">
        {now ? t('delta.new') : t('delta.none')}
      </span>
    );
  return (
    <span
      className={`${css.delta} num`}
      data-tone={flat || (soFar && change < 0) ? 'flat' : change > 0 === goodWhenUp ? 'good' : 'bad'}
    >
      <Icon size={14} aria-hidden="true" />
      {change > 0 ? '+' : ''}
      {share(change, 1)}
    </span>
  );
}

export function Chip({ children, name, onRemove }: { children: ReactNode; name: string; onRemove: () => void }) {
  return (
    <span className={css.chip}>
      {children}
      <button type="button" aria-label={t('filter.remove', { name })} onClick={onRemove}>
        <X size={14} />
      </button>
    </span>
  );
}

export const Tag = ({ children, onRemove }: { children: string; onRemove?: () => void }) => (
  <span className={css.tag}>
    {children}
    {onRemove && (
      <button type="button" aria-label={t('tag.remove', { tag: children })} onClick={onRemove}>
        <X size={12} />
      </button>
    )}
  </span>
);

export function Empty({
  icon: Icon,
  title,
  children,
  actions,
  quiet,
}: {
  icon?: LucideIcon;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  quiet?: boolean;
}) {
  return (
    <div className={css.empty} data-quiet={quiet || undefined}>
      {Icon && (
        <span className={css.emptyIcon}>
          <Icon size={22} aria-hidden="true" />
        </span>
      )}
      <b>{title}</b>
      {children && <p>{children}</p>}
      {actions && <div className={css.emptyActions}>{actions}</div>}
    </div>
  );
}

/** What an error says to a person. */
export function reason(error: unknown): string {
  if (!(error instanceof ApiError)) return t('error.unknown');
  if (error.offline) return t('error.offline');
  if (error.status === 403) return t('error.forbidden');
  if (error.status === 429) return t('error.tooMany');
  if (error.status >= 500) return t('error.server');
  const first = Object.values(error.fields)[0];
  return first ?? error.message;
}

/** An error in the place of what it concerns, with the way to try again. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const id = error instanceof ApiError ? error.requestId : undefined;
  return (
    <div className={css.failed} role="alert">
      <TriangleAlert size={18} aria-hidden="true" />
      <p>
        {reason(error)}
        {id && error instanceof ApiError && error.status >= 500 && <small>{t('error.request', { id })}</small>}
      </p>
      {onRetry && (
        <Button onClick={onRetry}>
          <RotateCw size={14} aria-hidden="true" />
          {t('retry')}
        </Button>
      )}
    </div>
  );
}

/** Old data, shown because new data could not be had. */
export const Stale = ({ at, onRetry }: { at: number; onRetry: () => void }) => (
  <button type="button" className={css.stale} onClick={onRetry} title={t('retry')}>
    <RotateCw size={12} aria-hidden="true" />
    {t('stale', { time: time(at, deviceZone()) })}
  </button>
);

interface Choice<V extends string> {
  value: V;
  label: string;
}
/** One of few, as a row: real radio buttons, so that the keyboard works as people know it. */
export function Segmented<V extends string>({
  value,
  onChange,
  options,
  label,
  name,
}: {
  value: V;
  onChange: (value: V) => void;
  options: Choice<V>[];
  label: string;
  name: string;
}) {
  return (
    <div role="radiogroup" aria-label={label} className={css.segmented}>
      {options.map((option) => (
        <label key={option.value}>
          <input type="radio" name={name} checked={option.value === value} onChange={() => onChange(option.value)} />
          <span>{option.label}</span>
        </label>
      ))}
    </div>
  );
}

export const Checkbox = ({
  label,
  indeterminate,
  ...rest
}: Omit<InputHTMLAttributes<HTMLInputElement>, 'type'> & { label: string; indeterminate?: boolean }) => (
  <input
    type="checkbox"
    aria-label={label}
    {...rest}
    className={css.checkbox}
    ref={(input) => {
      if (input) input.indeterminate = indeterminate ?? false;
    }}
  />
);

export const Switch = ({
  label,
  hint,
  ...rest
}: Omit<InputHTMLAttributes<HTMLInputElement>, 'type'> & { label: string; hint?: string }) => (
  <label className={css.switch}>
    <span>
      {label}
      {hint && <small>{hint}</small>}
    </span>
    <input type="checkbox" role="switch" aria-checked={rest.checked ?? false} {...rest} />
  </label>
);

/** Figures as a table: what every chart can turn into. */
export function DataTable({ head, rows, caption }: { head: string[]; rows: (string | number)[][]; caption: string }) {
  return (
    <div className={css.tableWrap} tabIndex={0} role="region" aria-label={caption}>
      <table className={`${css.table} num`}>
        <caption className="sr">{caption}</caption>
        <thead>
          <tr>
            {head.map((text) => (
              <th key={text} scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={String(row[0])}>
              {row.map((cell, i) =>
                i === 0 ? (
                  <th key={head[i]} scope="row">
                    {cell}
                  </th>
                ) : (
                  <td key={head[i]}>{cell}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
