package io.tollgate.history;

import io.tollgate.config.Settings;
import io.tollgate.ingest.RecordClassifier;
import io.tollgate.kafka.TopicLog;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyChange;
import io.tollgate.policy.PolicyTopic;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Finds one decision on the topics, with its policy and the agent's next decisions. Reads only. Not thread-safe. */
public final class Explain {
    private static final Duration FIRST_WINDOW = Duration.ofHours(1);
    /** Timestamps of a clock that is further ahead are replaced. */
    private static final Duration FUTURE = Duration.ofMinutes(1);

    private static final int NEXT_SHOWN = 3;
    private static final int NEXT_READ = 100_000;

    private final Settings settings;

    /** Uses the Kafka address and the topics of the settings. */
    public Explain(Settings settings) {
        this.settings = settings;
    }

    /** No decision was found; the message is one line with the available alternatives. It has no stack trace. */
    public static final class NotFoundException extends Exception {
        private static final long serialVersionUID = 1;

        NotFoundException(String message) {
            super(message, null, false, false);
        }
    }

    /**
     * Returns the decision on the request at this position.
     *
     * @throws NotFoundException if there is none
     */
    public Explanation bySource(String topic, int partition, long offset) throws NotFoundException {
        var source = topic + "/" + partition + "/" + offset;
        try (var log = new TopicLog(settings.kafka().clientProperties("consumer.", ConsumerConfig.configNames()))) {
            var decidedTopics = log.partitions(
                    settings.topics().approved(), settings.topics().rejected());
            var place = new TopicPartition(topic, partition);
            if (!log.partitions(topic).contains(place))
                throw new NotFoundException("topic " + topic + " has no partition " + partition);
            var kept = log.all(List.of(place));
            long begins = Objects.requireNonNull(kept.from().get(place));
            long ends = Objects.requireNonNull(kept.to().get(place));
            if (offset >= ends)
                throw new NotFoundException(source + " is not published: the partition ends before offset " + ends);
            var here = new TopicLog.Range(Map.of(place, offset), Map.of(place, Math.min(ends, offset + 1)));
            var request = offset < begins
                    ? null
                    : log.first(here, kafka -> kafka.offset() == offset).orElse(null);
            var range = request != null
                            && request.timestamp() < Instant.now().plus(FUTURE).toEpochMilli()
                    ? log.since(decidedTopics, Instant.ofEpochMilli(request.timestamp()))
                    : log.all(decidedTopics);
            var wanted = source.getBytes(StandardCharsets.UTF_8);
            var found = log.first(range, kafka -> hasSource(kafka, wanted)).orElse(null);
            if (found == null)
                throw new NotFoundException(
                        offset < begins
                                ? source + " is not on the topics any more: " + topic + "/" + partition
                                        + " begins at offset " + begins + ", and no decision about it is left"
                                : request == null
                                        ? source + " is not a request: a transaction ends there, or compaction took it"
                                        : source + " is not decided yet, or its decision is not on the topics any more:"
                                                + " `tollgate verify` says what is pending");
            return explained(log, DecidedRecord.of(found, settings.topics().approved()), 0);
        }
    }

    /**
     * Returns the newest decision on a request with this id; agents may use an id twice.
     *
     * @throws NotFoundException if there is none
     */
    public Explanation byRequestId(String requestId) throws NotFoundException {
        try (var log = new TopicLog(settings.kafka().clientProperties("consumer.", ConsumerConfig.configNames()))) {
            var decidedTopics = log.partitions(
                    settings.topics().approved(), settings.topics().rejected());
            var all = log.all(decidedTopics);
            var to = all.to();
            // Searches backward from the newest record in growing steps, so that each record is read once.
            for (var back = FIRST_WINDOW; !to.equals(all.from()); back = back.multipliedBy(2)) {
                boolean isLast = back.compareTo(Duration.ofDays(3650)) > 0;
                var from = isLast
                        ? all.from()
                        : log.since(decidedTopics, Instant.now().minus(back)).from();
                var found = new ArrayList<DecidedRecord>();
                log.read(new TopicLog.Range(atMost(from, to), to), kafka -> {
                    if (!mayHold(kafka.value(), requestId)) return;
                    var decided = DecidedRecord.of(kafka, settings.topics().approved());
                    if (decided.text("request_id").equals(requestId)) found.add(decided);
                });
                if (!found.isEmpty()) {
                    var newest = found.stream()
                            .max(Comparator.comparingLong(DecidedRecord::decidedAtMicros)
                                    .thenComparingLong(DecidedRecord::timestampMillis))
                            .orElseThrow();
                    return explained(log, newest, found.size() - 1);
                }
                to = atMost(from, to);
            }
        }
        throw new NotFoundException("no decision on the topics is about a request with the id " + requestId
                + ": it may not be decided yet, or be older than what the topics keep");
    }

    private static Map<TopicPartition, Long> atMost(Map<TopicPartition, Long> from, Map<TopicPartition, Long> to) {
        var limited = new HashMap<>(to);
        limited.replaceAll((partition, end) -> Math.min(end, from.getOrDefault(partition, end)));
        return limited;
    }

    /** Returns whether the value may contain the text, literally or with JSON escapes. */
    private static boolean mayHold(byte[] value, String text) {
        if (value == null) return false;
        if (!text.chars().allMatch(c -> c >= ' ' && c < 127 && c != '"' && c != '\\' && c != '/')) return true;
        var wanted = text.getBytes(StandardCharsets.UTF_8);
        for (int at = 0; at <= value.length - wanted.length; at++) {
            if (value[at] == wanted[0] && Arrays.equals(value, at, at + wanted.length, wanted, 0, wanted.length))
                return true;
            if (value[at] == '\\') return true; // an escape may stand for any of its characters
        }
        return false;
    }

