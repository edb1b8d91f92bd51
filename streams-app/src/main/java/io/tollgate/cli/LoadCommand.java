package io.tollgate.cli;

import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.ingest.RecordClassifier;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Publishes sample requests. */
@Command(
        name = "load",
        description = "Publishes sample requests as well-behaved agents would, keyed by agent.",
        mixinStandardHelpOptions = true)
public final class LoadCommand extends PrintingCommand implements Callable<Integer> {
    @Mixin
    private final KafkaOptions kafka;

    @Option(
            names = "--rate",
            paramLabel = "R",
            defaultValue = "0",
            description = "Requests per second (default: as fast as the broker takes them).")
    private double rate;

    @Option(
            names = "--records",
            paramLabel = "N",
            defaultValue = "10000",
            description = "How many requests (default: ${DEFAULT-VALUE}).")
    private long records;

    @Option(
            names = "--agents",
            paramLabel = "N",
            defaultValue = "100",
            description = "How many agents (default: ${DEFAULT-VALUE}).")
    private int agents;

    @Option(
            names = "--skew",
            paramLabel = "Z",
            defaultValue = "0",
            description = "Zipf exponent: 0 all agents alike, 1 a few do most (default: ${DEFAULT-VALUE}).")
    private double skew;

    @Option(
            names = "--cost",
            paramLabel = "N",
            defaultValue = "1",
            description = "Tokens that each request costs (default: ${DEFAULT-VALUE}).")
    private double costTokens;

    /** Takes the source of the settings. */
    public LoadCommand(KafkaOptions kafka) {
        this.kafka = kafka;
    }

    @Override
    public Integer call() throws SettingsException {
        require(rate >= 0 && rate <= 1e7, "--rate must be from 0 (no limit) to 1e7", rate);
        require(records >= 1, "--records must be at least 1", records);
        require(agents >= 1 && agents <= 10_000_000, "--agents must be from 1 to 10000000", agents);
        require(skew >= 0 && skew <= 10, "--skew must be from 0 to 10", skew);
        require(costTokens >= 0 && costTokens <= 1e12, "--cost must be from 0 to 1e12", costTokens);
        var settings = kafka.answered();
        int partitions;
        try (var topics = new TopicAdmin(settings)) {
            partitions = topics.requestPartitions(); // a clear message now, not a producer that waits for a minute
        }
        long start = System.nanoTime();
        publish(settings, partitions);
        double seconds = (System.nanoTime() - start) / 1e9;
        var out = spec.commandLine().getOut();
        out.printf(
                Locale.ROOT,
                "published %d requests of %d agents in %.1f s (%.0f/s)%n",
                records,
                agents,
                seconds,
                records / seconds);
        return 0;
    }

    private void require(boolean legal, String rule, Object value) {
        if (!legal) throw new ParameterException(spec.commandLine(), rule + ", but is " + value);
    }

    private void publish(Settings settings, int partitions) {
        var properties = settings.kafka().clientProperties("producer.", ProducerConfig.configNames());
        properties.putIfAbsent(ProducerConfig.LINGER_MS_CONFIG, "5");
        var failure = new AtomicReference<Exception>();
        var choose = new AgentChoice(agents, skew);
        long start = System.nanoTime();
        try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
                var progress =
                        new Progress("publishing", records, spec.commandLine().getErr())) {
            for (long i = 0; i < records && failure.get() == null; i++) {
                if (rate > 0) awaitTurn(start + (long) (i / rate * 1e9));
                var agent = "agent-" + choose.next();
                producer.send(
                        request(settings.topics().requests(), partitions, agent, costTokens, i), (metadata, thrown) -> {
                            if (thrown != null) failure.compareAndSet(null, thrown);
                        });
                progress.step();
            }
            producer.flush();
        }
        if (failure.get() != null)
            throw new CommandFailure("publishing failed: " + failure.get().getMessage());
    }

    /** Names the partition, so that no setting of a producer sends an agent elsewhere. */
    static ProducerRecord<byte[], byte[]> request(
            String topic, int partitions, String agent, double costTokens, long number) {
        var json = "{\"request_id\":\"load-" + number + "\",\"agent_id\":\"" + agent + "\",\"tokens\":" + costTokens
                + ",\"payload\":{\"kind\":\"sample\"}}";
        byte[] key = agent.getBytes(StandardCharsets.UTF_8);
        return new ProducerRecord<>(
                topic, RecordClassifier.partitionOf(key, partitions), key, json.getBytes(StandardCharsets.UTF_8));
    }

    private static void awaitTurn(long atNanos) {
        long wait;
        while ((wait = atNanos - System.nanoTime()) > 0) LockSupport.parkNanos(wait);
    }

    /** Chooses agents by Zipf's law: the chance of the k-th is proportional to 1 / k to the power of the skew. */
    static final class AgentChoice {
        private final SplittableRandom random = new SplittableRandom();
        private final double[] cumulative;

        AgentChoice(int agents, double skew) {
            cumulative = new double[agents];
            double sum = 0;
            for (int k = 0; k < agents; k++) cumulative[k] = sum += Math.pow(k + 1, -skew);
        }

        /** Returns a number from 0 to one below the number of agents. */
        int next() {
            double point = random.nextDouble() * cumulative[cumulative.length - 1];
            int found = Arrays.binarySearch(cumulative, point);
            return found >= 0 ? found : -found - 1;
        }
    }
}
