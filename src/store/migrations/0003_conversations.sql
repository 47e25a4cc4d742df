-- Written in the SQL that SQLite and PostgreSQL share. Times are Unix milliseconds.

-- New with every reset: a client that read the session before it is told to read again.
ALTER TABLE sessions ADD COLUMN lifecycle_revision TEXT NOT NULL DEFAULT '';
UPDATE sessions SET lifecycle_revision = session_id;

-- Messages up to this seq were put away by a reset.
ALTER TABLE sessions ADD COLUMN reset_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN parent_key TEXT;
ALTER TABLE sessions ADD COLUMN pinned_at BIGINT;
ALTER TABLE sessions ADD COLUMN archived_at BIGINT;
ALTER TABLE sessions ADD COLUMN last_read_at BIGINT;
ALTER TABLE sessions ADD COLUMN marked_unread_at BIGINT;
ALTER TABLE sessions ADD COLUMN last_interaction_at BIGINT;
ALTER TABLE sessions ADD COLUMN last_reply_at BIGINT;

-- What people set for a session and no query asks for: one JSON object.
ALTER TABLE sessions ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- The last run, so that a list needs no second table.
ALTER TABLE sessions ADD COLUMN run_status TEXT;
ALTER TABLE sessions ADD COLUMN run_started_at BIGINT;
ALTER TABLE sessions ADD COLUMN run_ended_at BIGINT;
ALTER TABLE sessions ADD COLUMN run_error TEXT;
ALTER TABLE sessions ADD COLUMN input_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN output_tokens BIGINT NOT NULL DEFAULT 0;

CREATE INDEX sessions_by_label ON sessions (label);

-- What a message is when it is no turn of a conversation: `reset`, `injected` or `notice`.
ALTER TABLE messages ADD COLUMN kind TEXT;
ALTER TABLE messages ADD COLUMN provider TEXT;
ALTER TABLE messages ADD COLUMN model TEXT;
ALTER TABLE messages ADD COLUMN input_tokens BIGINT;
ALTER TABLE messages ADD COLUMN output_tokens BIGINT;
-- The attachments without their content: one JSON array.
ALTER TABLE messages ADD COLUMN media TEXT;

CREATE INDEX messages_by_run ON messages (run_id);
CREATE INDEX runs_by_session ON runs (session_key);

CREATE TABLE attachments (
    attachment_id TEXT PRIMARY KEY,
    session_key   TEXT NOT NULL REFERENCES sessions (session_key),
    content       BYTEA NOT NULL
);

CREATE INDEX attachments_by_session ON attachments (session_key);
