package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import org.junit.jupiter.api.Test;

/** A pipeline with little to do, under exactly-once. */
class EarlyCommitIT {
    private static final int REQUESTS = 31;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** The commit interval: a request right after a commit would wait that long. */
    private static final Duration INTERVAL = Duration.ofMillis(100);

    @Test
    void loneRequestIsCommittedEarly() {
        try (var cluster = TestCluster.onSharedBroker().withSharedRedis().withLimit(1000, 10)) {
            cluster.createTopics();
            try (var application = cluster.start();
                    var requests = new Requests(cluster);
                    var decisions = new Decisions(cluster)) {
                requests.send("agent", 1, 0);
                decisions.await(1, application);
                var waits = new ArrayList<Duration>();
                for (int i = 1; i < REQUESTS; i++) {
                    long sentNanos = System.nanoTime();
                    requests.send("agent", 1, i);
                    requests.published();
                    while (decisions.poll().size() <= i) {
                        assertThat(Duration.ofNanos(System.nanoTime() - sentNanos))
                                .isLessThan(PATIENCE);
                    }
                    waits.add(Duration.ofNanos(System.nanoTime() - sentNanos));
                }

                Collections.sort(waits);
                System.out.println("a lone request is seen after " + waits);
                assertThat(waits.get(waits.size() / 2)).isLessThan(INTERVAL);
            }
        }
    }
}
