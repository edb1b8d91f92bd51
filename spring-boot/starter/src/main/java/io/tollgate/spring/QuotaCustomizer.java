package io.tollgate.spring;

import io.tollgate.client.ResourceQuotaManager;

/**
 * Changes the manager's builder after the properties {@code tollgate.*} were applied: a bean of this type is
 * called once.
 */
@FunctionalInterface
public interface QuotaCustomizer {
    /** Sets what properties cannot express: a listener, an executor, a {@code RedisURI}. */
    void customize(ResourceQuotaManager.Builder builder);
}
