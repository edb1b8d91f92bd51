package io.tollgate.benchmarks;

import java.util.List;
import java.util.stream.Stream;

/** Who runs in turns. */
enum Contestant {
    COPY("copy", "Kafka Streams alone: copies bytes from topic to topic", false, false),
    PASS_THROUGH(
            "pass-through",
            "the same way without a decision: parses, sorts, adds the headers of a decision, writes",
            false,
            false),
    TOLLGATE_OFF(
            "tollgate-off",
            "Tollgate's own topology and headers without a bucket: the policy of all is off",
            false,
            false),
    TOLLGATE_REDIS("tollgate-redis", "Tollgate, buckets in Redis", true, false),
    TOLLGATE_LOCAL("tollgate-local", "Tollgate, local buckets", false, false),
    NAIVE("naive", "one script call for each record, answered before the next", true, true),
    BUCKET4J("bucket4j", "Bucket4j with Lettuce, for each record", true, true);

    private final String text;
    private final String description;
    private final boolean usesRedis;
    private final boolean waitsForEachRecord;

    Contestant(String text, String description, boolean usesRedis, boolean waitsForEachRecord) {
        this.text = text;
        this.description = description;
        this.usesRedis = usesRedis;
        this.waitsForEachRecord = waitsForEachRecord;
    }

    /**
     * Returns those that have these names, in the order in which they run.
     *
     * @throws IllegalArgumentException if nobody has one of them
     */
    static List<Contestant> named(List<String> names) {
        var known = Stream.of(values()).map(Contestant::text).toList();
        if (!known.containsAll(names)) throw new IllegalArgumentException("contestants are: " + known);
        return Stream.of(values())
                .filter(contestant -> names.contains(contestant.text()))
                .toList();
    }

    /** The name in commands and results. */
    String text() {
        return text;
    }

    String description() {
        return description;
    }

    boolean usesRedis() {
        return usesRedis;
    }

    /** Whether it waits for Redis record by record: slow, and soon steady. */
    boolean waitsForEachRecord() {
        return waitsForEachRecord;
    }

    boolean isTollgate() {
        return this == TOLLGATE_OFF || this == TOLLGATE_REDIS || this == TOLLGATE_LOCAL;
    }
}
