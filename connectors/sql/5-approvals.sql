-- What was approved, as sums per agent and hour. Run after 2-quota-audit.sql, as a superuser or as a member of quota_owner.
SET ROLE quota_owner;

CREATE TABLE quota_audit.approvals_per_hour (
    hour              timestamptz      NOT NULL, -- of quota-decided-at, by the bucket's clock, in UTC
    agent_id          text             NOT NULL,
    approvals         bigint           NOT NULL,
    tokens            double precision NOT NULL, -- charged when they were approved; where the mode is off, asked for
    PRIMARY KEY (hour, agent_id)
);
CREATE INDEX approvals_per_hour_by_agent ON quota_audit.approvals_per_hour (agent_id, hour);

-- A record that comes again is not counted again: records of a partition come in order, and this is the last that counted.
CREATE TABLE quota_audit.approvals_counted (
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    last_offset       bigint           NOT NULL,
    counted_at        timestamptz      NOT NULL,
    PRIMARY KEY (kafka_topic, kafka_partition)
);

CREATE TABLE quota_audit.approved_requests_inbox (
    record            bytea,
    quota_source      text,
    decided_at        text,
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL
);

CREATE FUNCTION quota_audit.take_approved_request() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO quota_audit.approvals_counted AS counted
        VALUES (NEW.kafka_topic, NEW.kafka_partition, NEW.kafka_offset, clock_timestamp())
        ON CONFLICT (kafka_topic, kafka_partition) DO UPDATE
            SET last_offset = excluded.last_offset, counted_at = excluded.counted_at
            WHERE counted.last_offset < excluded.last_offset;
    IF NOT FOUND THEN RETURN NULL; END IF;
    BEGIN
        INSERT INTO quota_audit.approvals_per_hour AS sums
            SELECT date_trunc('hour', quota_audit.time_of(NEW.decided_at::numeric), 'UTC'),
                   quota_audit.text_of(quota_audit.field_of(body, '{agent_id}', mark)),
                   1, coalesce((body -> 'tokens')::text::double precision, 1)
            FROM quota_audit.body_of(NEW.record)
            ON CONFLICT (hour, agent_id) DO UPDATE
                SET approvals = sums.approvals + 1, tokens = sums.tokens + excluded.tokens;
    EXCEPTION WHEN data_exception OR no_data_found OR integrity_constraint_violation OR program_limit_exceeded THEN
        INSERT INTO quota_audit.unreadable_records
            VALUES (NEW.kafka_topic, NEW.kafka_partition, NEW.kafka_offset, NEW.quota_source, NEW.record, SQLERRM)
            ON CONFLICT DO NOTHING;
    END;
    RETURN NULL; -- the inbox stays empty
END $$;

CREATE TRIGGER take BEFORE INSERT ON quota_audit.approved_requests_inbox
    FOR EACH ROW EXECUTE FUNCTION quota_audit.take_approved_request();

REVOKE EXECUTE ON FUNCTION quota_audit.take_approved_request() FROM PUBLIC;

-- Approved and refused side by side; an agent that had neither in an hour has no row.
CREATE VIEW quota_audit.decisions_per_hour AS
    SELECT hour, agent_id, sum(approvals)::bigint AS approvals, sum(tokens_approved) AS tokens_approved,
           sum(refusals)::bigint AS refusals, sum(tokens_refused) AS tokens_refused
    FROM (SELECT hour, agent_id, approvals, tokens AS tokens_approved, 0 AS refusals, 0 AS tokens_refused
          FROM quota_audit.approvals_per_hour
          UNION ALL
          SELECT date_trunc('hour', decided_at, 'UTC'), agent_id, 0, 0, 1, coalesce(tokens, 0)
          FROM quota_audit.rejected_requests WHERE agent_id IS NOT NULL) AS decided
    GROUP BY hour, agent_id
    ORDER BY hour DESC, agent_id;

GRANT INSERT ON quota_audit.approved_requests_inbox TO quota_audit_writer;
GRANT SELECT ON quota_audit.approvals_per_hour, quota_audit.approvals_counted, quota_audit.decisions_per_hour TO quota_auditor;

RESET ROLE;
