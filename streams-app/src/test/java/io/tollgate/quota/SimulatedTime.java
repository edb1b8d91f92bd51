package io.tollgate.quota;

import java.util.PriorityQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;

/** Time that passes only when somebody waits for it, and what is to happen in it. Microseconds. For one thread. */
final class SimulatedTime implements TaskTime {
    private record Event(long atMicros, long number, Runnable what) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            int byTime = Long.compare(atMicros, other.atMicros);
            return byTime != 0 ? byTime : Long.compare(number, other.number);
        }
    }

    private final PriorityQueue<Event> events = new PriorityQueue<>();
    /** A few seconds before a minute begins, so that limits of the calendar see it. */
    private long nowMicros = 54_000_000;

    private long number;

    long nowMicros() {
        return nowMicros;
    }

    /** Has something happen after so long. */
    void after(long micros, Runnable what) {
        events.add(new Event(nowMicros + Math.max(0, micros), number++, what));
    }

    /** Lets time pass. */
    void pass(long micros) {
        runUntil(nowMicros + micros);
    }

    private void runUntil(long untilMicros) {
        while (!events.isEmpty() && events.peek().atMicros() <= untilMicros) runNext();
        nowMicros = Math.max(nowMicros, untilMicros);
    }

    private void runNext() {
        var next = events.remove();
        nowMicros = Math.max(nowMicros, next.atMicros());
        next.what().run();
    }

    @Override
    public long nanoTime() {
        return nowMicros * 1000;
    }

    @Override
    public <T> CompletableFuture<T> within(CompletableFuture<T> call, long timeoutNanos) {
        if (!call.isDone()) {
            after(timeoutNanos / 1000, () -> {
                if (!call.isDone()) call.completeExceptionally(new TimeoutException());
            });
        }
        return call;
    }

    @Override
    public <T> T await(CompletableFuture<T> call, long timeoutNanos)
            throws ExecutionException, TimeoutException, InterruptedException {
        long deadline = nowMicros + timeoutNanos / 1000;
        while (!call.isDone() && !events.isEmpty() && events.peek().atMicros() <= deadline) runNext();
        if (!call.isDone()) {
            nowMicros = Math.max(nowMicros, deadline);
            throw new TimeoutException();
        }
        return call.get();
    }
}
