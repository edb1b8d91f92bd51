package io.tollgate.config;

import io.tollgate.env.Env;
import java.util.Locale;
import java.util.Map;

/**
 * Rules for combinations: values that are legal one by one, but together prevent Kafka's clients from starting, or
 * transactions from ending in time.
 */
record KafkaConflicts(Env env, Map<String, String> properties) {
    /** Notes each mistake. Defaults are Tollgate's, else Kafka's. */
    void check() {
        heartbeats();
        deliveries();
    }

    private void heartbeats() {
        if ("streams".equals(properties.get("group.protocol"))) return; // brokers set both
        for (var scope : new String[] {"", "consumer.", "main.consumer."}) {
            if (!isSet(scope, "session.timeout.ms") && !isSet(scope, "heartbeat.interval.ms")) continue;
            long session = number(scope, "session.timeout.ms", 10_000);
            long heartbeat = number(scope, "heartbeat.interval.ms", 300);
            if (heartbeat < session) continue;
            if (isSet(scope, "heartbeat.interval.ms")) {
                mistake(
                        scope,
                        "heartbeat.interval.ms",
                        "must be below the session timeout of " + session + " ms",
                        heartbeat);
            } else {
                mistake(
                        scope,
                        "session.timeout.ms",
                        "must be above the heartbeat interval of " + heartbeat + " ms",
                        session);
            }
        }
    }

    private void deliveries() {
        for (var scope : new String[] {"", "producer."}) {
            if (!isSet(scope, "delivery.timeout.ms")) continue;
            long delivery = number(scope, "delivery.timeout.ms", 120_000);
            long least = number(scope, "linger.ms", 10) + number(scope, "request.timeout.ms", 30_000);
            if (delivery < least) {
                mistake(
                        scope,
                        "delivery.timeout.ms",
                        "must be at least " + least + ": linger.ms and request.timeout.ms together",
                        delivery);
            }
        }
    }

    private boolean isSet(String scope, String name) {
        return properties.containsKey(scope + name);
    }

    /** Returns a number; all values have been checked before, and illegal ones left out. */
    private long number(String scope, String name, long otherwise) {
        var text = properties.getOrDefault(scope + name, properties.get(name));
        return text == null ? otherwise : Long.parseLong(text.strip());
    }

    private void mistake(String scope, String name, String rule, long value) {
        var variable =
                KafkaProperties.PREFIX + (scope + name).toUpperCase(Locale.ROOT).replace('.', '_');
        env.mistake(variable, rule, Long.toString(value));
    }
}
