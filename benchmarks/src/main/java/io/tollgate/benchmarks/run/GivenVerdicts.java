package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The verdicts of a contestant that has decided a whole topic: the offsets that it approved, by partition. Immutable.
 */
final class GivenVerdicts {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration POLL = Duration.ofSeconds(1);

    private final List<BitSet> approved;

    GivenVerdicts(List<BitSet> approved) {
        this.approved = approved;
    }

    /** Reads the approved topic. */
    static GivenVerdicts of(TestBed testBed, String approvedTopic) {
        var partitions = IntStream.range(0, testBed.partitions()).boxed().toList();
        var approved = partitions.stream().map(partition -> new BitSet()).toList();
        try (var consumer = testBed.consumer("read_committed", approvedTopic, partitions)) {
            var ends = consumer.endOffsets(consumer.assignment());
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                for (var record : consumer.poll(POLL)) {
                    var source = new String(
                            record.headers().lastHeader("quota-source").value(), StandardCharsets.UTF_8);
                    int offset = source.lastIndexOf('/');
                    int partition = source.lastIndexOf('/', offset - 1);
                    approved.get(Integer.parseInt(source, partition + 1, offset, 10))
                            .set(Integer.parseInt(source, offset + 1, source.length(), 10));
                }
            }
        }
        return new GivenVerdicts(approved);
    }

    static GivenVerdicts read(Path file) {
        try {
            var bits = JSON.readValue(file.toFile(), byte[][].class);
            return new GivenVerdicts(Stream.of(bits).map(BitSet::valueOf).toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void write(Path file) {
        try {
            JSON.writeValue(
                    file.toFile(), approved.stream().map(BitSet::toByteArray).toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean approves(int partition, long offset) {
        return approved.get(partition).get((int) offset);
    }
}
