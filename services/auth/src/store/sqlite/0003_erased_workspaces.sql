-- A workspace that its last member took along: id and time stay, and no name.
ALTER TABLE workspaces ADD COLUMN erased_at INTEGER;
CREATE INDEX invitations_workspace ON invitations (workspace_id);
