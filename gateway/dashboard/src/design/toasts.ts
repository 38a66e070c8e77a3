import { Toast } from '@base-ui/react/toast';

/** The queue of what is said at the lower edge; `Toasts` shows it. */
export const toasts = Toast.createToastManager();
