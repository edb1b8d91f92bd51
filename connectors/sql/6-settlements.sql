-- What became of holds and usage reports. Run after 5-approvals.sql, as a superuser or as a member of quota_owner.
SET ROLE quota_owner;

CREATE TABLE quota_audit.settled_requests (
    outcome           text             NOT NULL,
    agent_id          text,
    hold              text,                      -- quota-source of the approved request
    request_id        text,
    reserved          double precision,
    used              double precision,
    refunded          double precision,          -- below 0: more was used than reserved
    remaining         double precision,
    decided_by        text,
    decided_at        timestamptz,               -- microseconds, on the bucket's clock
    detail            text,                      -- of an invalid report, and its exact bytes
    report_base64     text,
    report_bytes      bigint,
    report_sha256     text,
    source_topic      text,                      -- the usage report; null where a hold expired
    source_partition  integer,
    source_offset     bigint,
    source_timestamp  timestamptz,
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL,
    recorded_at       timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kafka_topic, kafka_partition, kafka_offset)
);
CREATE INDEX settled_requests_by_hold ON quota_audit.settled_requests (hold);
CREATE INDEX settled_requests_by_agent ON quota_audit.settled_requests (agent_id, decided_at);
CREATE INDEX settled_requests_by_time ON quota_audit.settled_requests (decided_at);

CREATE TABLE quota_audit.settled_requests_inbox (
    record            bytea,
    outcome           text,
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL
);

CREATE FUNCTION quota_audit.take_settled_request() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    body json; -- what a worker wrote stands in it, such as the name of a hold
    mark text;
    taken quota_audit.settled_requests;
BEGIN
    BEGIN
        SELECT read.body, read.mark INTO body, mark FROM quota_audit.body_of(NEW.record) AS read;
        taken.outcome := quota_audit.text_of(quota_audit.field_of(body, '{outcome}', mark));
        taken.agent_id := quota_audit.text_of(quota_audit.field_of(body, '{agent_id}', mark));
        taken.hold := quota_audit.text_of(quota_audit.field_of(body, '{hold}', mark));
        taken.request_id := quota_audit.text_of(quota_audit.field_of(body, '{request_id}', mark));
        taken.reserved := (body -> 'reserved')::text;
        taken.used := (body -> 'used')::text;
        taken.refunded := (body -> 'refunded')::text;
        taken.remaining := (body -> 'remaining')::text;
        taken.decided_by := quota_audit.text_of(quota_audit.field_of(body, '{decided_by}', mark));
        taken.decided_at := quota_audit.time_of((body -> 'decided_at')::text::numeric);
        taken.detail := quota_audit.text_of(quota_audit.field_of(body, '{detail}', mark));
        taken.report_base64 := quota_audit.text_of(body -> 'report_base64');
        taken.report_bytes := (body -> 'report_bytes')::text;
        taken.report_sha256 := quota_audit.text_of(body -> 'report_sha256');
        taken.source_topic := quota_audit.text_of(quota_audit.field_of(body, '{source,topic}', mark));
        taken.source_partition := (body #> '{source,partition}')::text;
        taken.source_offset := (body #> '{source,offset}')::text;
        taken.source_timestamp := quota_audit.time_of((body #> '{source,timestamp}')::text::numeric * 1000);
        taken.kafka_topic := NEW.kafka_topic;
        taken.kafka_partition := NEW.kafka_partition;
        taken.kafka_offset := NEW.kafka_offset;
        taken.recorded_at := clock_timestamp();
        INSERT INTO quota_audit.settled_requests SELECT taken.* ON CONFLICT DO NOTHING;
    EXCEPTION WHEN data_exception OR no_data_found OR integrity_constraint_violation OR program_limit_exceeded THEN
        INSERT INTO quota_audit.unreadable_records
            VALUES (NEW.kafka_topic, NEW.kafka_partition, NEW.kafka_offset, NULL, NEW.record, SQLERRM)
            ON CONFLICT DO NOTHING;
    END;
    RETURN NULL; -- the inbox stays empty
END $$;

CREATE TRIGGER take BEFORE INSERT ON quota_audit.settled_requests_inbox
    FOR EACH ROW EXECUTE FUNCTION quota_audit.take_settled_request();

REVOKE EXECUTE ON FUNCTION quota_audit.take_settled_request() FROM PUBLIC;

-- What was charged at approval, less what settlements gave back: both in the hour in which it happened.
CREATE VIEW quota_audit.spent_by_agent_and_hour AS
    SELECT hour, agent_id, coalesce(tokens, 0) AS charged, coalesce(refunded, 0) AS refunded,
           coalesce(tokens, 0) - coalesce(refunded, 0) AS spent, coalesce(settled, 0) AS settled, coalesce(expired, 0) AS expired
    FROM quota_audit.approvals_per_hour FULL JOIN (
        SELECT date_trunc('hour', decided_at, 'UTC') AS hour, agent_id, sum(refunded) AS refunded,
               count(*) FILTER (WHERE outcome = 'settled') AS settled, count(*) FILTER (WHERE outcome = 'expired') AS expired
        FROM quota_audit.settled_requests WHERE outcome IN ('settled', 'expired') GROUP BY 1, 2) AS ended USING (hour, agent_id)
    ORDER BY hour DESC, agent_id;

GRANT INSERT ON quota_audit.settled_requests_inbox TO quota_audit_writer;
GRANT SELECT ON quota_audit.settled_requests, quota_audit.spent_by_agent_and_hour TO quota_auditor;

RESET ROLE;
