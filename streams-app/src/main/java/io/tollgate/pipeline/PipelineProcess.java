package io.tollgate.pipeline;

import io.micrometer.core.instrument.binder.kafka.KafkaStreamsMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.tollgate.cli.CommandFailure;
import io.tollgate.cli.TopicAdmin;
import io.tollgate.cli.VersionCommand;
import io.tollgate.config.Settings;
import io.tollgate.http.HttpServer;
import io.tollgate.kafka.KafkaErrors;
import io.tollgate.metrics.ProcessMetrics;
import io.tollgate.preflight.Finding;
import io.tollgate.preflight.Preflight;
import io.tollgate.preflight.RecordLimits;
import java.security.Security;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.kafka.common.errors.RetriableException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The pipeline as a process: waits for the brokers, heeds the preflight check, runs until it is told to end. */
public final class PipelineProcess {
    private static final Logger log = LoggerFactory.getLogger(PipelineProcess.class);

    private static final Duration SAY_EVERY = Duration.ofSeconds(30);
    /** Together with the start of the JVM, users see within five seconds that nothing answers. */
    private static final Duration ANSWERS_SOON = Duration.ofSeconds(3);

    private static final Duration NAMES_AGAIN_AFTER = Duration.ofSeconds(1);

    private static final String ADDRESS_TTL = "networkaddress.cache.ttl";
    private static final String NO_ADDRESS_TTL = "networkaddress.cache.negative.ttl";

    private PipelineProcess() {}

    /** Returns the exit code. Ends the process itself if threads might keep it alive. */
    public static int run(Settings settings) throws InterruptedException {
        forgetAddressesSoon();
        if (!settings.kafka().ignored().isEmpty()) {
            log.warn(
                    "ignored, not a property of Kafka's clients: {}",
                    settings.kafka().ignored());
        }
        var preflight = RequestTopology.preflight(settings);
        var waiting = Waiting.forAnswer(settings.kafka().bootstrapServers());
        awaitNames(preflight, waiting);
        CommandFailure.ifAnyFatal(preflight.listeners());
        try (var topics = new TopicAdmin(settings)) {
            var cluster = awaitCluster(preflight, topics, waiting);
            var here = settings.inCluster(cluster.id());
            heed(RequestTopology.preflight(here).stateFolder());
            heed(preflight.redisAtStart());
            return run(here, topics, cluster);
        }
    }

    /**
     * Follows a name that moves within seconds, such as that of Redis after a failover. By default a JVM remembers an
     * address for 30 s, and a missing one for 10 s.
     */
    private static void forgetAddressesSoon() {
        if (Security.getProperty(ADDRESS_TTL) == null && System.getProperty("sun.net.inetaddr.ttl") == null) {
            Security.setProperty(ADDRESS_TTL, "3");
        }
        if ("10".equals(Security.getProperty(NO_ADDRESS_TTL)) // as every JDK comes
                && System.getProperty("sun.net.inetaddr.negative.ttl") == null) {
            Security.setProperty(NO_ADDRESS_TTL, "1");
        }
    }

    /**
     * Facts that the brokers tell once, at the start.
     *
     * @param partitions of the requests topic
     */
    private record Cluster(String id, int partitions, RecordLimits limits) {}

    /** Waits as long as it takes until a broker's name resolves: in a starting cluster, brokers may come last. */
    private static void awaitNames(Preflight preflight, Waiting waiting) throws InterruptedException {
        for (var unknown = preflight.unknownNames(); !unknown.isEmpty(); unknown = preflight.unknownNames()) {
            waiting.because("DNS does not know " + String.join(", ", unknown) + " yet");
            Thread.sleep(NAMES_AGAIN_AFTER.toMillis());
        }
    }

    /** Waits for the brokers as long as it takes: an application that starts first must not end. */
    private static Cluster awaitCluster(Preflight preflight, TopicAdmin topics, Waiting waiting) {
        if (topics.answersWithin(ANSWERS_SOON)) waiting.answered();
        while (true) {
            try {
                heed(preflight.brokers(topics.admin()));
                return new Cluster(
                        topics.clusterId(), topics.requestPartitions(), preflight.recordLimits(topics.admin()));
            } catch (RetriableException away) {
                waiting.because(whyAway(away, preflight, waiting.servers));
                heed(preflight.listeners()); // the brokers' listeners may be others than the settings expect
            }
        }
    }

