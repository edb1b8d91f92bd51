package io.tollgate.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.junit.jupiter.api.Test;

class LoadPartitionTest {
    @Test
    void requestGoesToItsHomePartition() {
        for (int i = 0; i < 1000; i++) {
            var agent = "agent-" + i;
            int kafkas = BuiltInPartitioner.partitionForKey(agent.getBytes(UTF_8), 7);

            assertThat(LoadCommand.request("t", 7, agent, 1, i).partition()).isEqualTo(kafkas);
        }
    }
}
