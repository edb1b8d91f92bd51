package io.tollgate.client;

import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.DoubleConsumer;

/**
 * An estimate that was charged before its real cost is known. Thread-safe; only the first call that ends it counts.
 *
 * <p>It differs from a hold of the pipeline, which lives in a log: nobody else sees this one, it has no deadline, and
 * if the process ends before {@link #settle}, the estimate stays charged. Redis may be away at either end; tokens are
 * never given back twice, and may be lost if Redis does not answer that call in time.
 *
 * <pre>{@code try (var reservation = quota.reserve("model:search", 2000)) { if (!reservation.isApproved()) return
 * refused(reservation.decision()); var answer = callTheModel(); reservation.settle(answer.tokens()); } }</pre>
 */
public final class Reservation implements AutoCloseable {
    private final String agentId;
    private final double reservedTokens;
    private final Decision decision;
    private final DoubleConsumer correct;
    private final AtomicBoolean ended;

    Reservation(String agentId, double reservedTokens, Decision decision, DoubleConsumer correct) {
        this.agentId = agentId;
        this.reservedTokens = reservedTokens;
        this.decision = decision;
        this.correct = correct;
        this.ended = new AtomicBoolean(!decision.isApproved());
    }

    /** Returns the agent that spends. */
    public String agentId() {
        return agentId;
    }

    /**
     * Returns whether the bucket covered the estimate; otherwise nothing was charged, and there is nothing to settle.
     */
    public boolean isApproved() {
        return decision.isApproved();
    }

    /** Returns the decision on the estimate: what is left, or when to try again. */
    public Decision decision() {
        return decision;
    }

    /** Returns the estimate. */
    public double reservedTokens() {
        return reservedTokens;
    }

    /**
     * Corrects the estimate: what was not used is given back, up to the bucket's capacity. If more was used, that is
     * charged too, and the bucket may fall below zero: then nothing is approved until it is refilled. Waits for Redis
     * at most for the timeout.
     *
     * @param actualTokens what was really used, from 0 to 1e12
     * @return whether this call settled it; false: it was refused, or ended before
     * @throws IllegalArgumentException if the number breaks its rule; the reservation goes on
     * @throws IllegalStateException if the manager is closed: the estimate stays charged
     */
    public boolean settle(double actualTokens) {
        if (!(actualTokens >= 0 && actualTokens <= Limit.LARGEST)) {
            throw new IllegalArgumentException("actual must be from 0 to 1e12 tokens, but is " + actualTokens);
        }
        if (ended.getAndSet(true)) return false;
        if (actualTokens != reservedTokens) correct.accept(actualTokens - reservedTokens);
        return true;
    }

    /** Gives everything back: as {@link #settle} with 0. For work that was certainly not done. */
    public boolean cancel() {
        return settle(0);
    }

    /** Ends the reservation. An unsettled estimate stays charged, because its real cost is unknown. */
    @Override
    public void close() {
        ended.set(true);
    }
}
