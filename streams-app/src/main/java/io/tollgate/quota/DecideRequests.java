package io.tollgate.quota;

import io.opentelemetry.api.GlobalOpenTelemetry;
import io.tollgate.ingest.ForwardedRecord;
import io.tollgate.ingest.Incoming;
import io.tollgate.ingest.Request;
import io.tollgate.ingest.Source;
import io.tollgate.ingest.UsageReport;
import io.tollgate.mirror.BucketStore;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.mirror.TaskTopics;
import io.tollgate.policy.Mode;
import io.tollgate.quota.TaskOutput.BucketReset;
import io.tollgate.quota.TaskOutput.DecidedRequest;
import io.tollgate.quota.TaskOutput.HoldEnded;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/**
 * Decides each request of one task's agents, and settles each report; takes no other records. Nothing of a record is
 * pending when {@code process} returns.
 */
public final class DecideRequests extends ContextualProcessor<byte[], Incoming, byte[], TaskOutput> {
    private final RunningTasks tasks;
    private final QuotaContext shared;
    private final TaskTopics topics;
    private final DecisionBranches branches;
    private final @Nullable DecisionSpans spans = DecisionSpans.to(GlobalOpenTelemetry.get());
    private @Nullable BucketStore store;
    private @Nullable Task task;

    /**
     * The next operators of decisions. A record that is sent on by name passes no filter.
     *
     * @param approved name of the operator for approvals
     * @param rejected name of the operator for rejections
     * @param settled name of the operator for settlements
     * @param all name of the operator that gets all decisions after those, and resets of buckets
     */
    public record DecisionBranches(String approved, String rejected, String settled, String all) {}

    /** @param topics the topics of which each task reads one partition */
    public DecideRequests(RunningTasks tasks, TaskTopics topics, DecisionBranches branches) {
        this.tasks = tasks;
        this.shared = tasks.shared();
        this.topics = topics;
        this.branches = branches;
    }

    @Override
    public void init(ProcessorContext<byte[], TaskOutput> context) {
        super.init(context);
        BucketStore opened = context.getStateStore(BucketStore.NAME);
        var holds = new OpenHolds(context.getStateStore(OpenHolds.STORE));
        var started = Task.start(shared, opened, holds, topics, context, this::tell, this::tell);
        opened.serve(started::beforeCommit, started.offsets());
        tasks.byPartition().put(context.taskId().partition(), started);
        store = opened;
        task = started;
    }

    @Override
    public void process(Record<byte[], Incoming> record) {
        var running = Objects.requireNonNull(task);
        long nowNanos = beat();
        running.timer().wake(nowNanos);
        if (record.value() instanceof UsageReport report) {
            var settled = running.holds().settle(report);
            beat();
            context().forward(record.withValue(settled), branches.settled());
        } else {
            decide(running, record, nowNanos);
        }
    }

    private void decide(Task running, Record<byte[], Incoming> record, long nowNanos) {
        var pending = PendingDecision.take(record.headers());
        if (pending == null) { // not polled through the prefetch
            var position = context().recordMetadata().orElseThrow();
            int place = running.offsets().sources().placeOf(position.topic());
            var request = (Request) record.value();
            pending = new PendingDecision(request, place, position.offset(), nowNanos, true);
        }
        if (pending.request().hold()) running.holds().expire(); // otherwise they would count as open
        var decided = running.decider().decide(pending);
        long decidedNanos = beat();
        shared.metrics().decided(decided.decision(), decided.policy().mode() == Mode.ENFORCE);
        if (pending.isTimed()) shared.metrics().decidedAfter(decidedNanos - pending.polledNanos());
        if (spans != null) spans.decided(record.headers(), decided, decidedNanos - pending.polledNanos());
        if (opensHold(decided)) {
            decided =
                    running.holds().open(decided, Source.read(record.headers()).text());
        }
        var answered =
                new ForwardedRecord<byte[], TaskOutput>(record.key(), decided, record.timestamp(), record.headers());
        context().forward(answered, decided.isApproved() ? branches.approved() : branches.rejected());
        context().forward(answered, branches.all());
    }

    /**
     * Returns the time, unless the thread stood still while it waited for Redis: what it decided since must not be
     * published. Under exactly-once Kafka would abort it; otherwise nothing would.
     */
    private long beat() {
        long nowNanos = shared.time().nanoTime();
        shared.watch().beat(nowNanos);
        return nowNanos;
    }

    /** A request that a shadow policy would have refused was not charged, and reserves nothing. */
    private static boolean opensHold(DecidedRequest decided) {
        return decided.request().hold()
                && decided.decision().isApproved()
                && decided.policy().mode() != Mode.OFF;
    }

    private void tell(HoldEnded expired) {
        beat();
        var key = expired.hold().agentId().getBytes(StandardCharsets.UTF_8);
        context().forward(new Record<>(key, expired, expired.settled().decidedAtMicros() / 1000), branches.settled());
    }

    /** Forwards the reset of a bucket, and requests an early commit, for which its caller waits. */
    private void tell(BucketReset reset) {
        var key = reset.agentId().getBytes(StandardCharsets.UTF_8);
        context().forward(new Record<>(key, reset, reset.atMicros() / 1000), branches.all());
        context().commit();
    }

    @Override
    public void close() {
        if (store != null) store.serveNoMore();
        if (task != null) tasks.byPartition().remove(context().taskId().partition(), task);
    }
}
