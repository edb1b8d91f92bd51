package io.tollgate.config;

import io.tollgate.config.KafkaProperties.Property;
import java.util.LinkedHashMap;
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

    private static final Map<String, Fixed> FIXED = fixed();
    private static final Map<String, Fixed> FIXED_FOR_TOPICS = fixedForTopics();
    private static final Map<String, String> REFUSED = refused();

    private static final Set<String> NUMBERS = Set.of("max.in.flight.requests.per.connection", "retries");

    private record Fixed(Set<String> legal, String reason) {}

    private KafkaRules() {}

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
        var reason = REFUSED.get(name);
        if (reason != null) return Optional.of("must not be set: " + reason);
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

    private static Map<String, Fixed> fixed() {
        var fixed = new LinkedHashMap<String, Fixed>();
        fixed.put(
                "isolation.level",
                new Fixed(Set.of("read_committed"), "requests that were taken back must not be decided"));
        fixed.put(
                "enable.auto.commit", new Fixed(Set.of("false"), "Tollgate commits what is decided, and nothing else"));
        fixed.put(
                "auto.offset.reset", new Fixed(Set.of("earliest"), "requests before the first start must not be lost"));
        fixed.put("allow.auto.create.topics", new Fixed(Set.of("false"), "topics must have the right partitions"));
        fixed.put("acks", new Fixed(Set.of("all", "-1"), "decisions must not be lost with a broker"));
        fixed.put("enable.idempotence", new Fixed(Set.of("true"), "no decision may be written twice"));
        fixed.put(
                "transaction.two.phase.commit.enable",
                new Fixed(Set.of("false"), "transactions that nobody ends would hold up all readers"));
        fixed.put("topology.optimization", new Fixed(Set.of("none"), "the stores' changelogs must keep their names"));
        fixed.put(
                "ensure.explicit.internal.resource.naming",
                new Fixed(Set.of("true"), "internal topics have fixed names"));
        fixed.put("built.in.metrics.version", new Fixed(Set.of("latest"), "dashboards and alerts know these names"));
        return fixed;
    }

    /** Rules for the topics that Kafka Streams creates: changelogs, and the topic of strays. */
    private static Map<String, Fixed> fixedForTopics() {
        var fixed = new LinkedHashMap<String, Fixed>();
        var kept = "records in topics of Kafka Streams must not be deleted before they are used";
        fixed.put("retention.ms", new Fixed(Set.of("-1"), kept));
        fixed.put("retention.bytes", new Fixed(Set.of("-1"), kept));
        fixed.put("remote.storage.enable", new Fixed(Set.of("false"), "compacted topics cannot have it"));
        fixed.put(
                "unclean.leader.election.enable",
                new Fixed(Set.of("false"), "a broker that was behind would give quota back"));
        fixed.put("message.timestamp.type", new Fixed(Set.of("CreateTime"), "requests keep their timestamps"));
        var any = new Fixed(Set.of(Long.toString(Long.MAX_VALUE)), "requests keep their timestamps, however odd");
        fixed.put("message.timestamp.after.max.ms", any);
        fixed.put("message.timestamp.before.max.ms", any);
        fixed.put(
                "cleanup.policy",
                new Fixed(Set.of(), "changelogs are compacted, and Kafka Streams sets it for each of its topics"));
        return fixed;
    }

    private static Map<String, String> refused() {
        var refused = new LinkedHashMap<String, String>();
        var bytes = "Tollgate reads and writes bytes";
        for (var name : Set.of(
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
                "window.size.ms")) refused.put(name, bytes);
        var failures = "every request is decided; none may be skipped over a failure";
        for (var name : Set.of(
                "default.deserialization.exception.handler",
                "deserialization.exception.handler",
                "default.production.exception.handler",
                "production.exception.handler",
                "processing.exception.handler",
                "processing.exception.handler.global.enabled",
                "errors.dead.letter.queue.topic.name")) refused.put(name, failures);
        var part = "it is part of the program";
        for (var name : Set.of(
                "default.client.supplier",
                "default.dsl.store",
                "dsl.store.format",
                "dsl.store.suppliers.class",
                "default.timestamp.extractor",
                "processor.wrapper.class",
                "rocksdb.config.setter",
                "partition.assignment.strategy",
                "group.remote.assignor")) refused.put(name, part);
        refused.put("interceptor.classes", "code between Kafka and Tollgate could change or drop records");
        refused.put("transactional.id", "Kafka Streams has one for each thread, after TOLLGATE_APPLICATION_ID");
        return refused;
    }
}
