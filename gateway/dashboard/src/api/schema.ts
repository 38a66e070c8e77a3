// The REST contract as types, in the form that openapi-typescript writes: replaced by its output.
type Json<T> = { content: { 'application/json': T } };
type Fails = { default: { content: { 'application/problem+json': components['schemas']['Problem'] } } };
type Operation<Parameters, Body, Answer> = {
  parameters: Parameters & { header?: Record<string, string>; cookie?: never };
  responses: { 200: Json<Answer> } & Fails;
} & ([Body] extends [never] ? { requestBody?: never } : { requestBody: Json<Body> });
type Get<Answer, Query = never, Path = never> = Operation<
  ([Query] extends [never] ? { query?: never } : { query?: Query }) & ([Path] extends [never] ? { path?: never } : { path: Path }),
  never,
  Answer
>;
type Write<Answer, Body = never, Path = never, Query = never> = Operation<
  ([Query] extends [never] ? { query?: never } : { query?: Query }) & ([Path] extends [never] ? { path?: never } : { path: Path }),
  Body,
  Answer
>;
type None = {
  parameters: { query?: never; header?: never; path?: never; cookie?: never };
};
type Id = { id: string };
type S = components['schemas'];
type Zone = { tz?: string };
type Range = Zone & { from?: string; to?: string };
type Page = { limit?: number; cursor?: string };

export interface paths {
  '/api/v1/auth/register': None & { post: Write<S['Session'], { name: string; email: string; password: string; workspaceName?: string; timezone?: string }> };
  '/api/v1/auth/login': None & { post: Write<S['Session'], { email: string; password: string; workspaceId?: string }> };
  '/api/v1/auth/refresh': None & { post: Write<S['Token']> };
  '/api/v1/auth/logout': None & { post: Write<void> };
  '/api/v1/auth/me': None & { get: Get<S['Me']>; patch: Write<S['Me'], { name?: string }> };
  '/api/v1/auth/me/password': None & { post: Write<void, { currentPassword: string; newPassword: string }> };
  '/api/v1/auth/workspace': None & { post: Write<S['Token'], { workspaceId: string }> };
  '/api/v1/auth/sessions': None & { get: Get<S['Sessions']> };
  '/api/v1/auth/sessions/{id}': None & { delete: Write<void, never, Id> };
  '/api/v1/auth/invitations/accept': None & { post: Write<S['Session'], { token: string; name?: string; password: string }> };
  '/api/v1/workspace': None & { get: Get<S['Workspace']>; patch: Write<S['Workspace'], { name?: string; timezone?: string }> };
  '/api/v1/workspace/members': None & { get: Get<S['Members']> };
  '/api/v1/workspace/members/{userId}': None & {
    patch: Write<S['Member'], { role: S['Role'] }, { userId: string }>;
    delete: Write<void, never, { userId: string }>;
  };
  '/api/v1/workspace/invitations': None & { get: Get<S['Invitations']>; post: Write<S['NewInvitation'], { email: string; role: S['Role'] }> };
  '/api/v1/workspace/invitations/{id}': None & { delete: Write<void, never, Id> };
  '/api/v1/leads': None & { get: Get<S['LeadPage'], S['LeadQuery'] & Page>; post: Write<S['Lead'], S['NewLead']> };
  '/api/v1/leads/{id}': None & {
    get: Get<S['Lead'], never, Id>;
    patch: Write<S['Lead'], S['LeadPatch'], Id>;
    delete: Write<void, never, Id, { permanent?: boolean }>;
  };
  '/api/v1/leads/{id}/restore': None & { post: Write<S['Lead'], never, Id> };
  '/api/v1/leads/{id}/status': None & { patch: Write<S['Lead'], { status: S['Status']; reason?: string }, Id> };
  '/api/v1/leads/{id}/notes': None & { get: Get<S['NotePage'], Page, Id>; post: Write<S['Note'], { text: string }, Id> };
  '/api/v1/leads/{id}/notes/{noteId}': None & { delete: Write<void, never, { id: string; noteId: string }> };
  '/api/v1/leads/{id}/activity': None & { get: Get<S['ActivityPage'], Page, Id> };
  '/api/v1/leads/{id}/duplicates': None & { get: Get<S['Duplicates'], never, Id> };
  '/api/v1/leads/{id}/merge': None & { post: Write<S['Lead'], { from: string[] }, Id> };
  '/api/v1/leads/bulk': None & { post: Write<S['BulkResult'], S['BulkChange']> };
  '/api/v1/leads/import': None & { post: Write<{ id: string }, unknown, never, S['ImportOptions']> };
  '/api/v1/leads/imports/{id}': None & { get: Get<S['Import'], never, Id> };
  '/api/v1/activity': None & { get: Get<S['ActivityPage'], Page & { type?: string; leadId?: string }> };
  '/api/v1/reminders': None & {
    get: Get<S['ReminderPage'], Page & Zone & { view?: S['View']; status?: S['ReminderStatus']; leadId?: string; assignee?: string }>;
    post: Write<S['Reminder'], { leadId: string; dueAt: string; message: string; assigneeId?: string }>;
  };
  '/api/v1/reminders/{id}': None & {
    get: Get<S['Reminder'], never, Id>;
    patch: Write<S['Reminder'], { dueAt?: string; message?: string; assigneeId?: string }, Id>;
    delete: Write<void, never, Id>;
  };
  '/api/v1/reminders/{id}/complete': None & { post: Write<S['Reminder'], never, Id> };
  '/api/v1/reminders/{id}/reopen': None & { post: Write<S['Reminder'], never, Id> };
  '/api/v1/reminders/{id}/snooze': None & { post: Write<S['Reminder'], { until: string }, Id> };
  '/api/v1/analytics/summary': None & { get: Get<S['Summary'], Zone> };
  '/api/v1/analytics/by-status': None & { get: Get<S['ByStatus'], Range> };
  '/api/v1/analytics/by-source': None & { get: Get<S['BySource'], Range> };
  '/api/v1/analytics/created': None & { get: Get<S['Created'], Range & { interval?: S['Interval'] }> };
  '/api/v1/analytics/conversion': None & { get: Get<S['Conversion'], Zone & { months?: number }> };
  '/api/v1/analytics/funnel': None & { get: Get<S['Funnel'], Range> };
  '/api/v1/analytics/report': None & { get: Get<S['Report'], Zone & { period: S['Interval']; date?: string }> };
  '/api/v1/analytics/dashboard': None & { get: Get<S['Dashboard'], Zone & { interval?: S['Interval'] }> };
}

