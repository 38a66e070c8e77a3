import { Search, X } from 'lucide-react';
import { useEffect, useEffectEvent, useState } from 'react';
import { t } from '../words';
import { IconButton } from './Button';
import css from './search.module.css';

const TYPING_MS = 220;

/** A search field that tells what it holds when the fingers rest, and follows what its owner holds (Back, a saved view). */
export function SearchBox({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    if (value !== text.trim()) setText(value);
  }
  const tell = useEffectEvent(() => {
    if (text.trim() !== value) onChange(text.trim());
  });
  useEffect(() => {
    const timer = setTimeout(() => tell(), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label className={css.search}>
      <Search size={16} aria-hidden="true" />
      <input
        type="search"
        placeholder={t('leads.search')}
        aria-label={t('leads.search')}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {text && (
        <IconButton
          label={t('leads.search.clear')}
          size="s"
          onClick={() => {
            setText('');
            onChange('');
          }}
        >
          <X size={14} />
        </IconButton>
      )}
    </label>
  );
}
