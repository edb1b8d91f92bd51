-- Who changed which policy, for longer than the topic keeps it. Run after 2-quota-audit.sql, as a superuser or as a member of quota_owner.
SET ROLE quota_owner;

CREATE TABLE quota_audit.policy_changes (
    agent_id          text             NOT NULL, -- or a prefix, acme/*; or * for everybody
    policy            jsonb,                     -- as it was written; null where it was deleted
    changed_at        timestamptz      NOT NULL, -- the record's timestamp, from which it counted
    changed_by        text,                      -- the header changed-by: what the writer says of itself
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL,
    recorded_at       timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kafka_topic, kafka_partition, kafka_offset, changed_at)
);
CREATE INDEX policy_changes_by_agent ON quota_audit.policy_changes (agent_id, changed_at);
CREATE INDEX policy_changes_by_time ON quota_audit.policy_changes (changed_at);

-- Bytes, because whoever may write policies may write anything.
CREATE TABLE quota_audit.policy_changes_inbox (
    agent             bytea            NOT NULL,
    record            bytea,
    changed_by        bytea,
    changed_at        timestamp        NOT NULL, -- in UTC: the connector leaves the zone out, and its session may have any
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL
);

CREATE FUNCTION quota_audit.take_policy_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    BEGIN
        INSERT INTO quota_audit.policy_changes
            (agent_id, policy, changed_at, changed_by, kafka_topic, kafka_partition, kafka_offset)
        VALUES
            (convert_from(NEW.agent, 'UTF8'), convert_from(NEW.record, 'UTF8')::jsonb, NEW.changed_at AT TIME ZONE 'UTC',
             convert_from(NEW.changed_by, 'UTF8'), NEW.kafka_topic, NEW.kafka_partition, NEW.kafka_offset)
        ON CONFLICT DO NOTHING;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        INSERT INTO quota_audit.unreadable_records
            VALUES (NEW.kafka_topic, NEW.kafka_partition, NEW.kafka_offset, NULL, NEW.record, SQLERRM)
            ON CONFLICT DO NOTHING;
    END;
    RETURN NULL; -- the inbox stays empty
END $$;

CREATE TRIGGER take BEFORE INSERT ON quota_audit.policy_changes_inbox
    FOR EACH ROW EXECUTE FUNCTION quota_audit.take_policy_change();

REVOKE EXECUTE ON FUNCTION quota_audit.take_policy_change() FROM PUBLIC;

-- Everything that somebody changed: policies, and buckets that were filled.
CREATE VIEW quota_audit.changes AS
    SELECT changed_at, agent_id, CASE WHEN policy IS NULL THEN 'policy_deleted' ELSE 'policy_set' END AS change, changed_by, policy
    FROM quota_audit.policy_changes
    UNION ALL
    SELECT at, agent_id, event, "by", NULL FROM quota_audit.quota_events WHERE event = 'bucket_reset'
    ORDER BY changed_at DESC, agent_id;

GRANT INSERT ON quota_audit.policy_changes_inbox TO quota_audit_writer;
GRANT SELECT ON quota_audit.policy_changes, quota_audit.changes TO quota_auditor;

RESET ROLE;
