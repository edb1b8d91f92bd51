package io.tollgate.memoryredis;

import static org.assertj.core.api.Assertions.assertThatCode;

import io.tollgate.memoryredis.MemoryRedis.Engine;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Gives the script and its twin whatever may be asked, and demands the same replies, fields and times to live, byte for byte. */
class SpendTwinTest {
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void repliesAndWritesLikeTheScript(long seed) {
        var both = new MemoryRedis(Engine.BOTH);

        assertThatCode(() -> RandomSpends.run(seed, 300, both)).doesNotThrowAnyException();
    }
}
