package io.tollgate.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.http.InstanceJson.RedisJson;
import java.time.Instant;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Several instances, each with its own view of Redis. */
class StatusJsonTest {
    private static final RedisJson IN_USE_EARLY = new RedisJson("in_use", "closed", Instant.ofEpochSecond(10));
    private static final RedisJson IN_USE_LATE = new RedisJson("in_use", "closed", Instant.ofEpochSecond(20));
    private static final RedisJson AWAY_EARLY = new RedisJson("away", "open", Instant.ofEpochSecond(30));
    private static final RedisJson AWAY_LATE = new RedisJson("away", "open", Instant.ofEpochSecond(40));

    @Test
    void redisIsInUse_sinceTheLastInstanceUsesIt() {
        assertThat(StatusJson.together(Stream.of(IN_USE_EARLY, null, IN_USE_LATE)))
                .isEqualTo(IN_USE_LATE);
        assertThat(StatusJson.together(Stream.of(IN_USE_LATE, IN_USE_EARLY))).isEqualTo(IN_USE_LATE);
    }

    @Test
    void redisIsAway_sinceTheFirstInstanceLostIt() {
        assertThat(StatusJson.together(Stream.of(IN_USE_EARLY, AWAY_LATE, AWAY_EARLY)))
                .isEqualTo(AWAY_EARLY);
        assertThat(StatusJson.together(Stream.of(AWAY_EARLY, AWAY_LATE, IN_USE_LATE)))
                .isEqualTo(AWAY_EARLY);
    }
}
