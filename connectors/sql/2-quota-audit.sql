-- The auditors' tables. Run after 1-roles.sql, as a superuser or as a member of quota_owner.
SET ROLE quota_owner;

-- ---- What auditors read -----------------------------------------------------------------------------------------------

CREATE TABLE quota_audit.rejected_requests (
    -- The request that was refused, as the agent published it: the same rejection never stands here twice.
    source_topic      text             NOT NULL,
    source_partition  integer          NOT NULL,
    source_offset     bigint           NOT NULL,
    source_timestamp  timestamptz      NOT NULL, -- what the agent set; infinity where PostgreSQL cannot hold it
    reason            text             NOT NULL,
    detail            text             NOT NULL,
    agent_id          text,
    request_id        text,
    tokens            double precision,
    limit_name        text,
    retry_after_ms    bigint,
    remaining         double precision,
    capacity          double precision,
    refill_rate       double precision,
    period            text,                      -- instead of a refill rate, in this zone
    zone              text,
    decided_by        text,
    decided_at        timestamptz,               -- microseconds, on the bucket's clock
    request           jsonb,                     -- null where jsonb cannot hold it: then request_text
    request_text      text,                      -- verbatim: \u0000, half a surrogate pair, a number beyond numeric
    request_base64    text,                      -- the exact bytes of an invalid request
    request_bytes     bigint,                    -- these two: where the request was too large to be carried
    request_sha256    text,
    -- Where the rejection itself stands, and when it arrived here.
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL,
    recorded_at       timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source_topic, source_partition, source_offset)
);
CREATE INDEX rejected_requests_by_agent ON quota_audit.rejected_requests (agent_id, decided_at);
CREATE INDEX rejected_requests_by_time ON quota_audit.rejected_requests (decided_at);
CREATE INDEX rejected_requests_by_reason ON quota_audit.rejected_requests (reason, decided_at);
CREATE INDEX rejected_requests_by_arrival ON quota_audit.rejected_requests (recorded_at);
CREATE INDEX rejected_requests_by_request_id ON quota_audit.rejected_requests (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE quota_audit.quota_events (
    event             text             NOT NULL,
    agent_id          text             NOT NULL,
    at                timestamptz      NOT NULL,
    limit_name        text,
    remaining         double precision NOT NULL,
    capacity          double precision NOT NULL,
    refill_rate       double precision NOT NULL,
    period            text,
    zone              text,
    policy            text, -- of a bucket_reset: whose limits were full then
    "by"              text, -- of a bucket_reset: who filled the bucket
    source_topic      text, -- of the others: the request
    source_partition  integer,
    source_offset     bigint,
    source_timestamp  timestamptz,
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL,
    recorded_at       timestamptz      NOT NULL DEFAULT clock_timestamp(),
    CHECK (event = 'bucket_reset' OR (source_topic, source_partition, source_offset, source_timestamp) IS NOT NULL)
);
-- One request may cause several events, and each of an agent's limits its own.
CREATE UNIQUE INDEX quota_events_of_requests ON quota_audit.quota_events
    (source_topic, source_partition, source_offset, event, limit_name) NULLS NOT DISTINCT WHERE source_topic IS NOT NULL;
-- An agent's bucket is filled once at a time.
CREATE UNIQUE INDEX quota_events_of_resets ON quota_audit.quota_events (agent_id, at) WHERE source_topic IS NULL;
CREATE INDEX quota_events_by_agent ON quota_audit.quota_events (agent_id, at);
CREATE INDEX quota_events_by_time ON quota_audit.quota_events (at);

-- Records that came from Tollgate and cannot be read all the same, such as those of a newer version: kept, never dropped.
CREATE TABLE quota_audit.unreadable_records (
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL,
    quota_source      text,
    record            bytea,
    problem           text             NOT NULL,
    recorded_at       timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kafka_topic, kafka_partition, kafka_offset)
);

-- ---- How rows get in --------------------------------------------------------------------------------------------------
-- The connectors insert into inboxes, which stay empty: a trigger hands each row on, with the owner's rights. So the
-- connectors' password can neither read, change nor delete what stands in the audit, and a row that comes twice is one row.
-- The trigger never fails on what an agent wrote: a failing row would stop the connector, and with it the audit of all others.

-- Microseconds since the epoch as a time; the ends of time where PostgreSQL cannot hold it.
CREATE FUNCTION quota_audit.time_of(micros numeric) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN CASE
        WHEN micros > 9.2e18 THEN timestamptz 'infinity'
        WHEN micros < -2.1e17 THEN timestamptz '-infinity'
        ELSE timestamptz 'epoch' + trunc(micros / 1000000)::double precision * interval '1 second'
            + (micros % 1000000)::double precision * interval '1 microsecond'
    END;

