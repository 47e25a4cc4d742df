-- Written in the SQL that SQLite and PostgreSQL share. Times are Unix milliseconds.

CREATE TABLE sessions (
    session_key TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL,
    agent_id    TEXT NOT NULL,
    label       TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    last_run_id TEXT
);

CREATE INDEX sessions_by_update ON sessions (updated_at);

CREATE TABLE messages (
    session_key   TEXT NOT NULL REFERENCES sessions (session_key),
    seq           BIGINT NOT NULL,
    message_id    TEXT NOT NULL,
    role          TEXT NOT NULL,
    content       TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    run_id        TEXT NOT NULL,
    stop_reason   TEXT,
    error_message TEXT,
    PRIMARY KEY (session_key, seq)
);

CREATE TABLE runs (
    run_id        TEXT PRIMARY KEY,
    session_key   TEXT NOT NULL REFERENCES sessions (session_key),
    status        TEXT NOT NULL,
    started_at    BIGINT NOT NULL,
    ended_at      BIGINT,
    input_tokens  BIGINT NOT NULL DEFAULT 0,
    output_tokens BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX runs_by_status ON runs (status);

CREATE TABLE devices (
    device_id      TEXT PRIMARY KEY,
    public_key     TEXT NOT NULL,
    display_name   TEXT,
    platform       TEXT NOT NULL,
    device_family  TEXT NOT NULL,
    client_id      TEXT NOT NULL,
    client_mode    TEXT NOT NULL,
    approved_via   TEXT NOT NULL,
    -- The stable id of the tailnet node that the device was first seen on, if it came that way.
    tailnet_node   TEXT,
    created_at     BIGINT NOT NULL,
    last_seen_at   BIGINT NOT NULL
);

-- A device's role, with what was approved for it and the SHA-256 of the token that stands for it.
CREATE TABLE device_roles (
    device_id  TEXT NOT NULL REFERENCES devices (device_id),
    role       TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    generation BIGINT NOT NULL,
    issued_at  BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (device_id, role)
);
