package io.tollgate;

import io.tollgate.config.Settings;
import java.util.Properties;

/** Lets the benchmarks' peers run with the very Streams settings that Tollgate runs with. */
public final class PeerProperties {
    private PeerProperties() {}

    /** Returns Tollgate's properties for Kafka Streams, without the prefetch. */
    public static Properties of(Settings settings) {
        return StreamsProperties.of(settings);
    }
}
