-- The operators' table of quotas. Run after 1-roles.sql, as a superuser. The server needs wal_level = logical.
SET ROLE quota_owner;

-- A name of the tz database. Which there are, this server and the JVMs of the pipeline may know differently.
CREATE FUNCTION quota_admin.is_zone(zone text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN EXISTS (SELECT FROM pg_catalog.pg_timezone_names WHERE name = zone AND name !~ '^(posix|right)/|^(posixrules|Factory)$');

-- Several limits at once, as schemas/agent-quota.schema.json has them.
CREATE FUNCTION quota_admin.are_limits(limits jsonb) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(limits) <> 'array' THEN false ELSE (
        SELECT count(*) BETWEEN 1 AND 8 AND count(DISTINCT one ->> 'name') = count(*) AND bool_and(
            CASE WHEN jsonb_typeof(one) = 'object'
                  AND one ?& ARRAY['name', 'capacity'] AND (one ? 'refill_rate') <> (one ? 'period') AND (one ? 'period' OR NOT one ? 'zone')
                  AND one - ARRAY['name', 'capacity', 'refill_rate', 'period', 'zone'] = '{}'
                  AND jsonb_typeof(one -> 'name') = 'string' AND jsonb_typeof(one -> 'capacity') = 'number'
                  AND coalesce(jsonb_typeof(one -> 'refill_rate'), 'number') = 'number'
                  AND coalesce(jsonb_typeof(one -> 'period'), 'string') = 'string'
                  AND coalesce(jsonb_typeof(one -> 'zone'), 'string') = 'string'
                 THEN one ->> 'name' ~ '^[a-z0-9][a-z0-9_-]{0,63}$'
                  AND (one ->> 'capacity')::numeric > 0 AND (one ->> 'capacity')::numeric <= 1e12
                  AND coalesce((one ->> 'refill_rate')::numeric BETWEEN 0 AND 1e12, true)
                  AND coalesce(one ->> 'period' IN ('minute', 'hour', 'day', 'week', 'month'), true)
                  AND coalesce(quota_admin.is_zone(one ->> 'zone'), true)
                 ELSE false END)
        FROM jsonb_array_elements(limits) AS each(one))
    END;

-- What counts for holds, as schemas/agent-quota.schema.json has it.
CREATE FUNCTION quota_admin.are_holds(holds jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE WHEN jsonb_typeof(holds) <> 'object' THEN false
                WHEN holds - ARRAY['within_s', 'unsettled', 'max_open'] <> '{}' THEN false
                WHEN coalesce(jsonb_typeof(holds -> 'within_s'), 'number') <> 'number' THEN false
                WHEN coalesce(jsonb_typeof(holds -> 'max_open'), 'number') <> 'number' THEN false
                WHEN coalesce(jsonb_typeof(holds -> 'unsettled'), 'string') <> 'string' THEN false
                ELSE coalesce((holds ->> 'within_s')::numeric BETWEEN 1 AND 604800 AND mod((holds ->> 'within_s')::numeric, 1) = 0, true)
                 AND coalesce((holds ->> 'max_open')::numeric BETWEEN 1 AND 100000 AND mod((holds ->> 'max_open')::numeric, 1) = 0, true)
                 AND coalesce(holds ->> 'unsettled' IN ('charged', 'returned'), true)
    END;

CREATE TABLE quota_admin.agent_quotas (
    agent_id     text PRIMARY KEY -- or a prefix, acme/*; or * for everybody
        CHECK (octet_length(agent_id) BETWEEN 1 AND 256 AND agent_id !~ '[\u0001-\u001f\u007f-\u009f]'),
    capacity     double precision CHECK (capacity > 0 AND capacity <= 1e12),            -- tokens at once; NaN is above all
    refill_rate  double precision CHECK (refill_rate >= 0 AND refill_rate <= 1e12),     -- tokens per second
    period       text CHECK (period IN ('minute', 'hour', 'day', 'week', 'month')),     -- instead of a refill rate
    zone         text CHECK (quota_admin.is_zone(zone)),                                -- of the period; UTC where there is none
    limits       jsonb CHECK (quota_admin.are_limits(limits)),
    holds        jsonb CHECK (quota_admin.are_holds(holds)),
    mode         text NOT NULL DEFAULT 'enforce' CHECK (mode IN ('enforce', 'shadow', 'off')),
    note         text CHECK (char_length(note) <= 1000),
    -- Kept by the trigger below.
    policy       text NOT NULL,
    changed_at   timestamptz NOT NULL,
    changed_by   text NOT NULL,
    CHECK (CASE WHEN limits IS NULL THEN capacity IS NOT NULL AND (refill_rate IS NULL) <> (period IS NULL)
                ELSE capacity IS NULL AND refill_rate IS NULL AND period IS NULL END),
    CHECK (zone IS NULL OR period IS NOT NULL)
);

-- policy is the record's value, word for word. A generated column would do, but PostgreSQL 17 does not replicate those.
CREATE FUNCTION quota_admin.write_policy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.policy := jsonb_strip_nulls(jsonb_build_object('capacity', NEW.capacity, 'refill_rate', NEW.refill_rate,
        'period', NEW.period, 'zone', NEW.zone, 'limits', NEW.limits, 'holds', NEW.holds, 'mode', NEW.mode, 'note', NEW.note))::text;
    NEW.changed_at := clock_timestamp();
    NEW.changed_by := session_user;
    RETURN NEW;
END $$;

CREATE TRIGGER write_policy BEFORE INSERT OR UPDATE ON quota_admin.agent_quotas
    FOR EACH ROW EXECUTE FUNCTION quota_admin.write_policy();

-- TRUNCATE names no rows, so no policy would be deleted on the topic.
CREATE FUNCTION quota_admin.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE would leave every policy in force: use DELETE FROM quota_admin.agent_quotas';
END $$;

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON quota_admin.agent_quotas
    FOR EACH STATEMENT EXECUTE FUNCTION quota_admin.refuse_truncate();

GRANT SELECT (agent_id, policy) ON quota_admin.agent_quotas TO quota_admin_source;
GRANT SELECT, DELETE ON quota_admin.agent_quotas TO quota_operator;
GRANT INSERT (agent_id, capacity, refill_rate, period, zone, limits, holds, mode, note),
    UPDATE (agent_id, capacity, refill_rate, period, zone, limits, holds, mode, note)
    ON quota_admin.agent_quotas TO quota_operator;

RESET ROLE;

CREATE PUBLICATION quota_admin FOR TABLE quota_admin.agent_quotas (agent_id, policy);
