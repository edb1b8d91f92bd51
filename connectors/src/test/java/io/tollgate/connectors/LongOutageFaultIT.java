package io.tollgate.connectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** PostgreSQL is away for longer than a minute, without manual repair. */
@Tag("faults")
class LongOutageFaultIT {
    private static final String ROWS = "SELECT count(*) FROM quota_audit.rejected_requests";

    private static World world;

    @BeforeAll
    static void start() throws Exception {
        world = new World(Map.of("TOKEN_BUCKET_SIZE", "1", "TOKEN_REFILL_RATE", "0"));
        world.worker.loadAll();
    }

    @AfterAll
    static void stop() throws Exception {
        if (world != null) world.close();
    }

    @Test
    void outageOf70SecondsLosesNoRow() throws Exception {
        world.request("greedy", "{\"agent_id\":\"greedy\"}");
        ConnectorsIT.refuse(world, "before", 50);
        eventually(50);

        world.postgres.kill();
        long killedNanos = System.nanoTime();
        ConnectorsIT.refuse(world, "during", 200);
        await().atMost(Duration.ofSeconds(90))
                .until(() ->
                        System.nanoTime() - killedNanos > Duration.ofSeconds(70).toNanos());
        assertThat(world.postgres.isAlive()).isFalse();
        world.postgres.restart();

        eventually(250);
        world.asOperator(
                "INSERT INTO quota_admin.agent_quotas (agent_id, capacity, refill_rate) VALUES ('after', 7, 0)");
        await().atMost(Duration.ofSeconds(120))
                .untilAsserted(() -> assertThat(world.read("agent-quotas")).isNotEmpty());
    }

    private static void eventually(long rows) {
        await().atMost(Duration.ofSeconds(180))
                .ignoreExceptionsInstanceOf(SQLException.class)
                .untilAsserted(() -> assertThat(world.count(ROWS)).isEqualTo(rows));
    }
}
