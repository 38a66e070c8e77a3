import { api, ok } from '../api/client';
import type { Interval } from '../api/model';
import { type Day, dayOf } from '../time/zone';
import { complain, notify } from '../undo/notice';
import { t } from '../words';

/** Hands a file to the visitor. */
export function save(file: Blob, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** CSV for a spreadsheet: a byte-order mark, CRLF, and nothing that it could take for a formula. */
export function csv(rows: (string | number)[][]): string {
  const cell = (value: string | number) => {
    const text = String(value);
    const safe =
      typeof value === 'string' && /^[=+\-@\t\r]/.test(text) && !/^[-+]?[\d.,\s%]+$/.test(text) ? `'${text}` : text;
    return /[",;\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `\uFEFF${rows.map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}

/**
 * Hands over a file that the server makes. The browser follows a link that is good once: it can send no access token,
 * and a large file never has to pass through this page.
 */
export async function download(path: string): Promise<void> {
  try {
    const { url } = await ok(api.POST('/api/v1/downloads', { body: { path } }));
    const link = document.createElement('a');
    link.href = url;
    link.download = '';
    link.click();
    notify({ title: t('download.started') });
  } catch (error) {
    complain(t('download.failed'), error);
  }
}

const query = (values: Record<string, string | number | boolean | string[] | undefined>) => {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) params.append(key, String(one));
  }
  return params.toString();
};

export const downloadLeads = (
  format: 'csv' | 'xlsx',
  filter: Record<string, string | number | boolean | string[] | undefined> = {},
) => download(`/api/v1/leads/export?${query({ ...filter, format })}`);
export const downloadMonth = (month: string, format: 'pdf' | 'xlsx' | 'csv') =>
  download(`/api/v1/reports/monthly?${query({ month, format })}`);
export const downloadThisMonth = (zone: string) => downloadMonth(dayOf(Date.now(), zone).slice(0, 7), 'pdf');
/** The figures as a page shows them: in buckets of its interval, and of its range if it has one. */
export const downloadFigures = (format: 'csv' | 'xlsx', shown: { interval: Interval; from?: Day; to?: Day }) =>
  download(`/api/v1/analytics/export?${query({ ...shown, format })}`);
export const downloadImportErrors = (id: string) => download(`/api/v1/leads/imports/${id}/errors`);
