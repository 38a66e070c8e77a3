// Calls that the contract has and `openapi.json` does not describe yet: typed here until it does.
import { raw } from './client';
import type { Lead } from './model';

export const mergeLeads = async (id: string, from: string[]): Promise<Lead> => {
  const response = await raw(`/api/v1/leads/${encodeURIComponent(id)}/merge`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ from }),
  });
  return (await response.json()) as Lead;
};
