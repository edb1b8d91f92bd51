package io.tollgate.spring;

import io.micrometer.core.instrument.MeterRegistry;
import io.tollgate.client.ResourceQuotaManager;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * Makes one {@link ResourceQuotaManager} from the properties {@code tollgate.*}, unless the application has one of its
 * own.
 */
@AutoConfiguration
@ConditionalOnProperty(name = "tollgate.enabled", matchIfMissing = true)
@EnableConfigurationProperties(QuotaProperties.class)
public class QuotaAutoConfiguration {
    @Bean
    @ConditionalOnMissingBean
    ResourceQuotaManager resourceQuotaManager(QuotaProperties properties, ObjectProvider<QuotaCustomizer> customizers) {
        if (properties.limits().isEmpty()) {
            throw new IllegalArgumentException(
                    "tollgate.limits must have at least one limit, such as tollgate.limits[0].capacity=100"
                            + " and tollgate.limits[0].refill-rate=10");
        }
        var builder = ResourceQuotaManager.builder().timeout(properties.timeout());
        if (properties.redisUrl() != null) builder.redis(properties.redisUrl());
        properties.limits().forEach(each -> builder.limit(each.prefix(), each.limit()));
        customizers.orderedStream().forEach(each -> each.customize(builder));
        return builder.build();
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(MeterRegistry.class)
    static class Meters {
        @Bean
        QuotaCustomizer quotaMeters(ObjectProvider<MeterRegistry> registry) {
            return builder -> registry.ifUnique(builder::meters);
        }
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(name = "org.springframework.boot.actuate.health.HealthIndicator")
    @ConditionalOnProperty(name = "management.health.tollgate.enabled", matchIfMissing = true)
    static class HealthOfSpringBoot3 {
        @Bean
        @ConditionalOnMissingBean(name = "tollgateHealthIndicator")
        org.springframework.boot.actuate.health.HealthIndicator tollgateHealthIndicator(ResourceQuotaManager quota) {
            return () -> org.springframework.boot.actuate.health.Health.up()
                    .withDetails(SharingDetails.of(quota.status()))
                    .build();
        }
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnClass(name = "org.springframework.boot.health.contributor.HealthIndicator")
    @ConditionalOnProperty(name = "management.health.tollgate.enabled", matchIfMissing = true)
    static class HealthOfSpringBoot4 {
        @Bean
        @ConditionalOnMissingBean(name = "tollgateHealthIndicator")
        org.springframework.boot.health.contributor.HealthIndicator tollgateHealthIndicator(
                ResourceQuotaManager quota) {
            return () -> org.springframework.boot.health.contributor.Health.up()
                    .withDetails(SharingDetails.of(quota.status()))
                    .build();
        }
    }
}
