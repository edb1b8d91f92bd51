package io.tollgate.sandbox;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Watches the sample agents' traffic until all requests are decided.
 *
 * @param records the number of requests; empty: the traffic has no end
 * @param failIfSomethingDied throws if a part of the sandbox has ended
 */
record TrafficWatch(
        SampleAgents agents,
        DecisionReader decisions,
        Optional<Long> records,
        Runnable failIfSomethingDied,
        StatusLine statusLine) {
    private static final Duration STALL = Duration.ofSeconds(60);

    /** Returns the exit code once all requests are decided; never without a number of requests. */
    int run() throws InterruptedException {
        DecisionTally tally = decisions.tally();
        boolean terminal = StatusLine.isTerminal();
        long shownNanos = System.nanoTime();
        long shownDecided = 0;
        long movedNanos = System.nanoTime();
        long lastMove = 0;
        while (true) {
            Thread.sleep(terminal ? 500 : 100);
            failIfSomethingDied.run();
            DecisionTally.Tally figures = tally.figures();
            long now = System.nanoTime();
            if (now - shownNanos >= TimeUnit.MILLISECONDS.toNanos(terminal ? 500 : 5000)) {
                String line =
                        Summary.statusLine(figures, (figures.decided() - shownDecided) * 1e9 / (now - shownNanos));
                statusLine.show(line, terminal);
                shownNanos = now;
                shownDecided = figures.decided();
            }
            String failure = agents.failure();
            if (failure != null) throw new IllegalStateException(failure);
            if (records.isEmpty()) continue;

            if (agents.isDone() && figures.missing() == 0) return verdict(records.get());
            long moves = figures.published() + figures.decided();
            if (moves != lastMove) {
                lastMove = moves;
                movedNanos = now;
            } else if (now - movedNanos > STALL.toNanos()) {
                throw new IllegalStateException("nothing has moved for " + STALL.toSeconds() + " s: of "
                        + figures.published() + " published requests " + figures.missing()
                        + " are undecided, first at (partition/offset) " + tally.firstMissing(5));
            }
        }
    }

    /** Returns 0 if all requests were published, and each was decided only once. */
    private int verdict(long wanted) {
        decisions.close(); // reads to the end: a second decision would follow the first
        DecisionTally.Tally figures = decisions.tally().figures();
        if (figures.published() == wanted && figures.missing() == 0 && figures.duplicates() == 0) return 0;
        statusLine.end();
        System.err.println(
                "sandbox: of " + wanted + " requests " + agents.sent().failed() + " were not published, "
                        + figures.missing() + " not decided, " + figures.duplicates() + " decided more than once");
        return 1;
    }
}
