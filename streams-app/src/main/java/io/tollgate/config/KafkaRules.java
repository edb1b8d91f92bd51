package io.tollgate.config;

import io.tollgate.config.KafkaProperties.Property;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The properties of Kafka's clients that would break a promise of Tollgate. All others pass.
 *
 * <p>There are four kinds: properties set by one of Tollgate's own variables; properties with a single value that keeps
 * the promises; properties that are part of the program, such as serializers and partitioners; and code that would run
 * between Kafka and Tollgate.
 */
final class KafkaRules {
    private static final Map<String, String> OWNED = Map.of(
            "application.id", "TOLLGATE_APPLICATION_ID",
            "group.id", "TOLLGATE_APPLICATION_ID",
            "state.dir", "TOLLGATE_STATE_DIR",
            "processing.guarantee", "TOLLGATE_PROCESSING_GUARANTEE",
            "num.stream.threads", "TOLLGATE_STREAM_THREADS",
            "application.server", "TOLLGATE_HTTP_HOST and TOLLGATE_HTTP_PORT",
            "bootstrap.servers", "KAFKA_BOOTSTRAP_SERVERS",
            "bootstrap.controllers", "KAFKA_BOOTSTRAP_SERVERS",
            "config.providers", "the variable of the secret with _FILE at its end");

    private static final Map<String, Fixed> FIXED = Map.ofEntries(
            fixed("isolation.level", "requests that were taken back must not be decided", "read_committed"),
            fixed("enable.auto.commit", "Tollgate commits what is decided, and nothing else", "false"),
            fixed("auto.offset.reset", "requests before the first start must not be lost", "earliest"),
            fixed("allow.auto.create.topics", "topics must have the right partitions", "false"),
            fixed("acks", "decisions must not be lost with a broker", "all", "-1"),
            fixed("enable.idempotence", "no decision may be written twice", "true"),
            fixed(
                    "transaction.two.phase.commit.enable",
                    "transactions that nobody ends would hold up all readers",
                    "false"),
            fixed("topology.optimization", "the stores' changelogs must keep their names", "none"),
            fixed("ensure.explicit.internal.resource.naming", "internal topics have fixed names", "true"),
            fixed("built.in.metrics.version", "dashboards and alerts know these names", "latest"));

    private static final String KEPT = "records in topics of Kafka Streams must not be deleted before they are used";
    private static final String ODD = "requests keep their timestamps, however odd";

    /** Rules for the topics that Kafka Streams creates: changelogs, and the topic of strays. */
    private static final Map<String, Fixed> FIXED_FOR_TOPICS = Map.ofEntries(
            fixed("retention.ms", KEPT, "-1"),
            fixed("retention.bytes", KEPT, "-1"),
            fixed("remote.storage.enable", "compacted topics cannot have it", "false"),
            fixed("unclean.leader.election.enable", "a broker that was behind would give quota back", "false"),
            fixed("message.timestamp.type", "requests keep their timestamps", "CreateTime"),
            fixed("message.timestamp.after.max.ms", ODD, Long.toString(Long.MAX_VALUE)),
            fixed("message.timestamp.before.max.ms", ODD, Long.toString(Long.MAX_VALUE)),
            fixed("cleanup.policy", "changelogs are compacted, and Kafka Streams sets it for each of its topics"));

    /** For each reason the properties that it forbids. */
    private static final Map<String, Set<String>> REFUSED = Map.of(
            "Tollgate reads and writes bytes",
            Set.of(
                    "key.serializer",
                    "value.serializer",
                    "key.deserializer",
                    "value.deserializer",
                    "default.key.serde",
                    "default.value.serde",
                    "default.list.key.serde.inner",
                    "default.list.key.serde.type",
                    "default.list.value.serde.inner",
                    "default.list.value.serde.type",
                    "windowed.inner.class.serde",
                    "window.size.ms"),
            "every request is decided; none may be skipped over a failure",
            Set.of(
                    "default.deserialization.exception.handler",
                    "deserialization.exception.handler",
                    "default.production.exception.handler",
                    "production.exception.handler",
                    "processing.exception.handler",
                    "processing.exception.handler.global.enabled",
                    "errors.dead.letter.queue.topic.name"),
            "it is part of the program",
            Set.of(
                    "default.client.supplier",
                    "default.dsl.store",
                    "dsl.store.format",
                    "dsl.store.suppliers.class",
                    "default.timestamp.extractor",
                    "processor.wrapper.class",
                    "rocksdb.config.setter",
                    "partition.assignment.strategy",
                    "group.remote.assignor"),
            "code between Kafka and Tollgate could change or drop records",
            Set.of("interceptor.classes"),
            "Kafka Streams has one for each thread, after TOLLGATE_APPLICATION_ID",
            Set.of("transactional.id"));

    private static final Set<String> NUMBERS = Set.of("max.in.flight.requests.per.connection", "retries");

    private record Fixed(Set<String> legal, String reason) {}

    private KafkaRules() {}

    private static Map.Entry<String, Fixed> fixed(String name, String reason, String... legal) {
        return Map.entry(name, new Fixed(Set.of(legal), reason));
    }

    /** Returns the rule that this value breaks, as the end of a sentence ("must …"); empty if it breaks none. */
    static Optional<String> brokenBy(Property property, String value) {
        var name = property.name();
        if (property.scope().equals(KafkaProperties.TOPIC)) return broken(FIXED_FOR_TOPICS.get(name), value);
        var owner = OWNED.get(name);
        if (owner != null) return Optional.of("must not be set: set " + owner + " instead");
        if (name.startsWith("partitioner.")) {
            return Optional.of(
                    "must not be set: Tollgate relies on the partition of each agent and computes it itself");
        }
        if (name.startsWith("internal.")) return Optional.of("must not be set: Kafka has it for its own tests");
        for (var refused : REFUSED.entrySet()) {
            if (refused.getValue().contains(name)) return Optional.of("must not be set: " + refused.getKey());
        }
        if (NUMBERS.contains(name)) return brokenNumber(property, value);
        return broken(FIXED.get(name), value);
    }

    private static Optional<String> broken(@Nullable Fixed fixed, String value) {
        if (fixed == null || fixed.legal.contains(value.strip())) return Optional.empty();
        if (fixed.legal.isEmpty()) return Optional.of("must not be set: " + fixed.reason);
        var legal = new TreeSet<>(fixed.legal);
        return Optional.of("must be " + String.join(" or ", legal.descendingSet()) + ": " + fixed.reason);
    }

    private static Optional<String> brokenNumber(Property property, String value) {
        boolean isRetries = property.name().equals("retries");
        if (isRetries && property.scope().equals("admin.")) return Optional.empty();
        try {
            int number = Integer.parseInt(value.strip());
            if (isRetries && number == 0) {
                return Optional.of("must be at least 1: without retries records are lost, or written twice");
            }
            if (!isRetries && number > 5) {
                return Optional.of("must be from 1 to 5: with more, retried records may be out of order");
            }
        } catch (NumberFormatException reportedAsValue) {
            return Optional.empty();
        }
        return Optional.empty();
    }
}
