package io.tollgate.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Limit;
import io.tollgate.client.QuotaListener;
import io.tollgate.client.ResourceQuotaManager;
import io.tollgate.failover.SharingStatus;
import io.tollgate.sandbox.process.RedisServer;
import io.tollgate.spring.QuotaCustomizer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The starter as an application sees it: a bean from properties, its health and its meters over HTTP. */
@Timeout(90)
class StarterIT {
    @Configuration
    @EnableAutoConfiguration
    static class Application {}

    @Configuration
    @EnableAutoConfiguration
    static class OwnManager {
        @Bean
        ResourceQuotaManager own() {
            return ResourceQuotaManager.local(new Limit(1, 0));
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Customized {
        final List<SharingStatus> heard = new CopyOnWriteArrayList<>();

        @Bean
        QuotaCustomizer listener() {
            return builder -> builder.listener(new QuotaListener() {
                @Override
                public void statusChanged(SharingStatus status) {
                    heard.add(status);
                }
            });
        }
    }

    @Test
    void propertiesConfigureTheManager() {
        try (var redis = RedisServer.start();
                var context = start(
                        Application.class,
                        "tollgate.redis-url=" + redis.uri(),
                        "tollgate.timeout=5s",
                        "tollgate.limits[0].capacity=10",
                        "tollgate.limits[0].refill-rate=0",
                        "tollgate.limits[1].prefix=api:",
                        "tollgate.limits[1].capacity=5",
                        "tollgate.limits[1].period=month",
                        "tollgate.limits[1].zone=Europe/Berlin");
                var other = ResourceQuotaManager.builder()
                        .redis(redis.uri())
                        .limit(new Limit(10, 0))
                        .timeout(Duration.ofSeconds(5))
                        .build()) {
            var quota = context.getBean(ResourceQuotaManager.class);

            assertThat(quota.checkAndConsume("a", 4).decidedBy()).isEqualTo(DecidedBy.REDIS);
            assertThat(other.availableTokens("a")).isEqualTo(6);
            assertThat(quota.availableTokens("api:key")).isEqualTo(5);
            assertThat(get(context, "health")).contains("\"tollgate\"", "\"buckets\":\"shared\"");
            assertThat(get(context, "metrics/tollgate.quota.decisions?tag=verdict:approved")).contains("\"value\":1.0");

            redis.kill();
            await().atMost(Duration.ofSeconds(30)).until(() -> quota.checkAndConsume("a", 0).decidedBy() == DecidedBy.LOCAL
                    && quota.status() instanceof SharingStatus.Local);
            assertThat(get(context, "health")).contains("\"buckets\":\"local\"", "\"reason\":");
            assertThat(get(context, "health")).startsWith("{").contains("\"status\":\"UP\"").doesNotContain("DOWN");
        }
    }

    @Test
    void ownManagerComesFirst() {
        try (var context = start(OwnManager.class)) {
            assertThat(context.getBean(ResourceQuotaManager.class).availableTokens("a")).isEqualTo(1);
            assertThat(get(context, "health")).contains("\"buckets\":\"local\"");
        }
    }

    @Test
    void customizersSeeTheBuilder() {
        try (var context = start(Customized.class, "tollgate.limits[0].capacity=1", "tollgate.limits[0].refill-rate=1")) {
            await().untilAsserted(() -> assertThat(context.getBean(Customized.class).heard).isNotEmpty());
        }
    }

    @Test
    void disabledStarterMakesNothing() {
        try (var context = start(Application.class, "tollgate.enabled=false")) {
            assertThat(context.getBeanNamesForType(ResourceQuotaManager.class)).isEmpty();
            assertThat(get(context, "health")).doesNotContain("tollgate");
        }
    }

    @Test
    void mistakeNamesTheProperty() {
        assertThat(catchThrowable(() -> start(Application.class).close()))
                .hasRootCauseMessage("tollgate.limits must have at least one limit, such as tollgate.limits[0].capacity=100"
                        + " and tollgate.limits[0].refill-rate=10");
        assertThat(catchThrowable(() -> start(Application.class, "tollgate.limits[0].capacity=1").close()))
                .hasRootCauseMessage("tollgate.limits: the limit of prefix \"\" must have either refill-rate or period");
    }

    @Test
    void everyPropertyIsDescribed() throws Exception {
        String description = Files.readString(Path.of("../starter/src/main/resources/META-INF/spring-configuration-metadata.json"));
        var described = new ArrayList<String>();
        var names = Pattern.compile("\"name\": \"tollgate\\.([a-z-]+)\"").matcher(description);
        while (names.find()) described.add(names.group(1));

        assertThat(described).containsExactlyInAnyOrder("enabled", "redis-url", "timeout", "limits");
        assertThat(io.tollgate.spring.QuotaProperties.class.getRecordComponents()).hasSize(3);
    }

    private static ConfigurableApplicationContext start(Class<?> application, String... properties) {
        var arguments = new ArrayList<String>();
        arguments.add("--spring.main.banner-mode=off");
        arguments.add("--server.port=0");
        arguments.add("--server.address=127.0.0.1");
        arguments.add("--management.endpoints.web.exposure.include=health,metrics");
        arguments.add("--management.endpoint.health.show-details=always");
        for (String property : properties) arguments.add("--" + property);
        return SpringApplication.run(application, arguments.toArray(new String[0]));
    }

    private static String get(ConfigurableApplicationContext context, String endpoint) {
        var uri = URI.create(
                "http://127.0.0.1:" + context.getEnvironment().getProperty("local.server.port") + "/actuator/" + endpoint);
        try {
            return HttpClient.newHttpClient()
                    .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString())
                    .body();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
