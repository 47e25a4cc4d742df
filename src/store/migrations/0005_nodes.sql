-- What is known of a node beside its device: what was approved for it, what waits, and when it was here. The row goes
-- with the device's role. `approved` and `waiting` are JSON: what the node said that it can do.
CREATE TABLE nodes (
    node_id              TEXT PRIMARY KEY,
    -- Given by an operator.
    display_name         TEXT,
    approved             TEXT,
    created_at           BIGINT,
    approved_at          BIGINT,
    request_id           TEXT UNIQUE,
    waiting              TEXT,
    requested_at         BIGINT,
    host_stats           TEXT,
    host_stats_at        BIGINT,
    last_connected_at    BIGINT,
    last_disconnected_at BIGINT
);
