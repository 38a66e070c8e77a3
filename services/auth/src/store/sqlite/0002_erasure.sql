-- Across workspaces: all that belongs to a person who is erased, ended sessions and settled invitations too.
CREATE INDEX sessions_every ON sessions (user_id);
CREATE INDEX invitations_email ON invitations (email_key);
