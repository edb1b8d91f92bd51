package io.tollgate.sandbox;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options of the sandbox, and the rules among them. */
final class SandboxOptions {
    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(
            names = "--records",
            paramLabel = "N",
            description = "publish N requests, wait until each is decided, and end")
    @Nullable
    Long records;

    @Option(
            names = "--rate",
            paramLabel = "R",
            description = "requests per second (default: 200; with --records: as fast as possible)")
    @Nullable
    Double rate;

    @Option(names = "--agents", paramLabel = "N", defaultValue = "50", description = "sample agents (default: 50)")
    int agents;

    @Option(
            names = "--skew",
            paramLabel = "Z",
            defaultValue = "1.0",
            description = "Zipf exponent: 0 makes all agents equally busy (default: 1.0)")
    double skew;

    @Option(names = "--kafka-port", paramLabel = "P", defaultValue = "0", description = "default: a free one")
    int kafkaPort;

    @Option(names = "--redis-port", paramLabel = "P", defaultValue = "0", description = "default: a free one")
    int redisPort;

    @Option(names = "--http-port", paramLabel = "P", defaultValue = "0", description = "default: a free one")
    int httpPort;

    @Option(names = "--no-redis", description = "without Redis: local buckets only")
    boolean noRedis;

    @Option(names = "--no-traffic", description = "without sample agents")
    boolean noTraffic;

    @Option(names = "--no-app", description = "without the pipeline: Kafka and Redis only")
    boolean noApp;

    @Option(names = "--connect", description = "PostgreSQL and Kafka Connect as well")
    boolean connect;

    @Option(names = "--secure", description = "with TLS, logins and the least rights that suffice")
    boolean secure;

    @Option(names = "--dir", paramLabel = "D", description = "keep the data here and reuse it at the next start")
    @Nullable
    Path dir;

    /** @throws ParameterException if they break a rule */
    void check() {
        require(records == null || records >= 1, "--records must be at least 1, but is " + records);
        require(rate == null || (rate > 0 && rate <= 1e9), "--rate must be above 0 and at most 1e9, but is " + rate);
        require(agents >= 1 && agents <= 1_000_000, "--agents must be from 1 to 1000000, but is " + agents);
        require(skew >= 0 && skew <= 100, "--skew must be from 0 to 100, but is " + skew);
        requirePort("--kafka-port", kafkaPort);
        requirePort("--redis-port", redisPort);
        requirePort("--http-port", httpPort);
        if (!noRedis) requireOther("--redis-port", redisPort, "--kafka-port", kafkaPort);
        if (!noApp) requireOther("--http-port", httpPort, "--kafka-port", kafkaPort);
        if (!noApp && !noRedis) requireOther("--http-port", httpPort, "--redis-port", redisPort);
        require(records == null || !noTraffic, "--records and --no-traffic exclude each other");
        require(records == null || !noApp, "--records needs the pipeline: it excludes --no-app");
        require(!connect || !secure, "--connect and --secure exclude each other");
    }

    private void requirePort(String option, int port) {
        require(port >= 0 && port <= 65_535, option + " must be from 0 to 65535, but is " + port);
    }

    private void requireOther(String option, int port, String other, int otherPort) {
        require(port == 0 || port != otherPort, option + " must differ from " + other + ", but is " + port);
    }

    private void require(boolean legal, String message) {
        if (!legal) throw new ParameterException(spec.commandLine(), message);
    }
}
