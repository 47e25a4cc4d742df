-- What the tailnet or a trusted proxy last called somebody. One JSON array.
ALTER TABLE profiles ADD COLUMN display_name TEXT;
ALTER TABLE profiles ADD COLUMN emails TEXT NOT NULL DEFAULT '[]';
-- A name under `gateway.roles.definitions`; NULL is the default one.
ALTER TABLE profiles ADD COLUMN operator_role TEXT;
ALTER TABLE profiles ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE profiles SET updated_at = created_at;

-- The person who began a session. NULL is nobody in particular: the owner by secret, a hook, a job.
ALTER TABLE sessions ADD COLUMN created_by TEXT;

CREATE INDEX sessions_by_creator ON sessions (created_by);
