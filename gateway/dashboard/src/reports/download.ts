import { raw } from '../api/client';
import { ApiError } from '../api/problem';
import { downloadLink } from '../api/undescribed';
import { dayOf } from '../time/zone';
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

const nameOf = (response: Response, fallback: string) => {
  const header = response.headers.get('Content-Disposition') ?? '';
  const extended = /filename\*=UTF-8''([^;]+)/i.exec(header)?.[1];
  return extended ? decodeURIComponent(extended) : (/filename="?([^";]+)"?/i.exec(header)?.[1] ?? fallback);
};

function follow(url: string) {
  const link = document.createElement('a');
  link.href = url;
  link.download = '';
  link.click();
}

/**
 * Hands over a file that the server makes: by a link that the browser follows itself, so that a large file never
 * passes through this page; from a server that makes no links, through the page.
 */
export async function download(path: string, fallback: string): Promise<void> {
  try {
    const link = await downloadLink(path).catch((error: unknown) => {
      if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return null;
      throw error;
    });
    if (link) {
      follow(link.url);
      void notify({ title: t('download.started') });
      return;
    }
    const response = await raw(path);
    const name = nameOf(response, fallback);
    save(await response.blob(), name);
    void notify({ title: t('download.done', { name }) });
  } catch (error) {
    const missing = error instanceof ApiError && error.status === 404;
    if (missing) void notify({ title: t('download.failed'), description: t('download.unavailable'), kind: 'error' });
    else void complain(t('download.failed'), error);
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
) => download(`/api/v1/leads/export?${query({ ...filter, format })}`, `leads.${format}`);
export const downloadMonth = (month: string, format: 'pdf' | 'xlsx' | 'csv') =>
  download(`/api/v1/reports/monthly?${query({ month, format })}`, `leadline-${month}.${format}`);
export const downloadThisMonth = (zone: string) => downloadMonth(dayOf(Date.now(), zone).slice(0, 7), 'pdf');
export const downloadFigures = (format: 'csv' | 'xlsx') =>
  download(`/api/v1/analytics/export?${query({ format })}`, `figures.${format}`);
