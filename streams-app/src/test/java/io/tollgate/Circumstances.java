package io.tollgate;

import io.tollgate.config.Topics;
import io.tollgate.sandbox.process.ApplicationProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;

/** The state of brokers and threads while a pipeline is stuck, as text for the report of a failed test. */
final class Circumstances {
    private static final long SECONDS = 20;

    private Circumstances() {}

    static String of(TestCluster cluster, ApplicationProcess application) {
        return application.output() + "\n" + brokers(cluster) + "\n" + threads(application.pid());
    }

    /** Returns the committed offsets, the open transactions that hold readers back, and the members of the group. */
    private static String brokers(TestCluster cluster) {
        var settings = cluster.settings();
        var group = settings.streams().applicationId();
        var topics = settings.topics();
        try (var admin =
                Admin.create(Map.of("bootstrap.servers", settings.kafka().bootstrapServers()))) {
            return "group: " + get(admin.describeConsumerGroups(List.of(group)).all())
                    + "\ncommitted: "
                    + get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
                    + "\nends: " + ends(admin, topics, IsolationLevel.READ_UNCOMMITTED)
                    + "\nends of what is committed: " + ends(admin, topics, IsolationLevel.READ_COMMITTED)
                    + "\ntransactions: " + get(admin.listTransactions().all());
        } catch (ExecutionException | TimeoutException unanswered) {
            return "brokers do not answer: " + unanswered;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "interrupted";
        }
    }

    private static Map<TopicPartition, Long> ends(Admin admin, Topics topics, IsolationLevel isolation)
            throws ExecutionException, InterruptedException, TimeoutException {
        var wanted = new HashMap<TopicPartition, OffsetSpec>();
        for (var topic : List.of(topics.requests(), topics.approved(), topics.rejected())) {
            for (int partition = 0; partition < TestCluster.PARTITIONS; partition++) {
                wanted.put(new TopicPartition(topic, partition), OffsetSpec.latest());
            }
        }
        var ends = new HashMap<TopicPartition, Long>();
        get(admin.listOffsets(wanted, new ListOffsetsOptions(isolation)).all())
                .forEach((partition, end) -> ends.put(partition, end.offset()));
        return ends;
    }

    private static <T> T get(KafkaFuture<T> future) throws ExecutionException, InterruptedException, TimeoutException {
        return future.get(SECONDS, TimeUnit.SECONDS);
    }

    private static String threads(long pid) {
        try {
            var jstack = new ProcessBuilder(
                            ProcessHandle.current()
                                    .info()
                                    .command()
                                    .orElse("java")
                                    .replaceAll("java$", "jstack"),
                            Long.toString(pid))
                    .redirectErrorStream(true)
                    .start();
            return new String(jstack.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException noJdk) {
            return "no thread dump: " + noJdk.getMessage();
        }
    }
}