export interface components {
  schemas: {
    Problem: { type: string; title: string; status: number; detail?: string; instance?: string; requestId?: string; errors?: { field: string; message: string }[] };
    Role: 'owner' | 'admin' | 'member' | 'viewer';
    Status: 'New' | 'Contacted' | 'Qualified' | 'Converted' | 'Lost';
    Source: 'Website' | 'Referral' | 'Ad' | 'Other';
    Interval: 'day' | 'week' | 'month';
    View: 'today' | 'overdue' | 'upcoming' | 'all';
    ReminderStatus: 'pending' | 'done';
    User: { id: string; name: string; email: string; createdAt: string };
    Workspace: { id: string; name: string; timezone: string; createdAt: string; version: number };
    Token: { accessToken: string; tokenType: string; expiresIn: number };
    Session: S['Token'] & { user: S['User']; workspace: S['Workspace'] };
    Me: { user: S['User']; workspace: S['Workspace']; role: S['Role']; workspaces: { id: string; name: string; role: S['Role'] }[] };
    SessionInfo: { id: string; createdAt: string; lastUsedAt?: string; userAgent?: string | null; address?: string | null; current?: boolean };
    Sessions: { items: S['SessionInfo'][] };
    Person: { id: string; name: string };
    Member: { id: string; name: string; email: string; role: S['Role']; joinedAt?: string };
    Members: { items: S['Member'][] };
    Invitation: { id: string; email: string; role: S['Role']; expiresAt: string };
    NewInvitation: S['Invitation'] & { token: string };
    Invitations: { items: S['Invitation'][] };
    Total: { value: number; relation: 'eq' | 'gte' };
    Note: { id: string; text: string; author: S['Person']; createdAt: string };
    LeadRow: {
      id: string;
      name: string;
      email: string | null;
      phone: string | null;
      company: string | null;
      source: S['Source'];
      status: S['Status'];
      tags: string[];
      owner: S['Person'] | null;
      createdBy: S['Person'];
      createdAt: string;
      updatedAt: string;
      statusChangedAt: string;
      lastActivityAt: string;
      nextFollowUpAt: string | null;
      version: number;
      noteCount: number;
    };
    Lead: Omit<S['LeadRow'], 'noteCount'> & { notes: S['Note'][]; noteCount?: number };
    NewLead: {
      name: string;
      email?: string | null;
      phone?: string | null;
      company?: string | null;
      source?: S['Source'];
      status?: S['Status'];
      tags?: string[];
      ownerId?: string | null;
      note?: string;
    };
    LeadPatch: {
      name?: string;
      email?: string | null;
      phone?: string | null;
      company?: string | null;
      source?: S['Source'];
      status?: S['Status'];
      tags?: string[];
      ownerId?: string | null;
    };
    LeadQuery: {
      q?: string;
      status?: S['Status'][];
      source?: S['Source'][];
      tag?: string[];
      owner?: string;
      followUp?: 'none' | 'overdue' | 'today' | 'later';
      inactiveFor?: string;
      createdFrom?: string;
      createdTo?: string;
      updatedFrom?: string;
      updatedTo?: string;
      statusChangedFrom?: string;
      statusChangedTo?: string;
      trashed?: boolean;
      sort?: string;
      tz?: string;
    };
    LeadPage: { items: S['LeadRow'][]; nextCursor: string | null; total: S['Total'] };
    NotePage: { items: S['Note'][]; nextCursor: string | null; total: S['Total'] };
    Activity: { id: string; lead: S['Person']; type: string; actor: S['Person']; at: string; version: number; data: Record<string, unknown> };
    ActivityPage: { items: S['Activity'][]; nextCursor: string | null; total: S['Total'] };
    Duplicates: { items: { lead: S['LeadRow']; reasons: string[] }[] };
    BulkChange: {
      ids?: string[];
      filter?: S['LeadQuery'];
      setStatus?: S['Status'];
      addTags?: string[];
      removeTags?: string[];
      assignTo?: string | null;
      delete?: true;
    };
    BulkResult: { matched: number; changed: number; failed: { id: string; reason: string }[] };
    ImportOptions: { onDuplicate?: 'skip' | 'update' | 'create'; dryRun?: boolean; mapping?: string };
    Import: { id: string; state: 'queued' | 'running' | 'done' | 'failed' | 'undone'; rows: number; created: number; updated: number; skipped: number; failed: number };
    Reminder: {
      id: string;
      lead: S['Person'];
      dueAt: string;
      message: string;
      status: S['ReminderStatus'];
      assignee: S['Person'];
      createdBy: S['Person'];
      createdAt: string;
      completedAt: string | null;
      version: number;
    };
    ReminderPage: { items: S['Reminder'][]; nextCursor: string | null; total: S['Total'] };
    Summary: {
      totalLeads: number;
      newToday: number;
      convertedThisWeek: number;
      lostThisMonth: number;
      previous: { newToday: number; convertedThisWeek: number; lostThisMonth: number };
      asOf: string;
    };
    ByStatus: { items: { status: S['Status']; count: number }[] };
    BySource: { items: { source: S['Source']; count: number; converted: number }[] };
    Created: { interval: S['Interval']; items: { start: string; count: number; bySource: Record<S['Source'], number> }[] };
    Conversion: { items: { month: string; created: number; converted: number; rate: number | null; cohortConverted: number; cohortRate: number | null }[] };
    Funnel: { items: { status: S['Status']; reached: number; rate: number | null; stepRate: number | null; medianHours: number | null }[] };
    Figures: { created: number; contacted: number; qualified: number; converted: number; lost: number; rate: number | null };
    Report: {
      period: S['Interval'];
      start: string;
      end: string;
      figures: S['Figures'];
      previous: S['Figures'];
      byStatus: S['ByStatus']['items'];
      bySource: S['BySource']['items'];
    };
    Dashboard: {
      summary: S['Summary'];
      byStatus: S['ByStatus'];
      bySource: S['BySource'];
      created: S['Created'];
      conversion: S['Conversion'];
      funnel: S['Funnel'];
      reminders: { today: S['Reminder'][]; overdue: S['Reminder'][] };
      activity: S['Activity'][];
    };
  };
}
