//! The tables of a SQLite file of leads.

use leadline_storage::Migration;

/// Ids are UUIDs in 16 bytes and a workspace is a small number of this file: every index of leads carries both.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "leads, notes, log",
        sql: "
CREATE TABLE workspaces (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id     BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE leads (
    row                INTEGER PRIMARY KEY,
    workspace          INTEGER NOT NULL REFERENCES workspaces (number),
    id                 BLOB    NOT NULL UNIQUE,
    version            INTEGER NOT NULL,
    trashed            INTEGER NOT NULL CHECK (trashed IN (0, 1)),
    status             INTEGER NOT NULL CHECK (status BETWEEN 1 AND 5),
    source             INTEGER NOT NULL CHECK (source BETWEEN 1 AND 4),
    owner              BLOB,
    created_by         BLOB    NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    status_changed_at  INTEGER NOT NULL,
    last_activity_at   INTEGER NOT NULL,
    next_follow_up_at  INTEGER,
    follow_up_revision INTEGER NOT NULL DEFAULT 0,
    deleted_at         INTEGER,
    note_count         INTEGER NOT NULL,
    stages             BLOB    NOT NULL, -- 17 bytes a stage: its rank, first and last entered, big-endian
    name               TEXT    NOT NULL,
    email              TEXT,
    phone              TEXT,
    company            TEXT,
    tags               TEXT    NOT NULL, -- one a line
    name_key           TEXT    NOT NULL,
    company_key        TEXT,
    search             TEXT    NOT NULL,
    digits             TEXT    NOT NULL
) STRICT;
CREATE INDEX leads_by_created        ON leads (workspace, trashed, created_at, id);
CREATE INDEX leads_by_updated        ON leads (workspace, trashed, updated_at, id);
CREATE INDEX leads_by_name           ON leads (workspace, trashed, name_key, id);
CREATE INDEX leads_by_company        ON leads (workspace, trashed, company_key, id);
CREATE INDEX leads_by_stage          ON leads (workspace, trashed, status, id);
CREATE INDEX leads_by_status         ON leads (workspace, trashed, status, created_at, id);
CREATE INDEX leads_by_source         ON leads (workspace, trashed, source, created_at, id);
CREATE INDEX leads_by_owner          ON leads (workspace, trashed, owner, created_at, id);
CREATE INDEX leads_by_follow_up      ON leads (workspace, trashed, next_follow_up_at, created_at, id);
CREATE INDEX leads_by_activity       ON leads (workspace, trashed, last_activity_at);
CREATE INDEX leads_by_status_changed ON leads (workspace, trashed, status, status_changed_at);
-- For the sweep of the trash, which works across workspaces.
CREATE INDEX leads_by_deleted        ON leads (deleted_at) WHERE trashed = 1;

CREATE TABLE lead_tags (
    workspace  INTEGER NOT NULL,
    trashed    INTEGER NOT NULL,
    tag        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    row        INTEGER NOT NULL,
    PRIMARY KEY (workspace, trashed, tag, created_at, id)
) STRICT, WITHOUT ROWID;

-- Each lead's grams as tokens that begin with the workspace's number: no workspace pays for the size of another.
CREATE VIRTUAL TABLE grams USING fts5(tokens, content='', contentless_delete=1, detail=none, tokenize='ascii');

CREATE TABLE notes (
    lead       INTEGER NOT NULL REFERENCES leads (row),
    id         BLOB    NOT NULL,
    author     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    text       TEXT    NOT NULL,
    PRIMARY KEY (lead, id)
) STRICT, WITHOUT ROWID;

-- The log, which is the outbox too.
CREATE TABLE activity (
    row        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         BLOB    NOT NULL,
    workspace  INTEGER NOT NULL REFERENCES workspaces (number),
    lead       BLOB    NOT NULL,
    kind       INTEGER NOT NULL,
    written_at INTEGER NOT NULL,
    published  INTEGER NOT NULL DEFAULT 0,
    hidden     INTEGER NOT NULL DEFAULT 0,
    event      BLOB    NOT NULL
) STRICT;
CREATE INDEX activity_unpublished  ON activity (row) WHERE published = 0;
CREATE INDEX activity_by_workspace ON activity (workspace, id) WHERE hidden = 0;
CREATE INDEX activity_by_lead      ON activity (workspace, lead, id) WHERE hidden = 0;
CREATE INDEX activity_by_kind      ON activity (workspace, kind, id) WHERE hidden = 0;

CREATE TABLE parked (
    row      INTEGER NOT NULL,
    consumer TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    event    BLOB    NOT NULL,
    PRIMARY KEY (row, consumer)
) STRICT;

CREATE TABLE once (
    id          TEXT    PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    answer      BLOB    NOT NULL,
    at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX once_by_time ON once (at);
",
    },
    Migration {
        version: 2,
        name: "keys of likely duplicates",
        // The second line of what is searched is the address, normalised. Computed, so that no writer can forget them.
        sql: "
ALTER TABLE leads ADD COLUMN email_key TEXT GENERATED ALWAYS AS (
    nullif(
        substr(
            substr(search, instr(search, char(10)) + 1),
            1,
            instr(substr(search, instr(search, char(10)) + 1), char(10)) - 1
        ),
        ''
    )
) VIRTUAL;
ALTER TABLE leads ADD COLUMN domain_key TEXT GENERATED ALWAYS AS (
    CASE WHEN instr(email_key, '@') > 0 THEN substr(email_key, instr(email_key, '@') + 1) END
) VIRTUAL;
CREATE INDEX leads_by_email        ON leads (workspace, email_key) WHERE trashed = 0 AND email_key IS NOT NULL;
CREATE INDEX leads_by_digits       ON leads (workspace, digits) WHERE trashed = 0 AND length(digits) >= 6;
CREATE INDEX leads_by_company_name ON leads (workspace, company_key, name_key)
    WHERE trashed = 0 AND company_key IS NOT NULL;
CREATE INDEX leads_by_domain_name  ON leads (workspace, domain_key, name_key)
    WHERE trashed = 0 AND domain_key IS NOT NULL;
",
    },
    Migration {
        version: 3,
        name: "imports",
        sql: "
CREATE TABLE imports (
    row          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    workspace    INTEGER NOT NULL REFERENCES workspaces (number),
    state        INTEGER NOT NULL CHECK (state BETWEEN 0 AND 6), -- 0: its file is coming in
    task         BLOB    NOT NULL,
    preview      BLOB    NOT NULL,
    created      INTEGER NOT NULL DEFAULT 0,
    updated      INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    total        INTEGER,
    created_by   BLOB,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    reason       TEXT,
    taken_back   INTEGER NOT NULL DEFAULT 0,
    kept         INTEGER NOT NULL DEFAULT 0,
    undone_by    BLOB,
    holder       BLOB,
    leased_until INTEGER NOT NULL DEFAULT 0,
    swept        INTEGER NOT NULL DEFAULT 0 CHECK (swept BETWEEN 0 AND 2) -- 1: partly
) STRICT;
CREATE INDEX imports_by_workspace      ON imports (workspace, id) WHERE state > 0;
CREATE INDEX imports_of_workspace_open ON imports (workspace, leased_until) WHERE state IN (1, 2, 5);
-- For the worker and the sweep, which work across workspaces.
CREATE INDEX imports_open              ON imports (id) WHERE state IN (1, 2, 5);
CREATE INDEX imports_coming            ON imports (created_at) WHERE state = 0;
CREATE INDEX imports_ended             ON imports (finished_at) WHERE swept < 2 AND finished_at IS NOT NULL;

CREATE TABLE import_pieces (
    row    INTEGER PRIMARY KEY,
    import INTEGER NOT NULL REFERENCES imports (row),
    nth    INTEGER NOT NULL,
    piece  BLOB    NOT NULL,
    UNIQUE (import, nth)
) STRICT;

CREATE TABLE import_failures (
    import INTEGER NOT NULL REFERENCES imports (row),
    nth    INTEGER NOT NULL,
    line   INTEGER NOT NULL,
    cells  BLOB    NOT NULL,
    reason TEXT    NOT NULL,
    PRIMARY KEY (import, nth)
) STRICT, WITHOUT ROWID;

-- What it takes to take a lead back. Without former fields, the import has made it.
CREATE TABLE import_traces (
    import INTEGER NOT NULL REFERENCES imports (row),
    lead   BLOB    NOT NULL,
    before INTEGER NOT NULL,
    after  INTEGER NOT NULL,
    former BLOB,
    notes  BLOB    NOT NULL,
    PRIMARY KEY (import, lead)
) STRICT, WITHOUT ROWID;

-- Keys of leads that a dry run would have made.
CREATE TABLE import_seen (
    import INTEGER NOT NULL REFERENCES imports (row),
    key    TEXT    NOT NULL,
    PRIMARY KEY (import, key)
) STRICT, WITHOUT ROWID;
",
    },
    Migration {
        version: 4,
        name: "merges",
        // A lead that went into another leaves its table, and with it every index: nothing has to leave it out.
        sql: "
CREATE TABLE merges (
    id        BLOB    PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspaces (number),
    into_lead BLOB    NOT NULL,
    at        INTEGER NOT NULL,
    email     TEXT,
    phone     TEXT,
    company   TEXT,
    owner     BLOB,
    tags      TEXT    NOT NULL -- one a line
) STRICT, WITHOUT ROWID;
CREATE INDEX merges_by_lead ON merges (workspace, into_lead, id);
-- For the sweep, which works across workspaces.
CREATE INDEX merges_by_time ON merges (at);

CREATE TABLE merged (
    row                INTEGER PRIMARY KEY,
    id                 BLOB    NOT NULL UNIQUE,
    workspace          INTEGER NOT NULL REFERENCES workspaces (number),
    merge              BLOB    NOT NULL,
    into_lead          BLOB    NOT NULL,
    version            INTEGER NOT NULL,
    status             INTEGER NOT NULL,
    source             INTEGER NOT NULL,
    owner              BLOB,
    created_by         BLOB    NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    status_changed_at  INTEGER NOT NULL,
    last_activity_at   INTEGER NOT NULL,
    next_follow_up_at  INTEGER,
    follow_up_revision INTEGER NOT NULL,
    deleted_at         INTEGER,
    note_count         INTEGER NOT NULL,
    stages             BLOB    NOT NULL,
    name               TEXT    NOT NULL,
    email              TEXT,
    phone              TEXT,
    company            TEXT,
    tags               TEXT    NOT NULL
) STRICT;
CREATE INDEX merged_by_merge ON merged (merge, row);
CREATE INDEX merged_by_lead  ON merged (workspace, into_lead);

-- What a merge has moved, and from which lead.
CREATE TABLE moved_notes (
    merge BLOB NOT NULL,
    lead  BLOB NOT NULL,
    note  BLOB NOT NULL,
    PRIMARY KEY (merge, lead, note)
) STRICT, WITHOUT ROWID;
CREATE TABLE moved_log (
    merge BLOB    NOT NULL,
    lead  BLOB    NOT NULL,
    row   INTEGER NOT NULL,
    PRIMARY KEY (merge, lead, row)
) STRICT, WITHOUT ROWID;
",
    },
    Migration {
        version: 5,
        name: "sizes and attempts of imports",
        sql: "
ALTER TABLE imports ADD COLUMN size INTEGER; -- of the file, in bytes
ALTER TABLE imports ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
",
    },
    Migration {
        version: 6,
        name: "the furthest stage",
        // The stages are kept in pipeline order: the last is the furthest, unless it is Lost. Computed, so that no writer can
        // forget it. NULL: the lead was in none but Lost.
        sql: "
ALTER TABLE leads ADD COLUMN furthest INTEGER GENERATED ALWAYS AS (
    unicode(substr(stages, CASE WHEN substr(stages, -17, 1) = x'05' THEN -34 ELSE -17 END, 1))
) VIRTUAL;
CREATE INDEX leads_by_furthest ON leads (workspace, trashed, furthest, created_at, id);
",
    },
    Migration {
        version: 7,
        name: "erased workspaces",
        // Kept for ever, without a name.
        sql: "
CREATE TABLE erased (
    workspace BLOB    PRIMARY KEY,
    at        INTEGER NOT NULL,
    done      INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_open ON erased (at) WHERE done = 0;
",
    },
    Migration {
        version: 8,
        name: "what stays of an erased lead",
        // Its answers go, wherever they told of it. That it was erased stays in the log: nothing is hidden any more.
        sql: "
ALTER TABLE once ADD COLUMN erased INTEGER NOT NULL DEFAULT 0 CHECK (erased IN (0, 1));
CREATE TABLE once_leads (
    once TEXT NOT NULL,
    lead BLOB NOT NULL,
    PRIMARY KEY (once, lead)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_leads_by_lead ON once_leads (lead);
CREATE TRIGGER once_gone AFTER DELETE ON once BEGIN
    DELETE FROM once_leads WHERE once = old.id;
END;
UPDATE activity SET hidden = 0 WHERE hidden = 1;
",
    },
    Migration {
        version: 9,
        name: "when stages were entered last",
        // Of each stage but New, in which every lead has been. The stages are kept in pipeline order, so each has its places; a
        // time is kept as text that sorts by it, before 1970 too. Computed, so that no writer can forget it.
        sql: "
ALTER TABLE leads ADD COLUMN contacted_bytes BLOB GENERATED ALWAYS AS (
    CASE x'02'
    WHEN substr(stages, 1, 1) THEN substr(stages, 10, 8)
    WHEN substr(stages, 18, 1) THEN substr(stages, 27, 8)
    END
) VIRTUAL;
ALTER TABLE leads ADD COLUMN contacted TEXT GENERATED ALWAYS AS (
    CASE WHEN contacted_bytes < x'80' THEN '1' || hex(contacted_bytes)
         WHEN contacted_bytes IS NOT NULL THEN '0' || hex(contacted_bytes) END
) VIRTUAL;
CREATE INDEX leads_by_contacted ON leads (workspace, trashed, contacted) WHERE contacted IS NOT NULL;
ALTER TABLE leads ADD COLUMN qualified_bytes BLOB GENERATED ALWAYS AS (
    CASE x'03'
    WHEN substr(stages, 1, 1) THEN substr(stages, 10, 8)
    WHEN substr(stages, 18, 1) THEN substr(stages, 27, 8)
    WHEN substr(stages, 35, 1) THEN substr(stages, 44, 8)
    END
) VIRTUAL;
ALTER TABLE leads ADD COLUMN qualified TEXT GENERATED ALWAYS AS (
    CASE WHEN qualified_bytes < x'80' THEN '1' || hex(qualified_bytes)
         WHEN qualified_bytes IS NOT NULL THEN '0' || hex(qualified_bytes) END
) VIRTUAL;
CREATE INDEX leads_by_qualified ON leads (workspace, trashed, qualified) WHERE qualified IS NOT NULL;
ALTER TABLE leads ADD COLUMN converted_bytes BLOB GENERATED ALWAYS AS (
    CASE x'04'
    WHEN substr(stages, 1, 1) THEN substr(stages, 10, 8)
    WHEN substr(stages, 18, 1) THEN substr(stages, 27, 8)
    WHEN substr(stages, 35, 1) THEN substr(stages, 44, 8)
    WHEN substr(stages, 52, 1) THEN substr(stages, 61, 8)
    END
) VIRTUAL;
ALTER TABLE leads ADD COLUMN converted TEXT GENERATED ALWAYS AS (
    CASE WHEN converted_bytes < x'80' THEN '1' || hex(converted_bytes)
         WHEN converted_bytes IS NOT NULL THEN '0' || hex(converted_bytes) END
) VIRTUAL;
CREATE INDEX leads_by_converted ON leads (workspace, trashed, converted) WHERE converted IS NOT NULL;
ALTER TABLE leads ADD COLUMN lost_bytes BLOB GENERATED ALWAYS AS (
    CASE x'05'
    WHEN substr(stages, 1, 1) THEN substr(stages, 10, 8)
    WHEN substr(stages, 18, 1) THEN substr(stages, 27, 8)
    WHEN substr(stages, 35, 1) THEN substr(stages, 44, 8)
    WHEN substr(stages, 52, 1) THEN substr(stages, 61, 8)
    WHEN substr(stages, 69, 1) THEN substr(stages, 78, 8)
    END
) VIRTUAL;
ALTER TABLE leads ADD COLUMN lost TEXT GENERATED ALWAYS AS (
    CASE WHEN lost_bytes < x'80' THEN '1' || hex(lost_bytes)
         WHEN lost_bytes IS NOT NULL THEN '0' || hex(lost_bytes) END
) VIRTUAL;
CREATE INDEX leads_by_lost ON leads (workspace, trashed, lost) WHERE lost IS NOT NULL;
",
    },
    Migration {
        version: 10,
        name: "what imports have made and changed",
        // What earlier imports did is in the log, where an entry holds the import's id behind the bytes that say so.
        sql: "
ALTER TABLE leads  ADD COLUMN made_by_import    BLOB;
ALTER TABLE leads  ADD COLUMN changed_by_import BLOB;
ALTER TABLE merged ADD COLUMN made_by_import    BLOB;
ALTER TABLE merged ADD COLUMN changed_by_import BLOB;
CREATE TEMPORARY TABLE told AS
    SELECT row, lead, created, unhex(replace(import, '-', '')) AS import FROM (
        SELECT row, lead, instr(event, x'9201280a24') > 0 AS created, CAST(substr(event,
            max(instr(event, x'9201280a24'), instr(event, x'9201260a24')) + 5, 36) AS TEXT) AS import
        FROM (SELECT row, lead, event, lower(hex(lead)) AS name FROM activity WHERE kind = 9)
        WHERE (instr(event, x'9201280a24') > 0 OR instr(event, x'9201260a24') > 0)
            -- The entry of a lead that went into another is listed with that one, and is not about it.
            AND instr(event, CAST(substr(name, 1, 8) || '-' || substr(name, 9, 4) || '-' || substr(name, 13, 4) || '-' ||
                substr(name, 17, 4) || '-' || substr(name, 21) AS BLOB)) > 0
    );
CREATE INDEX temp.told_by_lead ON told (lead, created, row);
UPDATE leads SET
    made_by_import = (SELECT import FROM told WHERE lead = leads.id AND created = 1 ORDER BY row DESC LIMIT 1),
    changed_by_import = (SELECT import FROM told WHERE lead = leads.id AND created = 0 ORDER BY row DESC LIMIT 1)
WHERE id IN (SELECT lead FROM told);
DROP TABLE told;
CREATE INDEX leads_by_made_by_import    ON leads (workspace, trashed, made_by_import) WHERE made_by_import IS NOT NULL;
CREATE INDEX leads_by_changed_by_import ON leads (workspace, trashed, changed_by_import) WHERE changed_by_import IS NOT NULL;
",
    },
];
