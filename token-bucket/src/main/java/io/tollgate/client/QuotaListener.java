package io.tollgate.client;

import io.tollgate.bucket.Decision;
import io.tollgate.failover.SharingStatus;

/**
 * Hears what becomes of the quota, on the executor of the {@link ResourceQuotaManager}; what it throws is logged, and changes nothing. It must
 * be thread-safe.
 */
public interface QuotaListener {
    /** The status is this from now on: told once at the start, and whenever it changes, its reason too. One call at a time, in order. */
    default void statusChanged(SharingStatus status) {}

    /** A request was decided. */
    default void decided(String agentId, double tokens, Decision decision) {}
}