-- A record's bytes as JSON. Escapes of characters that PostgreSQL cannot hold are hidden behind a mark, if there are any.
CREATE FUNCTION quota_audit.body_of(record bytea, OUT body json, OUT mark text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    text_body text := convert_from(record, 'UTF8');
BEGIN
    IF text_body ~ '\\u(0000|[dD][89a-fA-F])' THEN
        -- One character of the private use area that the text does not hold itself.
        SELECT chr(code) INTO STRICT mark FROM generate_series(57344, 63743) AS code
            WHERE position(chr(code) IN text_body) = 0 LIMIT 1;
        -- A backslash after an even number of backslashes begins an escape; after an odd number it is one's end.
        text_body := regexp_replace(text_body,
            '(?<!\\)((?:\\\\)*)\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\1' || mark || '\2', 'g');
    END IF;
    body := text_body;
END $$;

-- A field of a rejection as its own JSON text. Operators such as -> read all escapes of a document and fail on those that
-- PostgreSQL cannot hold; so body_of hides these behind a mark, and here they come back.
CREATE FUNCTION quota_audit.field_of(body json, path text[], mark text) RETURNS json
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN mark IS NULL THEN body #> path ELSE replace((body #> path)::text, mark, '\u')::json END;

-- The text of a JSON string; with its escapes left alone where they mean a character that PostgreSQL cannot hold.
CREATE FUNCTION quota_audit.text_of(string json) RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN string #>> '{}';
EXCEPTION WHEN data_exception THEN
    RETURN regexp_replace(string::text, '^"(.*)"$', '\1');
END $$;

-- A JSON value as jsonb; null where jsonb cannot hold it.
CREATE FUNCTION quota_audit.jsonb_of(value json) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN value::text::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;

-- record: the rejection's own bytes. They are taken apart here and not by the connector, because Connect's JSON converter
-- keeps no nested object as it is, and because a JDBC parameter cannot hold every text that JSON can.
CREATE TABLE quota_audit.rejected_requests_inbox (
    record            bytea,
    quota_source      text,
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL
);

CREATE FUNCTION quota_audit.take_rejected_request() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    body json;   -- not jsonb: json keeps the agent's own text, whatever it holds
    mark text;
    taken quota_audit.rejected_requests;
BEGIN
    BEGIN
        SELECT read.body, read.mark INTO body, mark FROM quota_audit.body_of(NEW.record) AS read;
        taken.source_topic := quota_audit.text_of(quota_audit.field_of(body, '{source,topic}', mark));
        taken.source_partition := (body #> '{source,partition}')::text;
        taken.source_offset := (body #> '{source,offset}')::text;
        taken.source_timestamp := quota_audit.time_of((body #> '{source,timestamp}')::text::numeric * 1000);
        taken.reason := quota_audit.text_of(quota_audit.field_of(body, '{reason}', mark));
        taken.detail := quota_audit.text_of(quota_audit.field_of(body, '{detail}', mark));
        taken.agent_id := quota_audit.text_of(quota_audit.field_of(body, '{agent_id}', mark));
        taken.request_id := quota_audit.text_of(quota_audit.field_of(body, '{request_id}', mark));
        taken.tokens := (body -> 'tokens')::text;
        taken.limit_name := quota_audit.text_of(quota_audit.field_of(body, '{limit}', mark));
        taken.retry_after_ms := (body -> 'retry_after_ms')::text;
        taken.remaining := (body -> 'remaining')::text;
        taken.capacity := (body -> 'capacity')::text;
        taken.refill_rate := (body -> 'refill_rate')::text;
        taken.period := quota_audit.text_of(quota_audit.field_of(body, '{period}', mark));
        taken.zone := quota_audit.text_of(quota_audit.field_of(body, '{zone}', mark));
        taken.decided_by := quota_audit.text_of(quota_audit.field_of(body, '{decided_by}', mark));
        taken.decided_at := quota_audit.time_of((body -> 'decided_at')::text::numeric);
        taken.request := quota_audit.jsonb_of(quota_audit.field_of(body, '{request}', mark));
        IF taken.request IS NULL THEN
            taken.request_text := quota_audit.field_of(body, '{request}', mark)::text;
        END IF;
        taken.request_base64 := quota_audit.text_of(body -> 'request_base64');
        taken.request_bytes := (body -> 'request_bytes')::text;
        taken.request_sha256 := quota_audit.text_of(body -> 'request_sha256');
        taken.kafka_topic := NEW.kafka_topic;
        taken.kafka_partition := NEW.kafka_partition;
        taken.kafka_offset := NEW.kafka_offset;
        taken.recorded_at := clock_timestamp();
        INSERT INTO quota_audit.rejected_requests SELECT taken.* ON CONFLICT DO NOTHING;
    EXCEPTION WHEN data_exception OR no_data_found OR integrity_constraint_violation OR program_limit_exceeded THEN
        INSERT INTO quota_audit.unreadable_records
            VALUES (NEW.kafka_topic, NEW.kafka_partition, NEW.kafka_offset, NEW.quota_source, NEW.record, SQLERRM)
            ON CONFLICT DO NOTHING;
    END;
    RETURN NULL; -- the inbox stays empty
END $$;

CREATE TRIGGER take BEFORE INSERT ON quota_audit.rejected_requests_inbox
    FOR EACH ROW EXECUTE FUNCTION quota_audit.take_rejected_request();

-- Events hold nothing that an agent wrote but its id, so the connector reads them itself.
CREATE TABLE quota_audit.quota_events_inbox (
    event             text             NOT NULL,
    agent_id          text             NOT NULL,
    at                bigint           NOT NULL,
    "limit"           text,
    remaining         double precision NOT NULL,
    capacity          double precision NOT NULL,
    refill_rate       double precision NOT NULL,
    period            text,
    zone              text,
    policy            text,
    "by"              text,
    source_topic      text,
    source_partition  integer,
    source_offset     bigint,
    source_timestamp  bigint,
    kafka_topic       text             NOT NULL,
    kafka_partition   integer          NOT NULL,
    kafka_offset      bigint           NOT NULL
);

CREATE FUNCTION quota_audit.take_quota_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO quota_audit.quota_events
        (event, agent_id, at, limit_name, remaining, capacity, refill_rate, period, zone, policy, "by", source_topic, source_partition,
         source_offset, source_timestamp, kafka_topic, kafka_partition, kafka_offset)
    VALUES
        (NEW.event, NEW.agent_id, quota_audit.time_of(NEW.at), NEW."limit", NEW.remaining, NEW.capacity, NEW.refill_rate,
         NEW.period, NEW.zone, NEW.policy, NEW."by", NEW.source_topic, NEW.source_partition, NEW.source_offset, quota_audit.time_of(NEW.source_timestamp::numeric * 1000),
         NEW.kafka_topic, NEW.kafka_partition, NEW.kafka_offset)
    ON CONFLICT DO NOTHING;
    RETURN NULL; -- the inbox stays empty
END $$;

CREATE TRIGGER take BEFORE INSERT ON quota_audit.quota_events_inbox
    FOR EACH ROW EXECUTE FUNCTION quota_audit.take_quota_event();

REVOKE EXECUTE ON FUNCTION quota_audit.take_rejected_request(), quota_audit.take_quota_event() FROM PUBLIC;

-- ---- Views ------------------------------------------------------------------------------------------------------------

CREATE VIEW quota_audit.most_throttled_agents AS
    SELECT date_trunc('hour', decided_at) AS hour, agent_id, count(*) AS refusals, sum(tokens) AS tokens_refused,
           count(*) FILTER (WHERE reason = 'cost_exceeds_capacity') AS never_possible,
           min(decided_at) AS first_refusal, max(decided_at) AS last_refusal
    FROM quota_audit.rejected_requests
    WHERE agent_id IS NOT NULL
    GROUP BY 1, 2
    ORDER BY hour DESC, refusals DESC, agent_id;

CREATE VIEW quota_audit.rejections_by_reason AS
    SELECT reason, limit_name, decided_by, count(*) AS rejections, count(DISTINCT agent_id) AS agents,
           sum(tokens) AS tokens_refused, min(recorded_at) AS first_recorded, max(recorded_at) AS last_recorded
    FROM quota_audit.rejected_requests
    GROUP BY 1, 2, 3
    ORDER BY rejections DESC, reason, limit_name, decided_by;

CREATE VIEW quota_audit.invalid_by_source AS
    SELECT source_topic, source_partition, detail, count(*) AS requests, min(source_offset) AS first_offset,
           max(source_offset) AS last_offset, min(source_timestamp) AS first_seen, max(source_timestamp) AS last_seen
    FROM quota_audit.rejected_requests
    WHERE reason = 'invalid_request'
    GROUP BY 1, 2, 3
    ORDER BY requests DESC, source_topic, source_partition, detail;

GRANT INSERT ON quota_audit.rejected_requests_inbox, quota_audit.quota_events_inbox TO quota_audit_writer;
GRANT SELECT ON quota_audit.rejected_requests, quota_audit.quota_events, quota_audit.unreadable_records,
    quota_audit.most_throttled_agents, quota_audit.rejections_by_reason, quota_audit.invalid_by_source TO quota_auditor;

RESET ROLE;
