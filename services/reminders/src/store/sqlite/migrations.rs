//! The tables.

use leadline_storage::Migration;

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "reminders",
        sql: "
CREATE TABLE leads (
    workspace TEXT NOT NULL,
    id        TEXT NOT NULL,
    version   INTEGER NOT NULL,
    name      TEXT NOT NULL,
    deleted   INTEGER NOT NULL,
    revision  INTEGER NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE reminders (
    id         TEXT PRIMARY KEY,
    workspace  TEXT NOT NULL,
    lead       TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    message    TEXT NOT NULL,
    done_at    INTEGER,
    done       INTEGER GENERATED ALWAYS AS (done_at IS NOT NULL) VIRTUAL,
    assignee   TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    armed      INTEGER NOT NULL,
    hidden     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reminders_by_due ON reminders (workspace, hidden, due_at, id);
CREATE INDEX reminders_by_status ON reminders (workspace, hidden, done, due_at, id);
CREATE INDEX reminders_by_assignee ON reminders (workspace, hidden, assignee, done, due_at, id);
CREATE INDEX reminders_by_lead ON reminders (workspace, lead, done, due_at, id);
-- For the clock, which works across workspaces.
CREATE INDEX reminders_armed ON reminders (due_at) WHERE armed = 1 AND hidden = 0;

CREATE TABLE outbox (
    row       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL,
    workspace TEXT NOT NULL,
    key       TEXT NOT NULL,
    at        INTEGER NOT NULL,
    event     BLOB NOT NULL,
    published INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_pending ON outbox (row) WHERE published = 0;
CREATE INDEX outbox_due ON outbox (workspace, id) WHERE key = 'reminder.due';
CREATE INDEX outbox_published ON outbox (at) WHERE published = 1;
CREATE TABLE parked (
    row      INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (row, consumer)
) STRICT, WITHOUT ROWID;

CREATE TABLE once (
    id          TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer      BLOB NOT NULL,
    at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX once_by_time ON once (at);
",
    },
    Migration {
        version: 2,
        name: "merged leads",
        // A reminder's own lead is `origin`; `lead` is the one that shows it, where its own went.
        sql: "
ALTER TABLE leads ADD COLUMN merged_into TEXT;
CREATE INDEX leads_by_merged ON leads (workspace, merged_into) WHERE merged_into IS NOT NULL;
ALTER TABLE reminders ADD COLUMN origin TEXT NOT NULL DEFAULT '';
UPDATE reminders SET origin = lead;
CREATE INDEX reminders_by_origin ON reminders (workspace, origin);
",
    },
    Migration {
        version: 3,
        name: "erased workspaces",
        // Kept for ever, without a name.
        sql: "
CREATE TABLE erased (
    workspace TEXT PRIMARY KEY,
    at        INTEGER NOT NULL,
    done      INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_open ON erased (at) WHERE done = 0;
CREATE INDEX outbox_by_workspace ON outbox (workspace);
",
    },
    Migration {
        version: 4,
        name: "which due time was told, and what is told of whom",
        // Answers and events go with the leads that they tell of. No due time is known to be told of what is older: it could
        // be told again only within a minute after it was.
        sql: "
ALTER TABLE reminders ADD COLUMN told_due_at INTEGER;
ALTER TABLE once ADD COLUMN erased INTEGER NOT NULL DEFAULT 0 CHECK (erased IN (0, 1));
CREATE TABLE once_leads (
    once      TEXT NOT NULL,
    workspace TEXT NOT NULL,
    lead      TEXT NOT NULL,
    PRIMARY KEY (once, lead)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_leads_by_lead ON once_leads (workspace, lead);
CREATE TRIGGER once_gone AFTER DELETE ON once BEGIN
    DELETE FROM once_leads WHERE once = old.id;
END;
ALTER TABLE outbox ADD COLUMN lead TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN erased INTEGER NOT NULL DEFAULT 0 CHECK (erased IN (0, 1));
CREATE INDEX outbox_by_lead ON outbox (workspace, lead);
",
    },
];
