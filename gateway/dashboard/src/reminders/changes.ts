import type { InfiniteData } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { Reminder, ReminderPage } from '../api/model';
import { ApiError } from '../api/problem';
import { stir } from '../leads/cache';
import { queryClient } from '../query';
import { due } from '../time/format';
import { change, later } from '../undo/change';
import { t } from '../words';

const at = (id: string) => ({ params: { path: { id } } });
type Pages = InfiniteData<ReminderPage, string | undefined>;

/** Changes a reminder in every list that shows it; null takes it out. */
function edit(id: string, how: (reminder: Reminder) => Reminder | null): () => void {
  void queryClient.cancelQueries({ queryKey: ['reminders'] });
  const before = queryClient.getQueriesData({ queryKey: ['reminders'] });
  const through = (items: Reminder[]) => items.flatMap((one) => (one.id === id ? (how(one) ?? []) : one));
  for (const [key, data] of before) {
    if (Array.isArray(data)) queryClient.setQueryData(key, through(data as Reminder[]));
    else if (data && typeof data === 'object' && 'pages' in data)
      queryClient.setQueryData<Pages>(key, (pages) =>
        pages ? { ...pages, pages: pages.pages.map((page) => ({ ...page, items: through(page.items) })) } : pages,
      );
  }
  return () => {
    for (const [key, data] of before) queryClient.setQueryData(key, data);
    readAgain();
  };
}

function readAgain() {
  void queryClient.invalidateQueries({ queryKey: ['reminders'] });
  stir();
}

const reopen = (id: string) => ok(api.POST('/api/v1/reminders/{id}/reopen', at(id)));
const patch = (id: string, body: { dueAt?: string; message?: string; assigneeId?: string }) =>
  ok(api.PATCH('/api/v1/reminders/{id}', { ...at(id), body }));

export const completeReminder = (reminder: Reminder) =>
  change({
    // It stays where it is, ticked: what vanishes under the pointer is ticked by mistake.
    show: () => edit(reminder.id, (one) => ({ ...one, status: 'done', completedAt: new Date().toISOString() })),
    send: () => ok(api.POST('/api/v1/reminders/{id}/complete', at(reminder.id))),
    settle: readAgain,
    said: () => t('reminder.completed', { message: reminder.message }),
    undo: async () => {
      await reopen(reminder.id);
      readAgain();
    },
    failed: t('reminder.failed'),
  });

export const reopenReminder = (reminder: Reminder) =>
  change({
    show: () => edit(reminder.id, (one) => ({ ...one, status: 'pending', completedAt: null })),
    send: () => reopen(reminder.id),
    settle: readAgain,
    said: () => t('reminder.reopened', { message: reminder.message }),
    undo: async () => {
      await ok(api.POST('/api/v1/reminders/{id}/complete', at(reminder.id)));
      readAgain();
    },
    failed: t('reminder.failed'),
  });

export const snoozeReminder = (reminder: Reminder, until: number, zone: string) =>
  change({
    show: () => edit(reminder.id, () => null),
    send: () =>
      ok(
        api.POST('/api/v1/reminders/{id}/snooze', {
          ...at(reminder.id),
          body: { until: new Date(until).toISOString() },
        }),
      ),
    settle: readAgain,
    said: (saved) => t('reminder.snoozed', { until: due(saved.dueAt, Date.now(), zone) }),
    undo: async () => {
      await patch(reminder.id, { dueAt: reminder.dueAt });
      readAgain();
    },
    failed: t('reminder.failed'),
  });

export function editReminder(reminder: Reminder, body: { dueAt?: string; message?: string; assigneeId?: string }) {
  const back = { dueAt: reminder.dueAt, message: reminder.message, assigneeId: reminder.assignee.id };
  return change({
    send: () => patch(reminder.id, body),
    settle: readAgain,
    said: () => t('reminder.saved'),
    undo: async () => {
      await patch(reminder.id, back);
      readAgain();
    },
    failed: t('reminder.failed'),
    expects: (error) => error instanceof ApiError && error.status === 422,
  });
}

export const createReminder = (
  values: { leadId: string; dueAt: string; message: string; assigneeId?: string },
  zone: string,
) =>
  change({
    send: () => ok(api.POST('/api/v1/reminders', { body: values })),
    settle: readAgain,
    said: (reminder) => t('reminder.created', { when: due(reminder.dueAt, Date.now(), zone) }),
    undo: async (reminder) => {
      await ok(api.DELETE('/api/v1/reminders/{id}', at(reminder.id)));
      readAgain();
    },
    failed: t('reminder.created.failed'),
    expects: (error) => error instanceof ApiError && error.status === 422,
  });

export const deleteReminder = (reminder: Reminder) =>
  later({
    id: reminder.id,
    show: () => edit(reminder.id, () => null),
    send: async () => {
      await ok(api.DELETE('/api/v1/reminders/{id}', { ...at(reminder.id), keepalive: true }));
      readAgain();
    },
    said: t('reminder.deleted', { message: reminder.message }),
    failed: t('reminder.failed'),
    again: async () => {
      const { lead, dueAt, message, assignee } = reminder;
      const made = await ok(
        api.POST('/api/v1/reminders', { body: { leadId: lead.id, dueAt, message, assigneeId: assignee.id } }),
      );
      if (reminder.status === 'done') await ok(api.POST('/api/v1/reminders/{id}/complete', at(made.id)));
      readAgain();
    },
  });
