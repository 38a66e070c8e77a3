import { api, ok } from '../api/client';
import { leave, moved, take } from '../api/session';
import { queryClient } from '../query';
import { deviceZone } from '../time/zone';
import { complain } from '../undo/notice';
import { t } from '../words';

export async function signIn(email: string, password: string) {
  take(await ok(api.POST('/api/v1/auth/login', { body: { email, password } })));
  queryClient.clear();
}

/** Signs the same person in again over the page, into the workspace that is open. */
export async function signInAgain(email: string, password: string, workspaceId: string) {
  take(await ok(api.POST('/api/v1/auth/login', { body: { email, password, workspaceId } })));
}

export async function register(values: { name: string; email: string; password: string; workspaceName?: string }) {
  take(await ok(api.POST('/api/v1/auth/register', { body: { ...values, timezone: deviceZone() } })));
  queryClient.clear();
}

export async function acceptInvitation(values: { token: string; name?: string; password: string }) {
  take(await ok(api.POST('/api/v1/auth/invitations/accept', { body: values })));
  queryClient.clear();
}

/** Ends the session; a server that can't be reached does not keep anybody signed in on this page. */
export async function signOut() {
  await ok(api.POST('/api/v1/auth/logout', {})).catch(() => undefined);
  goOut();
}

/** Leaves the page of a session that is over. */
export function goOut() {
  leave();
  queryClient.clear();
  location.assign('/sign-in');
}

export async function switchWorkspace(workspaceId: string) {
  try {
    take(await ok(api.POST('/api/v1/auth/workspace', { body: { workspaceId } })));
    moved();
    location.assign('/');
  } catch (error) {
    complain(t('workspace.switch.failed'), error);
  }
}
