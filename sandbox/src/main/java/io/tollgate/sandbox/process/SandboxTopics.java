package io.tollgate.sandbox.process;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.TopicExistsException;

/** The topics of the pipeline, as the sandbox creates them. */
public final class SandboxTopics {
    public static final String REQUESTS = "agent-requests";
    public static final String APPROVED = "approved-requests";
    public static final String REJECTED = "rejected-requests";
    public static final String POLICIES = "agent-quotas";
    public static final String EVENTS = "quota-events";
    public static final String USAGE = "agent-usage";
    public static final String SETTLED = "settled-requests";
    static final List<String> ALL = List.of(REQUESTS, APPROVED, REJECTED, POLICIES, EVENTS, USAGE, SETTLED);
    public static final int PARTITIONS = 8;

    /** Kafka's own default for a topic: a record batch of this size is accepted. */
    private static final int MAX_REQUEST_BYTES = 1_048_588;

    private SandboxTopics() {}

    /** Creates the missing topics, and leaves the others as they are. */
    public static void create(Map<String, Object> client) throws InterruptedException {
        var topics = new ArrayList<NewTopic>();
        // Segments end by size alone: by time, agents would end them with each timestamp far ahead.
        topics.add(topic(
                REQUESTS,
                PARTITIONS,
                Map.of(
                        "max.message.bytes",
                        Integer.toString(MAX_REQUEST_BYTES),
                        "segment.ms",
                        Long.toString(Long.MAX_VALUE))));
        // The largest request must still fit when the decision's headers are added.
        topics.add(topic(APPROVED, PARTITIONS, "max.message.bytes", Integer.toString(MAX_REQUEST_BYTES + 64 * 1024)));
        // A rejection holds the request, in base64 if it is unreadable.
        topics.add(topic(REJECTED, PARTITIONS, "max.message.bytes", Integer.toString(2 * 1024 * 1024)));
        // Auditors ask for the policy of a decision: replaced policies are kept for 30 days.
        topics.add(topic(
                POLICIES,
                1,
                Map.of("cleanup.policy", "compact", "min.compaction.lag.ms", Long.toString(2_592_000_000L))));
        topics.add(topic(EVENTS, 1, "cleanup.policy", "delete"));
        topics.add(topic(USAGE, PARTITIONS, "cleanup.policy", "delete"));
        // A settlement holds the report, in base64 if it is invalid.
        topics.add(topic(SETTLED, PARTITIONS, "max.message.bytes", Integer.toString(2 * 1024 * 1024)));
        try (Admin admin = Admin.create(client)) {
            for (var creation : admin.createTopics(topics).values().entrySet()) {
                try {
                    creation.getValue().get();
                } catch (ExecutionException e) {
                    if (!(e.getCause() instanceof TopicExistsException)) {
                        throw new IllegalStateException("cannot create the topic " + creation.getKey(), e.getCause());
                    }
                }
            }
        }
    }

    private static NewTopic topic(String name, int partitions, String setting, String value) {
        return topic(name, partitions, Map.of(setting, value));
    }

    private static NewTopic topic(String name, int partitions, Map<String, String> settings) {
        var all = new HashMap<>(settings);
        // An agent's clock may be wrong: Kafka would refuse the request, or its decision.
        all.put("message.timestamp.after.max.ms", Long.toString(Long.MAX_VALUE));
        return new NewTopic(name, Optional.of(partitions), Optional.of((short) 1)).configs(all);
    }

    public static List<String> decisions() {
        return List.of(APPROVED, REJECTED);
    }
}
