package io.tollgate.spring;

import io.tollgate.client.ResourceQuotaManager;

/** Changes how the manager is built, after the properties {@code tollgate.*}: a bean of this type is called once. */
@FunctionalInterface
public interface QuotaCustomizer {
    /** Sets what properties cannot say: a listener, an executor, a {@code RedisURI}. */
    void customize(ResourceQuotaManager.Builder builder);
}
