package io.tollgate.benchmarks.run;

import java.util.List;
import java.util.stream.Stream;

/** The programs measured in turns; the template of the page describes them. */
enum Contestant {
    COPY("copy", false, false),
    PASS_THROUGH("pass-through", false, false),
    TOLLGATE_OFF("tollgate-off", false, false),
    TOLLGATE_REDIS("tollgate-redis", true, false),
    /** After Tollgate with Redis, whose verdicts it is given. */
    VERDICTS_GIVEN("verdicts-given", false, false),
    TOLLGATE_LOCAL("tollgate-local", false, false),
    NAIVE("naive", true, true),
    BUCKET4J("bucket4j", true, true);

    private final String text;
    final boolean usesRedis;

    /** Whether it waits for Redis record by record: slow, and soon steady. */
    final boolean waitsForEachRecord;

    Contestant(String text, boolean usesRedis, boolean waitsForEachRecord) {
        this.text = text;
        this.usesRedis = usesRedis;
        this.waitsForEachRecord = waitsForEachRecord;
    }

    /**
     * Returns the contestants with these names, in the order in which they run.
     *
     * @throws IllegalArgumentException if a name is unknown
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

    boolean isTollgate() {
        return this == TOLLGATE_OFF || this == TOLLGATE_REDIS || this == TOLLGATE_LOCAL;
    }
}
