package io.tollgate.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class EarlyCommitsTest {
    private static final Duration POLL = Duration.ofMillis(100);

    private long nowNanos;
    private int requests;
    private final EarlyCommits commits = new EarlyCommits(() -> requests++, 0);

    @Test
    void idleThreadAsksOnce() {
        poll(50, 1);

        assertThat(commits.beforePoll(POLL, nowNanos)).isZero();
        assertThat(requests).isOne();
        assertThat(commits.beforePoll(POLL, nowNanos)).isEqualTo(POLL);
        assertThat(requests).isOne();
    }

    @Test
    void pollIsShortUntilTheNextCommit() {
        poll(50, 0);
        commits.committed(nowNanos);
        poll(5, 1);

        assertThat(commits.beforePoll(POLL, nowNanos)).isEqualTo(Duration.ofMillis(10));
        assertThat(requests).isZero();
    }

    @Test
    void busyThreadWaitsForTheInterval() {
        poll(1, 10_000);
        nowNanos += Duration.ofMillis(40).toNanos(); // processes

        assertThat(commits.beforePoll(POLL, nowNanos)).isEqualTo(POLL);
        assertThat(requests).isZero();
    }

    @Test
    void withoutRecordsNothingIsAsked() {
        poll(100, 0);

        assertThat(commits.beforePoll(POLL, nowNanos)).isEqualTo(POLL);
        assertThat(requests).isZero();
    }

    @Test
    void withoutRequestsPollsAreUnchanged() {
        var never = new EarlyCommits(null, 0);
        never.afterPoll(1, Duration.ofMillis(50).toNanos());

        assertThat(never.beforePoll(POLL, Duration.ofMillis(50).toNanos())).isEqualTo(POLL);
    }

    /** A poll that waited so long, and returned so many records. */
    private void poll(long millis, int records) {
        commits.beforePoll(POLL, nowNanos);
        nowNanos += Duration.ofMillis(millis).toNanos();
        commits.afterPoll(records, nowNanos);
    }
}
