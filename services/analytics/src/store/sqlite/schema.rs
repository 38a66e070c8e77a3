//! Tables and indexes.

use leadline_storage::Migration;

// Ids are stored as 16 bytes: four indexes begin with one, and as text they would be twice as large. `live`, `building` and
// `newest` are generations. `leads.status` is null when the lead is deleted: then only its version is kept.
/// All migrations.
pub(super) const MIGRATIONS: &[Migration] = &[FIRST, ERASED];

/// Of an erased workspace the row stays, so that late events bring nothing back.
const ERASED: Migration = Migration {
    version: 2,
    name: "erased workspaces",
    sql: "ALTER TABLE workspaces ADD COLUMN erased_at INTEGER;",
};

const FIRST: Migration = Migration {
    version: 1,
    name: "figures",
    sql: "
    CREATE TABLE workspaces (
        id BLOB PRIMARY KEY CHECK (length(id) = 16),
        live INTEGER NOT NULL,
        building INTEGER,
        newest INTEGER NOT NULL,
        touched_at INTEGER,
        as_of INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX workspaces_by_touch ON workspaces (touched_at) WHERE touched_at IS NOT NULL;

    CREATE TABLE leads (
        workspace BLOB NOT NULL,
        generation INTEGER NOT NULL,
        lead BLOB NOT NULL CHECK (length(lead) = 16),
        version INTEGER NOT NULL,
        status INTEGER CHECK (status BETWEEN 1 AND 5),
        source INTEGER CHECK (source BETWEEN 1 AND 4),
        created_at INTEGER,
        reached_new INTEGER,
        reached_contacted INTEGER,
        reached_qualified INTEGER,
        reached_converted INTEGER,
        contacted_at INTEGER,
        qualified_at INTEGER,
        converted_at INTEGER,
        lost_at INTEGER,
        PRIMARY KEY (workspace, generation, lead),
        CHECK ((status IS NULL) = (source IS NULL) AND (status IS NULL) = (created_at IS NULL))
    ) STRICT;
    CREATE INDEX leads_by_created ON leads (workspace, generation, created_at) WHERE created_at IS NOT NULL;
    CREATE INDEX leads_by_contacted ON leads (workspace, generation, contacted_at) WHERE contacted_at IS NOT NULL;
    CREATE INDEX leads_by_qualified ON leads (workspace, generation, qualified_at) WHERE qualified_at IS NOT NULL;
    CREATE INDEX leads_by_converted ON leads (workspace, generation, converted_at) WHERE converted_at IS NOT NULL;
    CREATE INDEX leads_by_lost ON leads (workspace, generation, lost_at) WHERE lost_at IS NOT NULL;

    CREATE TABLE pages (
        workspace BLOB NOT NULL,
        generation INTEGER NOT NULL,
        day INTEGER NOT NULL,
        sum BLOB NOT NULL,
        counts BLOB NOT NULL,
        times BLOB NOT NULL,
        PRIMARY KEY (workspace, generation, day)
    ) STRICT;

    CREATE TABLE discarded (
        workspace BLOB NOT NULL,
        generation INTEGER NOT NULL,
        PRIMARY KEY (workspace, generation)
    ) STRICT, WITHOUT ROWID;
    ",
};