    private static boolean hasSource(ConsumerRecord<byte[], byte[]> kafka, byte[] wanted) {
        var header = kafka.headers().lastHeader("quota-source");
        return header != null && Arrays.equals(header.value(), wanted);
    }

    private Explanation explained(TopicLog log, DecidedRecord decided, int alike) {
        List<PolicyChange> history = List.of();
        if (decided.policy().lastIndexOf('@') > 0) {
            try (var policies = new PolicyTopic(settings)) {
                history = policies.history(
                        decided.policy().substring(0, decided.policy().lastIndexOf('@')));
            }
        }
        var decidedBy = history.stream()
                .filter(change -> change.name().equals(decided.policy()))
                .findFirst();
        double cost = decided.costTokens();
        var next = decided.isCharged() ? next(log, decided) : List.<DecidedRecord>of();
        return new Explanation(
                decided,
                cost,
                before(decided, cost, decidedBy),
                decidedBy,
                history,
                next,
                settlement(log, decided),
                alike);
    }

    /** Returns what ended the hold that this decision opened. */
    private Optional<Explanation.EndOfHold> settlement(TopicLog log, DecidedRecord decided) {
        if (decided.heldUntilMicros() < 0) return Optional.empty();
        var settled = settings.topics().settled();
        var key = decided.agentId().getBytes(StandardCharsets.UTF_8);
        int partitions = log.partitions(settled).size();
        var place = new TopicPartition(settled, RecordClassifier.partitionOf(key, partitions));
        long sinceMillis = Math.min(decided.timestampMillis(), decided.decidedAtMicros() / 1000) - FUTURE.toMillis();
        return log.first(
                        log.since(List.of(place), Instant.ofEpochMilli(sinceMillis)),
                        kafka -> Arrays.equals(kafka.key(), key) && ends(DecidedRecord.of(kafka, settled), decided))
                .map(kafka -> DecidedRecord.of(kafka, settled))
                .map(record -> new Explanation.EndOfHold(
                        record.text("outcome"), record.number("used", 0), record.number("refunded", 0), (long)
                                record.number("decided_at", -1)));
    }

    /** Returns whether a settlement, by a report or by its deadline, ended the hold that the decision opened. */
    private static boolean ends(DecidedRecord settlement, DecidedRecord decided) {
        return settlement.number("reserved", -1) >= 0 && settlement.text("hold").equals(decided.source());
    }

    private static Optional<Double> before(DecidedRecord decided, double cost, Optional<PolicyChange> decidedBy) {
        var document = decidedBy.flatMap(PolicyChange::document);
        boolean oneBucket = document.isEmpty()
                ? decided.policy().equals(Policy.DEFAULT)
                : document.get().mode() != Mode.OFF && document.get().limits().size() == 1;
        boolean refused = Verdict.of(decided) != Verdict.APPROVED;
        if (!decided.isCharged() || !oneBucket && !refused) return Optional.empty();
        return Optional.of(decided.remainingTokens() + (refused ? 0 : cost));
    }

    /** Returns the agent's next decisions, in the order of its bucket's clock. */
    private List<DecidedRecord> next(TopicLog log, DecidedRecord decided) {
        var approvedTopic = settings.topics().approved();
        var other = decided.approved() ? settings.topics().rejected() : approvedTopic;
        var key = decided.agentId().getBytes(StandardCharsets.UTF_8);
        var here = new TopicPartition(decided.topic(), decided.partition());
        var there = new TopicPartition(
                other, RecordClassifier.partitionOf(key, log.partitions(other).size()));
        var since = log.since(List.of(here, there), Instant.ofEpochMilli(decided.timestampMillis()));
        var from = new HashMap<>(since.from());
        from.put(here, decided.offset() + 1);
        var same = new ArrayList<DecidedRecord>();
        var opposite = new ArrayList<DecidedRecord>();
        var read = new int[1];
        log.read(new TopicLog.Range(from, since.to()), new TopicLog.Taker() {
            @Override
            public void take(ConsumerRecord<byte[], byte[]> kafka) {
                read[0]++;
                if (!Arrays.equals(kafka.key(), key)) return;
                var next = DecidedRecord.of(kafka, approvedTopic);
                if (next.decidedAtMicros() < decided.decidedAtMicros() || !isAfter(next, decided)) return;
                var into = next.approved() == decided.approved() ? same : opposite;
                if (into.size() < NEXT_SHOWN) into.add(next);
            }

            @Override
            public boolean isDone() {
                return same.size() >= NEXT_SHOWN && opposite.size() >= NEXT_SHOWN || read[0] > NEXT_READ;
            }
        });
        var all = new ArrayList<>(same);
        all.addAll(opposite);
        all.sort(Comparator.comparingLong(DecidedRecord::decidedAtMicros)
                .thenComparingInt(DecidedRecord::sourcePartition)
                .thenComparingLong(DecidedRecord::sourceOffset));
        var shown = new ArrayList<>(all.subList(0, Math.min(NEXT_SHOWN, all.size())));
        all.stream()
                .skip(shown.size())
                .filter(next -> next.approved() != decided.approved()
                        && shown.stream().allMatch(before -> before.approved() == decided.approved()))
                .findFirst()
                .ifPresent(shown::add);
        return shown;
    }

    /** Returns whether it came later: by offset within one partition, else by time. */
    private static boolean isAfter(DecidedRecord next, DecidedRecord decided) {
        return next.decidedAtMicros() > decided.decidedAtMicros()
                || next.sourcePartition() != decided.sourcePartition()
                || next.sourceOffset() > decided.sourceOffset();
    }
}
