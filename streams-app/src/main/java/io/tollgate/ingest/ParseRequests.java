package io.tollgate.ingest;

import io.tollgate.metrics.PipelineMetrics;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Parses what agents published: sorts out records that are no requests and requests that strayed, notes where each came from,
 * and removes headers that only Tollgate may write.
 *
 * <p>A readable request leaves under its agent's key, an unreadable one under its own.
 */
public final class ParseRequests extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    /** Prefix of every header that Tollgate writes. */
    public static final String RESERVED_HEADERS = "quota-";
    /** Header with topic, partition and offset of the request as the agent published it. */
    public static final String SOURCE_HEADER = "quota-source";

    private final int partitions;
    private final PipelineMetrics metrics;
    private final RequestParser parser = new RequestParser();

    /** @param partitions how many partitions the topic of requests has */
    public ParseRequests(int partitions, PipelineMetrics metrics) {
        this.partitions = partitions;
        this.metrics = metrics;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        var position = context().recordMetadata().orElseThrow();
        var headers = record.headers();
        removeReserved(headers);
        headers.add(
                SOURCE_HEADER,
                (position.topic() + "/" + position.partition() + "/" + position.offset())
                        .getBytes(StandardCharsets.UTF_8));
        Request request;
        try {
            request = parser.parse(record.value());
        } catch (InvalidRequestException e) {
            metrics.invalid();
            var bytes = record.value() == null ? new byte[0] : record.value();
            context().forward(record.withValue(new Unreadable(bytes, e.getMessage())));
            return;
        }
        byte[] key = request.key();
        boolean aligned = Arrays.equals(key, record.key()) && partitionOf(key, partitions) == position.partition();
        if (!aligned) metrics.stray();
        context().forward(record.withKey(key).withValue(aligned ? request : new Stray(request)));
    }

    /** Returns the partition that Kafka's own Java producer gives a record with this key. */
    static int partitionOf(byte[] key, int partitions) {
        return Utils.toPositive(Utils.murmur2(key)) % partitions;
    }

    /** Only Tollgate writes quota headers: an agent could otherwise forge its own approval. */
    private static void removeReserved(Headers headers) {
        for (Header header : headers.toArray()) {
            if (header.key().startsWith(RESERVED_HEADERS)) headers.remove(header.key());
        }
    }
}
