package io.tollgate.sandbox;

import io.tollgate.sandbox.process.SandboxTopics;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * Reads decisions committed from now on into a {@link DecisionTally}, on a thread of its own. Closed, it has counted
 * everything that was committed before.
 */
final class DecisionReader extends TrafficThread {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final DecisionTally tally;

    private DecisionReader(KafkaConsumer<byte[], byte[]> consumer, DecisionTally tally) {
        super("decisions");
        this.consumer = consumer;
        this.tally = tally;
    }

    /** Starts to read; requests already on their topic are not counted. */
    static DecisionReader start(Map<String, Object> client) {
        var consumer = consumer(client);
        List<TopicPartition> requests = partitions(consumer, SandboxTopics.REQUESTS);
        consumer.assign(requests);
        var firstOffsets = new long[requests.size()];
        consumer.endOffsets(requests).forEach((partition, end) -> firstOffsets[partition.partition()] = end);

        readFromNow(consumer, SandboxTopics.decisions());
        var reader = new DecisionReader(consumer, new DecisionTally(firstOffsets));
        reader.start();
        return reader;
    }

    DecisionTally tally() {
        return tally;
    }

    @Override
    void work() {
        try (consumer) {
            boolean last = false;
            while (!last) {
                last = isClosing()
                        && atEnd(); // then one more poll, because the decision behind the last may be a duplicate
                for (var decision : consumer.poll(Duration.ofMillis(100))) {
                    byte[] key = decision.key();
                    tally.decided(key == null ? null : new String(key, StandardCharsets.UTF_8), decision.headers());
                }
            }
        }
    }

    private boolean atEnd() {
        Set<TopicPartition> assigned = consumer.assignment();
        return consumer.endOffsets(assigned).entrySet().stream()
                .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
    }
}
