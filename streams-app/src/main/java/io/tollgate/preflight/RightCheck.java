package io.tollgate.preflight;

import io.tollgate.config.Settings;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TopicExistsException;

/**
 * Checks that the brokers grant the pipeline's rights, and would create the missing topics. Brokers tell the rights on
 * topics; the others are tried in a way that changes nothing: a topic is created as a dry run, a member that does not
 * exist leaves the group, and an unused transactional id is fenced. Not thread-safe.
 */
final class RightCheck {
    private final Brokers brokers;
    private final Settings settings;
    private final PipelineTopics topics;
    private final Map<String, TopicDescription> found;
    private final int partitions;
    private final List<Finding> findings = new ArrayList<>();

    /**
     * @param found the topics that exist
     * @param partitions the number of partitions of each internal topic
     */
    RightCheck(
            Brokers brokers,
            Settings settings,
            PipelineTopics topics,
            Map<String, TopicDescription> found,
            int partitions) {
        this.brokers = brokers;
        this.settings = settings;
        this.topics = topics;
        this.found = found;
        this.partitions = partitions;
    }

    List<Finding> look() {
        for (String topic : topics.sources()) require(topic, AclOperation.READ);
        require(topics.policies(), AclOperation.READ);
        for (String topic : topics.sinks()) require(topic, AclOperation.WRITE);
        for (String topic : topics.internal()) {
            if (!found.containsKey(topic)) {
                tryCreating(topic);
                continue;
            }
            require(topic, AclOperation.READ);
            require(topic, AclOperation.WRITE);
        }
        for (String topic : topics.repartition()) {
            if (lacks(topic, AclOperation.DELETE)) {
                findings.add(Finding.warning("strays that came home stay on topic " + topic
                        + " until it is cleaned up: grant the application DELETE on topics prefixed " + prefix()));
            }
        }
        tryGroup();
        if (settings.streams().exactlyOnce()) tryTransaction();
        return findings;
    }

    private void require(String topic, AclOperation operation) {
        if (lacks(topic, operation)) {
            var where = topics.internal().contains(topic) ? "topics prefixed " + prefix() : "it";
            findings.add(Finding.fatal(
                    "topic " + topic + " may not be " + (operation == AclOperation.READ ? "read" : "written")
                            + ": grant the application " + operation + " on " + where));
        }
    }

    private boolean lacks(String topic, AclOperation operation) {
        var description = found.get(topic);
        return description != null
                && description.authorizedOperations() != null
                && !description.authorizedOperations().contains(operation);
    }

    private void tryCreating(String topic) {
        var dryRun = new CreateTopicsOptions().validateOnly(true);
        try {
            Brokers.await(brokers.admin()
                    .createTopics(List.of(topics.asStreamsMakesIt(topic, partitions)), dryRun)
                    .all());
        } catch (AuthorizationException refused) {
            findings.add(Finding.fatal("topic " + topic
                    + " may not be created: grant the application CREATE, READ and WRITE on topics prefixed " + prefix()
                    + ", or create it beforehand"));
        } catch (TopicExistsException createdMeanwhile) {
            // by another instance
        } catch (RetriableException away) {
            throw away;
        } catch (KafkaException refused) {
            findings.add(Finding.fatal(
                    "topic " + topic + " cannot be created (" + firstLine(refused) + "): " + remedy(topic, refused)));
        }
    }

    private String remedy(String topic, KafkaException refused) {
        if (refused instanceof InvalidReplicationFactorException) {
            return "set KAFKA_REPLICATION_FACTOR to what the brokers allow";
        }
        var message = String.valueOf(refused.getMessage());
        // The longer name first: one may be the end of another.
        var made = topics.asStreamsMakesIt(topic, partitions).configs();
        var named = made.keySet().stream()
                .sorted(Comparator.comparingInt(String::length).reversed())
                .filter(message::contains)
                .findFirst();
        var variable =
                named.map(name -> "KAFKA_TOPIC_" + name.toUpperCase(Locale.ROOT).replace('.', '_'));
        return variable.map(name -> "set " + name + " to what the brokers allow, or create the topic beforehand")
                .orElse("change the brokers' rule, or create the topic beforehand, with " + partitions
                        + " partitions and " + made);
    }

    private void tryGroup() {
        var group = settings.streams().applicationId();
        var nobody = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("tollgate-preflight")));
        attempt(
                () -> Brokers.await(brokers.admin()
                        .removeMembersFromConsumerGroup(group, nobody)
                        .all()),
                "group " + group + " may not be used: grant the application READ on group " + group);
    }

    private void tryTransaction() {
        attempt(
                () -> Brokers.await(brokers.admin()
                        .fenceProducers(List.of(prefix() + "preflight"))
                        .all()),
                "transactional ids prefixed " + prefix()
                        + " may not be used: grant the application WRITE on them, or set"
                        + " TOLLGATE_PROCESSING_GUARANTEE=at_least_once");
    }

    private void attempt(Runnable question, String forbidden) {
        try {
            question.run();
        } catch (AuthorizationException refused) {
            findings.add(Finding.fatal(forbidden));
        } catch (RetriableException away) {
            throw away;
        } catch (KafkaException permitted) {
            // Brokers check rights first, so any other error, such as an unknown member, means that they are granted.
        }
    }

    private static String firstLine(KafkaException refused) {
        return String.valueOf(refused.getMessage())
                .lines()
                .findFirst()
                .orElse("")
                .strip();
    }

    private String prefix() {
        return settings.streams().applicationId() + "-";
    }
}
