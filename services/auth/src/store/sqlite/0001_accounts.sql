-- People. They belong to no workspace: one person is in many.
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    -- The address in lower case: what is compared.
    email_key TEXT NOT NULL,
    -- Argon2id, in PHC form.
    password_hash TEXT NOT NULL,
    last_workspace_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_email_key ON users (email_key);

CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    timezone TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who is, and who was, in a workspace.
CREATE TABLE memberships (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    joined_at INTEGER NOT NULL,
    removed_at INTEGER,
    -- Access tokens for this membership that bear an earlier time are void.
    void_before INTEGER,
    PRIMARY KEY (workspace_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_joined ON memberships (workspace_id, joined_at, user_id) WHERE removed_at IS NULL;
CREATE INDEX memberships_owners ON memberships (workspace_id) WHERE role = 'owner' AND removed_at IS NULL;
CREATE INDEX memberships_known ON memberships (workspace_id, removed_at DESC, joined_at DESC);
-- Across workspaces: a person's own, and what verifiers must know.
CREATE INDEX memberships_user ON memberships (user_id, joined_at);
CREATE INDEX memberships_void ON memberships (void_before) WHERE void_before IS NOT NULL;

-- Sign-ins. Of refresh tokens there are hashes only.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    place INTEGER NOT NULL,
    current_hash BLOB NOT NULL,
    previous_hash BLOB,
    rotated_at INTEGER NOT NULL,
    again_at INTEGER,
    ended_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, created_at, id) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id),
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    created_by TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'withdrawn'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX invitations_open ON invitations (workspace_id, email_key) WHERE state = 'open';
CREATE INDEX invitations_newest ON invitations (workspace_id, created_at, id) WHERE state = 'open';
CREATE INDEX invitations_expires ON invitations (expires_at);

-- Events that wait to be published; a published one is deleted.
CREATE TABLE outbox (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    event BLOB NOT NULL
) STRICT;

-- Events that a consumer could not handle, for people to look at.
CREATE TABLE parked (
    row INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    reason TEXT NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (row, consumer)
) STRICT, WITHOUT ROWID;

-- What was answered under an idempotency key.
CREATE TABLE once (
    id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX once_at ON once (at);
