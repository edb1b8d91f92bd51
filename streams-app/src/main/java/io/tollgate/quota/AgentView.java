package io.tollgate.quota;

import io.tollgate.bucket.Bucket;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.policy.Policy;
import java.util.List;

/**
 * What there is to see of an agent. Immutable.
 *
 * @param bucket refilled to {@code nowMicros}
 * @param readFrom where the bucket was read
 * @param nowMicros microseconds since the epoch on the bucket's clock
 * @param recent its last decisions, newest first, as far as they are remembered
 */
public record AgentView(
        Policy policy, Bucket bucket, DecidedBy readFrom, long nowMicros, List<RecentDecision> recent) {}
