package io.tollgate.benchmarks.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.benchmarks.report.Output;
import io.tollgate.benchmarks.report.Results;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.ingest.Request;
import io.tollgate.ingest.Source;
import io.tollgate.policy.Policy;
import io.tollgate.quota.RemainingQuota;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.route.Decimal;
import io.tollgate.route.QuotaHeaders;
import io.tollgate.route.Rejection;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures what each codec makes of decided records: bytes, and processor time to write and to check a batch. */
@Command(
        name = "codecs",
        description = "bytes of decided records, and processor time to write and to check them, by codec",
        mixinStandardHelpOptions = true)
public final class CodecCost implements Runnable {
    private static final int BATCH_BYTES = 128 * 1024;
    private static final long TIMESTAMP = 1_795_000_000_123L;
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private static final Map<String, Compression> CODECS = codecs();

    @Mixin
    private final Output output = new Output();

    @Option(names = "--rounds", paramLabel = "N", description = "the cheapest counts; default: ${DEFAULT-VALUE}")
    private int rounds = 40;

    @Option(names = "--records", paramLabel = "N", description = "of each kind; default: ${DEFAULT-VALUE}")
    private int records = 40_000;

    private record Decided(byte[] key, byte[] value, Header[] headers) {}

    /** CPU for each record, and its bytes. */
    private record Cost(double writeMicros, double checkMicros, double bytes) {
        private Cost least(Cost other) {
            return new Cost(
                    Math.min(writeMicros, other.writeMicros), Math.min(checkMicros, other.checkMicros), other.bytes);
        }
    }

    private static Map<String, Compression> codecs() {
        var codecs = new LinkedHashMap<String, Compression>();
        codecs.put("none", Compression.NONE);
        codecs.put("lz4", Compression.lz4().build());
        codecs.put("snappy", Compression.snappy().build());
        codecs.put("zstd", Compression.zstd().build());
        return codecs;
    }

    @Override
    public void run() {
        if (output.quick()) {
            rounds = 2;
            records = 2_000;
        }
        Output.estimate(rounds * records / 100_000.0);
        var kinds = new LinkedHashMap<String, List<Decided>>();
        kinds.put("approvals", decided(Workload.UNIFORM, true));
        kinds.put("rejections", decided(Workload.FLOOD, false));
        var rows = new ArrayList<ObjectNode>();
        kinds.forEach((kind, all) -> {
            var least = new LinkedHashMap<String, Cost>();
            for (int round = 0; round < rounds; round++) {
                CODECS.forEach((name, codec) -> least.merge(name, cost(all, codec), Cost::least));
            }
            least.forEach((name, cost) -> {
                var row = Results.row();
                row.put("kind", kind);
                row.put("codec", name);
                row.put("record_bytes", cost.bytes());
                row.put("write_us", cost.writeMicros());
                row.put("check_us", cost.checkMicros());
                rows.add(row);
                Output.say(row.toString());
            });
        });
        output.save("codecs", "", rows, "kind", "codec");
    }

    private List<Decided> decided(Workload workload, boolean approved) {
        var random = new SplittableRandom(workload.ordinal());
        var parse = RecordClassifier.ofRequests(8, () -> Integer.MAX_VALUE);
        var policy = Policy.byDefault(new Limit(1000, 10));
        var quotaHeaders = new QuotaHeaders();
        var all = new ArrayList<Decided>();
        for (int n = 0; n < records; n++) {
            byte[] bytes = Workload.request(n * 8L, workload.agent(random));
            var request = (Request) parse.rekeyed(null, bytes, new RecordHeaders());
            var source = new Source("agent-requests", 3, 100_000L + n);
            long now = TIMESTAMP * 1000 + n / 60 * 2_345L; // those of a call share their time
            var decision = approved
                    ? new Decision.Approved(1000 * random.nextDouble(), now, DecidedBy.REDIS, policy.terms())
                    : new Decision.QuotaExceeded(
                            random.nextDouble(),
                            Optional.of(Duration.ofMillis(random.nextInt(100))),
                            now,
                            DecidedBy.REDIS,
                            policy.terms(),
                            0);
            var decided = new DecidedRequest(request, policy, decision, RemainingQuota.of(decision, null));
            var remaining = Decimal.text(decision.remainingTokens());
            var headers = new RecordHeaders();
            headers.add("quota-source", source.text().getBytes(StandardCharsets.UTF_8));
            var value = approved ? bytes : Rejection.of(decided, remaining, source, now / 1000, Integer.MAX_VALUE);
            all.add(new Decided(
                    request.key(),
                    value,
                    quotaHeaders.with(headers, decided, remaining).toArray()));
        }
        return all;
    }

    /** Writes all records but for those of a last batch that is not full. */
    private static Cost cost(List<Decided> all, Compression codec) {
        long writeNanos = 0;
        long checkNanos = 0;
        long bytes = 0;
        int written = 0;
        int next = 0;
        var buffers = BufferSupplier.create();
        while (true) {
            long start = THREADS.getCurrentThreadCpuTime();
            var builder = MemoryRecords.builder(
                    ByteBuffer.allocate(BATCH_BYTES),
                    RecordBatch.MAGIC_VALUE_V2,
                    codec,
                    TimestampType.CREATE_TIME,
                    0,
                    TIMESTAMP,
                    1,
                    (short) 0,
                    0,
                    true,
                    0);
            for (; next < all.size(); next++) {
                var record = all.get(next);
                if (!builder.hasRoomFor(
                        TIMESTAMP, ByteBuffer.wrap(record.key()), ByteBuffer.wrap(record.value()), record.headers()))
                    break;
                builder.append(TIMESTAMP, record.key(), record.value(), record.headers());
            }
            var batch = builder.build();
            long built = THREADS.getCurrentThreadCpuTime();
            if (next == all.size()) break;
            check(batch, buffers);
            checkNanos += THREADS.getCurrentThreadCpuTime() - built;
            writeNanos += built - start;
            bytes += batch.sizeInBytes();
            written = next;
        }
        double each = Math.max(1, written);
        return new Cost(writeNanos / 1e3 / each, checkNanos / 1e3 / each, bytes / each);
    }

    /** As brokers do with each batch that they get. */
    private static void check(MemoryRecords batch, BufferSupplier buffers) {
        for (var each : batch.batches()) {
            each.ensureValid();
            try (var records = ((DefaultRecordBatch) each).skipKeyValueIterator(buffers)) {
                while (records.hasNext()) records.next();
            }
        }
    }
}
