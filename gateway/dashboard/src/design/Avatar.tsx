import { initials } from '../time/format';
import css from './small.module.css';

const HUES = [152, 28, 265, 215, 340, 78, 190];

/** A person's or a lead's initials on a colour that stays theirs. Decoration: the name stands beside it or is read from `title`. */
export function Avatar({ name, size = 28, title }: { name: string; size?: number; title?: string }) {
  const hue = HUES[[...name].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) % HUES.length];
  return (
    <span
      className={css.avatar}
      aria-hidden="true"
      title={title}
      style={{
        width: size,
        height: size,
        fontSize: size * 0.37,
        background: `light-dark(oklch(0.91 0.055 ${hue}), oklch(0.36 0.06 ${hue}))`,
        color: `light-dark(oklch(0.36 0.09 ${hue}), oklch(0.92 0.06 ${hue}))`,
      }}
    >
      {initials(name)}
    </span>
  );
}
