package io.tollgate.preflight;

import io.tollgate.config.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TopicExistsException;

/**
 * Whether the brokers grant what the pipeline will need. They are asked what is granted on topics; for the rest the thing itself is
 * tried in a way that changes nothing: a topic is created as a dry run, a member that does not exist leaves the group, and a
 * transactional id that is nobody's is fenced. Not thread-safe.
 */
final class RightFindings {
    private final Brokers brokers;
    private final Settings settings;
    private final TopicFindings.Internal internal;
    private final Map<String, TopicDescription> found;
    private final List<Finding> findings = new ArrayList<>();

    RightFindings(
            Brokers brokers, Settings settings, TopicFindings.Internal internal, Map<String, TopicDescription> found) {
        this.brokers = brokers;
        this.settings = settings;
        this.internal = internal;
        this.found = found;
    }

    List<Finding> look() {
        var topics = settings.topics();
        require(topics.requests(), AclOperation.READ);
        require(topics.policies(), AclOperation.READ);
        require(topics.approved(), AclOperation.WRITE);
        require(topics.rejected(), AclOperation.WRITE);
        for (String name : internal.topics()) {
            if (!found.containsKey(name)) {
                tryCreating(name);
                continue;
            }
            require(name, AclOperation.READ);
            require(name, AclOperation.WRITE);
        }
        if (lacks(internal.rekeyed(), AclOperation.DELETE)) {
            findings.add(Finding.warning("strays that came home stay on topic " + internal.rekeyed()
                    + " until it is cleaned up: grant the application DELETE on topics prefixed " + prefix()));
        }
        tryGroup();
        if (settings.streams().exactlyOnce()) tryTransaction();
        return findings;
    }

    private void require(String topic, AclOperation operation) {
        if (lacks(topic, operation)) {
            var where = internal.topics().contains(topic) ? "topics prefixed " + prefix() : "it";
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
        attempt(
                () -> Brokers.await(brokers.admin()
                        .createTopics(List.of(new NewTopic(topic, Optional.of(1), Optional.empty())), dryRun)
                        .all()),
                "topic " + topic
                        + " may not be created: grant the application CREATE, READ and WRITE on topics prefixed "
                        + prefix() + ", or create it beforehand");
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
        } catch (TopicExistsException createdMeanwhile) {
            // by another instance
        } catch (RetriableException away) {
            throw away;
        } catch (KafkaException permitted) {
            // Rights are asked first: whatever else is wrong, such as a member that is unknown, it is not these.
        }
    }

    private String prefix() {
        return settings.streams().applicationId() + "-";
    }
}
