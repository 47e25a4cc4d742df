-- Devices in full: what waits for an approval, what was approved, the tokens, and the codes that set a device up.

ALTER TABLE devices ADD COLUMN label TEXT;
ALTER TABLE devices ADD COLUMN role TEXT NOT NULL DEFAULT 'operator';
ALTER TABLE devices ADD COLUMN browser_origin TEXT;
ALTER TABLE devices ADD COLUMN remote_ip TEXT;
ALTER TABLE devices ADD COLUMN approved_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN last_seen_reason TEXT NOT NULL DEFAULT 'connect';

UPDATE devices SET approved_at = created_at;

-- `approved_scopes` is the bound that an approval set; `scopes` are what the token of the moment carries of it.
ALTER TABLE device_roles ADD COLUMN approved_scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE device_roles ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device_roles ADD COLUMN rotated_at BIGINT;
ALTER TABLE device_roles ADD COLUMN last_used_at BIGINT;
-- The shared secret (as a keyed hash) under which a browser was given its token: the token dies with that secret.
ALTER TABLE device_roles ADD COLUMN issuer TEXT;
-- The stable id of the tailnet node that the token was issued on.
ALTER TABLE device_roles ADD COLUMN tailnet_node TEXT;

UPDATE device_roles SET approved_scopes = scopes, created_at = issued_at;

-- A device that waits for an approval: one row a device, a broader request takes the place of a narrower one.
CREATE TABLE pairing_requests (
    request_id     TEXT PRIMARY KEY,
    device_id      TEXT NOT NULL UNIQUE,
    public_key     TEXT NOT NULL,
    display_name   TEXT,
    platform       TEXT NOT NULL,
    device_family  TEXT NOT NULL,
    client_id      TEXT NOT NULL,
    client_mode    TEXT NOT NULL,
    browser_origin TEXT,
    role           TEXT NOT NULL,
    roles          TEXT NOT NULL,
    scopes         TEXT NOT NULL,
    remote_ip      TEXT,
    is_repair      BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    -- The time to live counts from the last time that the device asked.
    refreshed_at   BIGINT NOT NULL
);

-- A code that sets one device up. The token and the join code are stored as SHA-256.
CREATE TABLE setup_codes (
    setup_id     TEXT PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,
    profile      TEXT NOT NULL,
    issued_at    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    -- What a join URL hands out beside the token, and the hash of its code; both gone once it was fetched.
    join_hash    TEXT UNIQUE,
    gateway_url  TEXT NOT NULL,
    -- The first device that presented the token; no other may.
    device_id    TEXT,
    device_name  TEXT,
    completed_at BIGINT
);