    private static String whyAway(RetriableException away, Preflight preflight, String servers) {
        return Stream.of(servers.split(","))
                .map(server -> preflight.unreachable(server.strip()))
                .flatMap(Optional::stream)
                .findFirst()
                .orElse(String.valueOf(away.getMessage()));
    }

    /** Logs what the start is waiting for: once soon, then every half minute. */
    private static final class Waiting {
        private final String servers;
        private final Thread soon = new Thread(this::sayThatNobodyAnswers, "no-answer-yet");
        private long saidNanos = System.nanoTime() - SAY_EVERY.toNanos();

        private Waiting(String servers) {
            this.servers = servers;
        }

        static Waiting forAnswer(String servers) {
            var waiting = new Waiting(servers);
            waiting.soon.setDaemon(true);
            waiting.soon.start();
            return waiting;
        }

        private void sayThatNobodyAnswers() {
            try {
                Thread.sleep(ANSWERS_SOON.toMillis());
                because("no answer yet");
            } catch (InterruptedException answered) {
                // nothing to say
            }
        }

        void answered() {
            soon.interrupt();
        }

        synchronized void because(String reason) {
            if (System.nanoTime() - saidNanos < SAY_EVERY.toNanos()) return;
            saidNanos = System.nanoTime();
            log.warn("waiting for Kafka at {}: {}", servers, reason);
        }
    }

    private static void heed(List<Finding> findings) {
        findings.stream().filter(finding -> !finding.fatal()).forEach(warning -> log.warn(warning.text()));
        CommandFailure.ifAnyFatal(findings);
    }

    private static int run(Settings settings, TopicAdmin topics, Cluster cluster) throws InterruptedException {
        var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        // First of all, because the other instances learn this address.
        try (var http = new HttpServer(settings.http(), registry)) {
            var pipeline = new Pipeline(
                    settings, cluster.partitions(), cluster.limits(), topics.admin(), registry, http.address());
            return run(settings, registry, pipeline, http);
        }
    }

    private static int run(Settings settings, PrometheusMeterRegistry registry, Pipeline pipeline, HttpServer http)
            throws InterruptedException {
        registry.getPrometheusRegistry().register(pipeline.lag());
        ProcessMetrics.bind(registry, VersionCommand.version());
        try (var streamsMetrics = new KafkaStreamsMetrics(pipeline.streams())) {
            streamsMetrics.bindTo(registry);
            http.show(pipeline.observed(settings, VersionCommand.version(), registry));
            var stop = new Thread(() -> stop(pipeline), "stop");
            Runtime.getRuntime().addShutdownHook(stop);
            return end(pipeline, untilEnd(pipeline));
        }
    }

    private static Optional<Throwable> untilEnd(Pipeline pipeline) throws InterruptedException {
        try {
            pipeline.start();
        } catch (RuntimeException notStarted) {
            // An escaping exception would end the process through the hook, which reports success.
            return Optional.of(notStarted);
        }
        return pipeline.awaitEnd();
    }

    /** SIGTERM and Ctrl-C: commits what is decided, and ends with exit code 0 instead of the signal's number. */
    private static void stop(Pipeline pipeline) {
        log.info("closing");
        pipeline.close();
        log.info("closed");
        Runtime.getRuntime().halt(0);
    }

    /** Ends the process at once: after a failure, other threads must not keep an idle pipeline alive. */
    private static int end(Pipeline pipeline, Optional<Throwable> failure) throws InterruptedException {
        if (failure.isEmpty()) {
            Thread.currentThread().join(); // closed by the hook, which ends the process
        }
        var thrown = failure.orElseThrow();
        var refusal = thrown instanceof CommandFailure known
                ? Optional.ofNullable(known.getMessage())
                : KafkaErrors.explain(thrown);
        if (refusal.isPresent()) log.error("the pipeline has failed and ends: {}", refusal.get());
        else log.error("the pipeline has failed and ends", thrown);
        pipeline.close();
        Runtime.getRuntime().halt(1);
        return 1;
    }
}
