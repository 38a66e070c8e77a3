import { Link } from '@tanstack/react-router';
import { ChevronRight } from 'lucide-react';
import { Avatar } from '../design/Avatar';
import { Modal } from '../design/Modal';
import { t } from '../words';
import { useCanWrite, useMe } from './me';
import { PLACES } from './navigation';
import css from './more.module.css';
import { useAccountMenu } from './Sidebar';

const ON_BAR = new Set(['/', '/leads', '/pipeline']);

/** On a phone: the pages that have no tab, and the account. */
export default function More({ onClose }: { onClose: () => void }) {
  const me = useMe();
  const canWrite = useCanWrite();
  const account = useAccountMenu();
  return (
    <Modal title={me.user.name} sub={me.workspace.name} onClose={onClose}>
      <ul className={css.list}>
        {PLACES.filter((place) => !ON_BAR.has(place.to) && (canWrite || !place.writes)).map(
          ({ to, icon: Icon, label }) => (
            <li key={to}>
              <Link to={to} onClick={onClose}>
                <Icon size={19} aria-hidden="true" />
                <span>{t(label)}</span>
                <ChevronRight size={16} aria-hidden="true" />
              </Link>
            </li>
          ),
        )}
      </ul>
      <ul className={css.list}>
        {account.map((part, i) =>
          part === 'line' ? null : 'heading' in part ? (
            <li key={i} className={css.heading}>
              {part.heading}
            </li>
          ) : (
            <li key={i}>
              <button
                type="button"
                onClick={() => {
                  onClose();
                  part.onSelect();
                }}
              >
                {part.icon ? <part.icon size={19} aria-hidden="true" /> : <Avatar name={part.label} size={20} />}
                <span>{part.label}</span>
                {part.hint && part.hint !== '?' && <small>{part.hint}</small>}
              </button>
            </li>
          ),
        )}
      </ul>
    </Modal>
  );
}
