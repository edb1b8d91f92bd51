package io.tollgate.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.redis.BucketKind;
import java.nio.file.Path;
import java.util.Optional;
import org.apache.kafka.streams.state.KeyValueStore;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenHoldsTest {
    @TempDir
    private Path dir;

    private KeyValueStore<String, byte[]> store;
    private OpenHolds holds;

    @BeforeEach
    void open() {
        store = EmptyStore.in(dir).wrapped();
        holds = new OpenHolds(store);
    }

    @Test
    void isFoundByAgentAndName() {
        var hold = new Hold("a", "requests/0/1", BucketKind.SHADOW, 2.5, 7, 9, 0, Optional.of("r-é"));

        holds.open(hold);

        assertThat(holds.find("a", "requests/0/1")).isEqualTo(hold);
        assertThat(holds.find("a", "requests/0/2")).isNull();
        assertThat(holds.find("b", "requests/0/1")).isNull();
    }

    @Test
    void replayOpensOneHold() {
        holds.open(hold("a", "h", 5));
        holds.open(hold("a", "h", 5));

        assertThat(holds.open("a")).isEqualTo(1);
        holds.end(hold("a", "h", 5));
        assertThat(holds.open("a")).isZero();
        assertThat(holds.earliest()).isNull();
    }

    @Test
    void replacedHoldHasOneDeadline() {
        holds.open(hold("a", "h", 5));
        holds.open(hold("a", "h", 6));

        assertThat(holds.open()).isEqualTo(1);
        assertThat(holds.earliest().deadlineMicros()).isEqualTo(6);
    }

    /** As where the topic of requests was made anew: offsets begin again, and so do names. */
    @Test
    void twoHoldsOfOneNameStayOpen() {
        var older = hold("a", "h", 5);
        var newer = new Hold("a", "h", BucketKind.ENFORCED, 2, 2, 4, 2, Optional.empty());
        holds.open(older);
        holds.open(newer);

        var again = new OpenHolds(store);

        assertThat(again.of("a", 10)).containsExactly(newer, older);
        assertThat(again.earliest()).isEqualTo(newer);
        assertThat(again.find("a", "h")).isEqualTo(newer);
        again.end(newer);
        assertThat(again.earliest()).isEqualTo(older);
        assertThat(again.find("a", "h")).isEqualTo(older);
        again.end(older);
        assertThat(again.open()).isZero();
        try (var left = store.all()) {
            assertThat(left).isExhausted();
        }
    }

    @Test
    void similarAgentIdsAreToldApart() {
        for (var agent : new String[] {"a", "a/b", "ab", "a\u00e9", "b"}) holds.open(hold(agent, "h", 5));
        holds.open(hold("a", "g", 4));

        assertThat(holds.of("a", 10)).containsExactly(hold("a", "g", 4), hold("a", "h", 5));
        assertThat(holds.of("a", 1)).containsExactly(hold("a", "g", 4));
        assertThat(holds.of("ab", 10)).containsExactly(hold("ab", "h", 5));
        assertThat(holds.of("c", 10)).isEmpty();
    }

    @Test
    void storedHoldsOutliveARestart() {
        holds.open(hold("a", "h", 6));
        holds.open(hold("b", "h", 5));
        holds.open(hold("a", "g", 7));
        holds.end(hold("b", "h", 5));

        var again = new OpenHolds(store);

        assertThat(again.open("a")).isEqualTo(2);
        assertThat(again.open()).isEqualTo(2);
        assertThat(again.earliest().name()).isEqualTo("h");
    }

    private static Hold hold(String agent, String name, long deadlineMicros) {
        return new Hold(agent, name, BucketKind.ENFORCED, 1, 1, deadlineMicros, 1, Optional.empty());
    }
}
