package io.tollgate.spring;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Period;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * The properties {@code tollgate.*}.
 *
 * @param redisUrl where the shared buckets live; without it they are in this process alone
 * @param timeout longest wait for Redis, from 1 ms to 10 s
 * @param limits what each agent may spend; the longest matching prefix counts
 */
@ConfigurationProperties("tollgate")
public record QuotaProperties(
        @Nullable String redisUrl,
        @DefaultValue("100ms") Duration timeout,
        @DefaultValue List<AgentLimit> limits) {
    public QuotaProperties {
        limits = List.copyOf(limits);
    }

    /**
     * The limit of each agent whose id begins with {@code prefix}.
     *
     * @param prefix empty: every agent
     * @param capacity tokens at once
     * @param refillRate tokens per second; not with a period
     * @param period at whose start the bucket is full, instead of a refill rate
     * @param zone of the period: an IANA name
     */
    public record AgentLimit(
            @DefaultValue("") String prefix,
            double capacity,
            @Nullable Double refillRate,
            @Nullable Period period,
            @DefaultValue("UTC") String zone) {
        Limit limit() {
            if (refillRate != null && period == null) return new Limit(capacity, refillRate);
            if (refillRate == null && period != null) return Limit.each(period, zone, capacity);
            throw new IllegalArgumentException(
                    "tollgate.limits: the limit of prefix \"" + prefix + "\" must have either refill-rate or period");
        }
    }
}
