-- Small things that the gateway keeps by name: wake words, whether heartbeats are on, the exec policy. JSON.
CREATE TABLE settings (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- People, from the first time that they asked who they are.
CREATE TABLE profiles (
    profile_id TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL
);

CREATE TABLE preferences (
    profile_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (profile_id, name)
);

-- What the agent is to be told at its next turn in a session.
CREATE TABLE system_events (
    session_key TEXT NOT NULL,
    position    BIGINT NOT NULL,
    text        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (session_key, position)
);

-- What a job is and what became of its last run, each as JSON.
CREATE TABLE cron_jobs (
    job_id          TEXT PRIMARY KEY,
    declaration_key TEXT UNIQUE,
    definition      TEXT NOT NULL,
    state           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

-- A run without an end is going on, or was cut off with the gateway.
CREATE TABLE cron_runs (
    run_id     TEXT PRIMARY KEY,
    job_id     TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    entry      TEXT
);

CREATE INDEX cron_runs_by_end ON cron_runs (ended_at);

-- Commands that somebody is asked to allow. The request and the end are JSON.
CREATE TABLE approvals (
    approval_id TEXT PRIMARY KEY,
    request     TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    resolved_at BIGINT,
    verdict     TEXT
);

CREATE INDEX approvals_by_resolution ON approvals (resolved_at);
