package io.tollgate.sandbox;

import io.tollgate.sandbox.process.SandboxTopics;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.CRC32;
import org.apache.kafka.clients.producer.BufferExhaustedException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Utils;
import org.jspecify.annotations.Nullable;

/**
 * The traffic of a fleet of agents, on a thread of its own. Most agents are modest and use a Java client; the busiest
 * tenth is greedy. Some reserve holds that {@link SampleWorkers} settle; some use a client that partitions differently,
 * or set no key. Now and then a request is invalid.
 */
final class SampleAgents extends TrafficThread {
    /** One request in so many is invalid. */
    private static final int INVALID_EVERY = 200;

    /** The estimate of agents that do not know the cost in advance: usually too high. */
    private static final int HELD_TOKENS = 10;

    /** The figures of published requests so far. */
    record Published(long records, long strays, long invalid, long failed) {}

    private final Map<String, Object> client;
    private final OptionalLong records;
    private final OptionalDouble ratePerSecond;
    private final int agents;
    private final Zipf zipf;
    private final DecisionTally tally;
    private final SplittableRandom random;
    private final String run;
    private final AtomicLong strays = new AtomicLong();
    private final AtomicLong invalid = new AtomicLong();
    private final AtomicLong acknowledged = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private volatile @Nullable String failure;

    /**
     * @param records how many in all; empty: until closed
     * @param ratePerSecond empty: as fast as the broker takes them
     * @param run begins each request_id, so that those of two runs differ
     */
    SampleAgents(
            Map<String, Object> client,
            OptionalLong records,
            OptionalDouble ratePerSecond,
            int agents,
            double skew,
            DecisionTally tally,
            SplittableRandom random,
            String run) {
        super("sample-agents");
        this.client = client;
        this.records = records;
        this.ratePerSecond = ratePerSecond;
        this.agents = agents;
        this.zipf = new Zipf(agents, skew);
        this.tally = tally;
        this.random = random;
        this.run = run;
    }

    @Override
    void work() {
        var config = new HashMap<>(client);
        config.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        config.put(ProducerConfig.LINGER_MS_CONFIG, 5);
        config.put(ProducerConfig.BATCH_SIZE_CONFIG, 64 * 1024);
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            int partitions = producer.partitionsFor(SandboxTopics.REQUESTS).size();
            long start = System.nanoTime();
            for (long n = 0; !isClosing() && (records.isEmpty() || n < records.getAsLong()); n++) {
                if (ratePerSecond.isPresent()) {
                    long due = start + (long) (n * 1e9 / ratePerSecond.getAsDouble());
                    for (long wait = due - System.nanoTime();
                            wait > 0 && !isClosing();
                            wait = due - System.nanoTime()) {
                        LockSupport.parkNanos(Math.min(wait, 100_000_000));
                    }
                }
                producer.send(next(n, partitions), this::acknowledge);
            }
        } catch (InterruptException closed) {
            throw closed;
        } catch (BufferExhaustedException e) {
            failure = "Kafka takes no more requests: " + e.getMessage();
        } catch (RuntimeException e) {
            failure = "no more requests: " + e;
        }
    }

    private void acknowledge(@Nullable RecordMetadata metadata, @Nullable Exception exception) {
        if (exception != null || metadata == null) {
            failed.incrementAndGet();
            return;
        }
        tally.published(metadata.partition(), metadata.offset());
        acknowledged.incrementAndGet();
    }

    private ProducerRecord<byte[], byte[]> next(long n, int partitions) {
        int rank = zipf.rank(random.nextDouble());
        boolean greedy = rank < Math.max(1, agents / 10);
        String agent = (greedy ? "greedy-" : "agent-") + (rank + 1);
        byte[] key = agent.getBytes(StandardCharsets.UTF_8);
        byte[] value;
        if (n % INVALID_EVERY == INVALID_EVERY - 1) {
            invalid.incrementAndGet();
            value = rubbish(n, agent);
        } else {
            boolean holds = !greedy && rank % 8 == 3;
            value = request(n, agent, greedy ? 5 + random.nextInt(46) : holds ? HELD_TOKENS : 1, holds);
        }
        if (!greedy && rank % 8 == 7) { // an agent in Python, C or Go
            return stray(key, value, crc32Partition(key, partitions), partitions);
        }
        if (!greedy && rank % 16 == 10) { // an agent that sets no key: any partition
            int partition = random.nextInt(partitions);
            var record = stray(key, value, partition, partitions);
            return new ProducerRecord<>(record.topic(), partition, null, value);
        }
        return new ProducerRecord<>(SandboxTopics.REQUESTS, murmur2Partition(key, partitions), key, value);
    }

    private ProducerRecord<byte[], byte[]> stray(byte[] key, byte[] value, int partition, int partitions) {
        if (partition != murmur2Partition(key, partitions)) strays.incrementAndGet();
        return new ProducerRecord<>(SandboxTopics.REQUESTS, partition, key, value);
    }

    /** Returns the partition that Kafka's Java producer chooses for a key, whatever the client was configured with. */
    static int murmur2Partition(byte[] key, int partitions) {
        return Utils.toPositive(Utils.murmur2(key)) % partitions;
    }

    /**
     * Returns the partition that librdkafka's default partitioner, {@code consistent_random}, chooses for a key that is
     * not empty.
     *
     * @see <a
     *     href="https://docs.confluent.io/platform/current/clients/librdkafka/html/md_CONFIGURATION.html">partitioner</a>
     */
    static int crc32Partition(byte[] key, int partitions) {
        var crc = new CRC32();
        crc.update(key);
        return (int) (crc.getValue() % partitions);
    }

    private byte[] request(long n, String agent, int tokens, boolean holds) {
        return ("{\"request_id\":\"" + run + "-" + n + "\",\"agent_id\":\"" + agent + "\",\"tokens\":" + tokens
                        + (holds ? ",\"hold\":true" : "")
                        + ",\"payload\":{\"model\":\"small\",\"prompt\":\"Sample request number " + n + "\"}}")
                .getBytes(StandardCharsets.UTF_8);
    }

    private byte[] rubbish(long n, String agent) {
        String text = switch ((int) (n / INVALID_EVERY % 3)) {
            case 0 -> "this is not JSON";
            case 1 -> "{\"request_id\":\"" + run + "-" + n + "\",\"tokens\":1}";
            default -> "{\"request_id\":\"" + run + "-" + n + "\",\"agent_id\":\"" + agent + "\",\"tokens\":-5}";
        };
        return text.getBytes(StandardCharsets.UTF_8);
    }

    Published sent() {
        return new Published(acknowledged.get(), strays.get(), invalid.get(), failed.get());
    }

    /** Returns the failure that stopped the traffic, or null. */
    @Nullable
    String failure() {
        return failure;
    }
}
