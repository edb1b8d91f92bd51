package io.tollgate.quota;

import java.io.File;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.streams.StreamsMetrics;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.Punctuator;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** What Streams is to the processors of one task. */
final class SimulatedContext<K, V> implements ProcessorContext<K, V> {
    record Position(String topic, int partition, long offset) implements RecordMetadata {}

    private static final class Schedule {
        final long intervalMicros;
        final Punctuator punctuator;
        long nextMicros;
        boolean cancelled;

        Schedule(long intervalMicros, Punctuator punctuator, long nextMicros) {
            this.intervalMicros = intervalMicros;
            this.punctuator = punctuator;
            this.nextMicros = nextMicros;
        }
    }

    private final int partition;
    private final Map<String, StateStore> stores;
    private final SimulatedTime time;
    private final BiConsumer<Record<K, V>, String> next;
    private final List<Schedule> schedules = new ArrayList<>();
    private Position position = new Position("", 0, 0);
    /** Before this moment nothing is due. */
    private long nextMicros;

    /**
     * @param stores by name
     * @param next takes what is forwarded, and the name of the child
     */
    SimulatedContext(
            int partition, Map<String, StateStore> stores, SimulatedTime time, BiConsumer<Record<K, V>, String> next) {
        this.partition = partition;
        this.stores = stores;
        this.time = time;
        this.next = next;
    }

    void at(Position of) {
        position = of;
    }

    /** Runs what is due, each once, as Streams does. */
    void punctuate() {
        long now = time.nowMicros();
        if (now < nextMicros) return; // nearly always
        for (int i = 0, count = schedules.size(); i < count; i++) { // those that are added meanwhile are not due
            var schedule = schedules.get(i);
            if (schedule.cancelled || schedule.nextMicros > now) continue;
            schedule.nextMicros = now + schedule.intervalMicros;
            schedule.punctuator.punctuate(now / 1000);
        }
        schedules.removeIf(schedule -> schedule.cancelled);
        nextMicros = Long.MAX_VALUE;
        for (var schedule : schedules) nextMicros = Math.min(nextMicros, schedule.nextMicros);
    }

    @Override
    @SuppressWarnings("unchecked")
    public <A extends K, B extends V> void forward(Record<A, B> record) {
        next.accept((Record<K, V>) record, "");
    }

    @Override
    @SuppressWarnings("unchecked")
    public <A extends K, B extends V> void forward(Record<A, B> record, String child) {
        next.accept((Record<K, V>) record, child);
    }

    @Override
    public String applicationId() {
        return "simulated";
    }

    @Override
    public TaskId taskId() {
        return new TaskId(0, partition);
    }

    @Override
    public Optional<RecordMetadata> recordMetadata() {
        return Optional.of(position);
    }

    @Override
    public Serde<?> keySerde() {
        throw new UnsupportedOperationException();
    }

    @Override
    public Serde<?> valueSerde() {
        throw new UnsupportedOperationException();
    }

    @Override
    public File stateDir() {
        throw new UnsupportedOperationException();
    }

    @Override
    public StreamsMetrics metrics() {
        throw new UnsupportedOperationException();
    }

    @Override
    @SuppressWarnings("unchecked")
    public <S extends StateStore> S getStateStore(String name) {
        return (S) stores.get(name);
    }

    @Override
    public Cancellable schedule(Duration interval, PunctuationType type, Punctuator punctuator) {
        long micros = interval.toNanos() / 1000;
        var schedule = new Schedule(micros, punctuator, time.nowMicros() + micros);
        schedules.add(schedule);
        nextMicros = Math.min(nextMicros, schedule.nextMicros);
        return () -> schedule.cancelled = true;
    }

    @Override
    public Cancellable schedule(Instant start, Duration interval, PunctuationType type, Punctuator punctuator) {
        return schedule(interval, type, punctuator);
    }

    @Override
    public void commit() {
        // The history says when.
    }

    @Override
    public Map<String, Object> appConfigs() {
        return Map.of();
    }

    @Override
    public Map<String, Object> appConfigsWithPrefix(String prefix) {
        return Map.of();
    }

    @Override
    public long currentSystemTimeMs() {
        return time.nowMicros() / 1000;
    }

    @Override
    public long currentStreamTimeMs() {
        return time.nowMicros() / 1000;
    }
}
