package io.tollgate.benchmarks.micro;

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
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** The cost of each record beside its decision: parsing, headers, a rejection. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class RecordBenchmark {
    private static final byte[] REQUEST =
            ("{\"request_id\":\"benchmark-1234567\",\"agent_id\":\"agent-1234\",\"tokens\":1,"
                            + "\"payload\":{\"model\":\"small\",\"max_output\":256,\"prompt\":\"A prompt of ordinary length, so that"
                            + " a request is as large as requests are.\"}}")
                    .getBytes(StandardCharsets.UTF_8);
    private static final Headers NO_HEADERS = new RecordHeaders();

    private final RecordClassifier parse = RecordClassifier.ofRequests(8, () -> Integer.MAX_VALUE);
    private final Policy policy = Policy.byDefault(new Limit(1000, 10));
    private final Request request = (Request) parse.rekeyed(null, REQUEST, NO_HEADERS);
    private final DecidedRequest approved =
            decided(new Decision.Approved(873.4217, 1_795_000_000_123_456L, DecidedBy.REDIS, policy.terms()));
    private final DecidedRequest rejected = decided(new Decision.QuotaExceeded(
            0.4217, Optional.of(Duration.ofMillis(58)), 1_795_000_000_123_456L, DecidedBy.REDIS, policy.terms(), 0));
    private final QuotaHeaders quotaHeaders = new QuotaHeaders();
    private final Source source = new Source("agent-requests", 3, 123_456);

    private final DecidedRequest[] byMany = byMany();
    private int next;

    private DecidedRequest decided(Decision decision) {
        return new DecidedRequest(request, policy, decision, RemainingQuota.of(decision, null));
    }

    /** Returns the approvals of many agents, each by a policy object of its own. */
    private DecidedRequest[] byMany() {
        var all = new DecidedRequest[10_000];
        for (int i = 0; i < all.length; i++) {
            var own = new Policy("agent-" + i + "*@0/" + i, policy.mode(), policy.holds(), policy.promises());
            all[i] = new DecidedRequest(request, own, approved.decision(), approved.scarcest());
        }
        return all;
    }

    @Benchmark
    public Object parse() {
        return parse.rekeyed(null, REQUEST, NO_HEADERS);
    }

    @Benchmark
    public Object approvedHeaders() {
        return quotaHeaders.with(new RecordHeaders(), approved);
    }

    @Benchmark
    public Object approvedHeadersEach() {
        next = (next + 7919) % byMany.length;
        return quotaHeaders.with(new RecordHeaders(), byMany[next]);
    }

    @Benchmark
    public Object rejection() {
        return Rejection.of(rejected, Decimal.text(0.4217), source, 1_795_000_000_000L, Integer.MAX_VALUE);
    }
}
