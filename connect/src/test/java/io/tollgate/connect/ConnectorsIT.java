package io.tollgate.connect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class ConnectorsIT {
    private static World world;

    @BeforeAll
    static void start() throws Exception {
        world = new World(Map.of("TOKEN_BUCKET_SIZE", "10", "TOKEN_REFILL_RATE", "0"));
        try {
            world.worker.loadAll();
        } catch (RuntimeException e) {
            System.out.println(world.worker.output());
            throw e;
        }
    }

    @AfterAll
    static void stop() {
        System.out.println(world.worker.output());
        System.out.println(world.postgres.output());
        world.close();
    }

    @Test
    void tryit() throws Exception {
        for (int i = 0; i < 5; i++) world.request("a", "{\"agent_id\":\"a\",\"tokens\":4,\"n\":" + i + "}");
        await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
            assertThat(world.count("select count(*) from quota_audit.rejected_requests")).isEqualTo(3);
        });
        world.asOperator("insert into quota_admin.agent_quotas(agent_id,capacity,refill_rate) values ('a',100,1)");
        await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
            assertThat(world.read("agent-quotas")).isNotEmpty();
        });
        for (var r : world.read("agent-quotas")) System.out.println(new String(r.key()) + " " + new String(r.value()));
    }
}
