package io.tollgate.client;

import io.tollgate.bucket.Decision;
import io.tollgate.failover.SharingStatus;

/**
 * Is told of decisions and of changes of the status, on the executor of the {@link ResourceQuotaManager}. Exceptions
 * are logged and change nothing. Must be thread-safe.
 */
public interface QuotaListener {
    /**
     * Called with the status once at the start, and whenever it or its reason changes; one call at a time, in order.
     */
    default void statusChanged(SharingStatus status) {}

    /** Called for each decision. */
    default void decided(String agentId, double tokens, Decision decision) {}
}
