import type { components, paths } from './schema';

type Schemas = components['schemas'];

export type Problem = Schemas['Problem'];
export type Role = Schemas['Role'];
export type Status = Schemas['Status'];
export type Reachable = Schemas['Reachable'];
export type Enterable = Schemas['Enterable'];
export type ImportOutcome = Schemas['ImportOutcome'];
export type Source = Schemas['Source'];
export type Interval = Schemas['Interval'];
export type User = Schemas['User'];
export type Me = Schemas['Me'];
export type Workspace = Schemas['Workspace'];
export type Person = Schemas['Person'];
export type Member = Schemas['Member'];
export type Invitation = Schemas['Invitation'];
export type NewInvitation = Schemas['NewInvitation'];
export type SessionInfo = Schemas['SessionInfo'];
export type Lead = Schemas['Lead'];
export type LeadRow = Schemas['LeadRow'];
export type LeadPage = Schemas['LeadPage'];
export type NewLead = Schemas['NewLead'];
/** The fields of a lead that a person writes. */
export type LeadPatch = Partial<Pick<Lead, 'name' | 'email' | 'phone' | 'company' | 'source' | 'status' | 'tags'>> & {
  ownerId?: string | null;
};
/** Which leads a list has, and in what order. */
export type LeadQuery = Omit<NonNullable<paths['/api/v1/leads']['get']['parameters']['query']>, 'limit' | 'cursor'>;
export type Note = Schemas['Note'];
export type Activity = Schemas['Activity'];
export type ActivityType = Schemas['ActivityType'];
export type ActivityPage = Schemas['ActivityPage'];
export type BulkChange = Schemas['BulkChange'];
export type BulkResult = Schemas['BulkResult'];
export type Import = Schemas['Import'];
export type ImportPage = Schemas['ImportPage'];
export type OnDuplicate = Schemas['OnDuplicate'];
export type PreviewRow = Schemas['PreviewRow'];
export type Reminder = Schemas['Reminder'];
export type ReminderPage = Schemas['ReminderPage'];
export type Summary = Schemas['Summary'];
export type Created = Schemas['Created'];
export type Conversion = Schemas['Conversion'];
export type Funnel = Schemas['Funnel'];
export type Report = Schemas['Report'];
export type Figures = Schemas['Figures'];
export type DashboardData = Schemas['Dashboard'];

/** The stages in the order of the pipeline. */
export const STATUSES: readonly Status[] = ['New', 'Contacted', 'Qualified', 'Converted', 'Lost'];
export const REACHABLE: readonly Reachable[] = ['New', 'Contacted', 'Qualified', 'Converted'];
export const ENTERABLE: readonly Enterable[] = ['Contacted', 'Qualified', 'Converted', 'Lost'];
export const IMPORT_OUTCOMES: readonly ImportOutcome[] = ['created', 'updated'];
/** Where leads come from, in the contract's order. */
export const SOURCES: readonly Source[] = ['Website', 'Referral', 'Ad', 'Other'];
export const ROLES: readonly Role[] = ['owner', 'admin', 'member', 'viewer'];
