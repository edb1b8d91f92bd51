-- Questions of auditors. Each is run by the build as a member of quota_auditor.

-- Who is throttled most, this hour?
SELECT agent_id, refusals, tokens_refused FROM quota_audit.most_throttled_agents
WHERE hour = date_trunc('hour', now()) LIMIT 10;

-- Why are requests rejected?
SELECT reason, limit_name, rejections, agents FROM quota_audit.rejections_by_reason;

-- Who sends what cannot be read, and since when?
SELECT source_topic, source_partition, detail, requests, first_seen FROM quota_audit.invalid_by_source LIMIT 10;

-- What did an invalid request look like?
SELECT source_partition, source_offset, detail, encode(substr(decode(request_base64, 'base64'), 1, 200), 'escape') AS bytes
FROM quota_audit.rejected_requests WHERE reason = 'invalid_request' ORDER BY recorded_at DESC LIMIT 10;

-- What was refused to one agent, and what would it have cost?
SELECT decided_at, request_id, tokens, remaining, retry_after_ms FROM quota_audit.rejected_requests
WHERE agent_id = 'greedy-1' ORDER BY decided_at DESC LIMIT 20;

-- Which refused requests carry a payload with this field?
SELECT agent_id, request ->> 'request_id' AS request_id, request -> 'payload' AS payload
FROM quota_audit.rejected_requests WHERE request -> 'payload' ? 'prompt' ORDER BY decided_at DESC LIMIT 20;

-- How long was each agent out of tokens? From the first refusal to the next approval.
SELECT agent_id, limit_name, at AS since, next_at - at AS duration FROM (
    SELECT *, lead(at) OVER (PARTITION BY agent_id, limit_name ORDER BY at) AS next_at
    FROM quota_audit.quota_events WHERE event IN ('first_refusal', 'recovered')) AS turn
WHERE event = 'first_refusal' ORDER BY at DESC LIMIT 20;

-- How late is the audit?
SELECT max(recorded_at - decided_at) AS largest_delay FROM quota_audit.rejected_requests
WHERE recorded_at > now() - interval '10 minutes';

-- Who changed what, the newest first? Policies, and buckets that were filled.
SELECT changed_at, agent_id, change, changed_by, policy FROM quota_audit.changes LIMIT 20;

-- What share of its requests was refused to each agent, hour by hour?
SELECT hour, agent_id, approvals, refusals, round(100.0 * refusals / (approvals + refusals), 1) AS refused_percent, tokens_approved
FROM quota_audit.decisions_per_hour WHERE hour > now() - interval '1 day';

-- What did each agent spend, hour by hour, after its holds were settled?
SELECT hour, agent_id, charged, refunded, spent FROM quota_audit.spent_by_agent_and_hour WHERE hour > now() - interval '1 day';

-- Whose holds expire, and how many?
SELECT agent_id, count(*) AS expired, sum(reserved) AS tokens FROM quota_audit.settled_requests
WHERE outcome = 'expired' AND decided_at > now() - interval '1 day' GROUP BY 1 ORDER BY expired DESC LIMIT 10;
