import { Menu as Base } from '@base-ui/react/menu';
import { Check } from 'lucide-react';
import { Fragment, type ReactNode } from 'react';
import { Kbd } from './Small';
import type { MenuPart, MenuProps } from './Menu';
import css from './menu.module.css';

function Part({ part }: { part: MenuPart }): ReactNode {
  if (part === 'line') return <Base.Separator className={css.line} />;
  if ('heading' in part) return <div className={css.heading}>{part.heading}</div>;
  const { label, icon: Icon, mark, hint, tone, checked, disabled, onSelect } = part;
  const inside = (
    <>
      {Icon ? <Icon size={16} aria-hidden="true" /> : mark}
      <span>{label}</span>
      {hint && <Kbd>{hint}</Kbd>}
    </>
  );
  if (checked !== undefined)
    return (
      <Base.CheckboxItem
        checked={checked}
        onCheckedChange={onSelect}
        closeOnClick={false}
        className={css.item}
        disabled={disabled}
      >
        {inside}
        <Base.CheckboxItemIndicator className={css.tick} keepMounted>
          {checked && <Check size={15} aria-hidden="true" />}
        </Base.CheckboxItemIndicator>
      </Base.CheckboxItem>
    );
  return (
    <Base.Item className={css.item} data-tone={tone} onClick={onSelect} disabled={disabled}>
      {inside}
    </Base.Item>
  );
}

export default function OpenMenu({ trigger, items, align = 'end', side = 'bottom' }: MenuProps) {
  return (
    <Base.Root defaultOpen modal={false}>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner className={css.position} sideOffset={6} align={align} side={side} collisionPadding={12}>
          <Base.Popup className={css.menu}>
            {items.map((part, i) => (
              <Fragment key={i}>
                <Part part={part} />
              </Fragment>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}
