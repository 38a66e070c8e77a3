import { Toast } from '@base-ui/react/toast';
import { X } from 'lucide-react';
import { useEffect } from 'react';
import { t } from '../words';
import { showWith } from './toasts';
import css from './toasts.module.css';

const manager = Toast.createToastManager();

export default function Toasts() {
  // What was said before this was there to show it. Here, and not further in: the provider listens by now.
  useEffect(() => showWith(manager), []);
  return (
    <Toast.Provider toastManager={manager} timeout={6000} limit={4}>
      <Toast.Portal>
        <Toast.Viewport className={css.viewport}>
          <List />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function List() {
  return Toast.useToastManager().toasts.map((toast) => (
    <Toast.Root
      key={toast.id}
      toast={toast}
      className={css.toast}
      data-kind={toast.type}
      data-toast=""
      swipeDirection={['down', 'right']}
    >
      <div className={css.words}>
        <Toast.Title render={<span />} className={css.title} />
        <Toast.Description render={<span />} className={css.more} />
      </div>
      {toast.actionProps && <Toast.Action className={css.action} />}
      <Toast.Close className={css.close} aria-label={t('close')}>
        <X size={15} />
      </Toast.Close>
    </Toast.Root>
  ));
}
