import { Dialog } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode, RefObject } from 'react';
import { t } from '../words';
import { IconButton } from './Button';
import css from './modal.module.css';

interface Props {
  title: string;
  sub?: ReactNode;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  /** Where the focus goes first. */
  focus?: RefObject<HTMLElement | null>;
  /** No cross, no Escape: it must be answered. */
  firm?: boolean;
}

/** A dialog in the middle of the page, a sheet from below on a phone. */
export function Modal({ title, sub, onClose, children, wide, focus, firm }: Props) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && !firm && onClose()} disablePointerDismissal={firm}>
      <Dialog.Portal>
        <Dialog.Backdrop className={css.backdrop} />
        <Dialog.Popup className={css.modal} data-wide={wide || undefined} initialFocus={focus}>
          <header className={css.head}>
            <div>
              <Dialog.Title className={css.title}>{title}</Dialog.Title>
              {sub && <Dialog.Description className={css.sub}>{sub}</Dialog.Description>}
            </div>
            {!firm && (
              <Dialog.Close
                render={
                  <IconButton label={t('close')}>
                    <X size={18} />
                  </IconButton>
                }
              />
            )}
          </header>
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

export const ModalActions = ({ children }: { children: ReactNode }) => (
  <footer className={css.actions}>{children}</footer>
);
