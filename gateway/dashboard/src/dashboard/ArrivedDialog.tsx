import { Link } from '@tanstack/react-router';
import { Avatar } from '../design/Avatar';
import { Modal } from '../design/Modal';
import { chosenFrom } from '../leads/order';
import { useZone } from '../shell/me';
import { date } from '../time/format';
import type { Arrived } from './ArrivalsCard';
import css from './arrived.module.css';

interface Props {
  title: string;
  leads: Arrived[];
  onClose: () => void;
}

/** The leads that came in one hour of the week: no list can be asked for them, so they are named here. */
export default function ArrivedDialog({ title, leads, onClose }: Props) {
  const zone = useZone();
  return (
    <Modal title={title} onClose={onClose}>
      <ul className={css.list}>
        {leads.map((lead) => (
          <li key={lead.id}>
            <Link
              to="."
              search={(old) => ({ ...old, lead: lead.id })}
              resetScroll={false}
              className={css.lead}
              onClick={() => {
                chosenFrom(leads.map((one) => one.id));
                onClose();
              }}
            >
              <Avatar name={lead.name} size={32} />
              <span>
                <b>{lead.name}</b>
                {lead.company && <small>{lead.company}</small>}
              </span>
              <time className="num" dateTime={lead.createdAt}>
                {date(lead.createdAt, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }, zone)}
              </time>
            </Link>
          </li>
        ))}
      </ul>
    </Modal>
  );
}
