package io.tollgate.kafka;

import java.util.Optional;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TransactionAbortableException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;

/** Explains failures of Kafka's clients: which of them pass by themselves, and what a user can do about the others. */
public final class KafkaErrors {
    private KafkaErrors() {}

    /**
     * Returns one line that tells what brokers or the disk refuse, and the remedy; empty if no cause is such a refusal.
     */
    public static Optional<String> explain(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            var explained = explained(cause);
            if (explained.isPresent()) return explained;
        }
        return Optional.empty();
    }

    /**
     * Returns whether the failure ends as soon as brokers answer: Kafka's clients would have retried it, given the
     * time.
     */
    public static boolean isTransient(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof RetriableException
                    || cause instanceof TransactionAbortableException
                    || cause instanceof TimeoutException
                    || isUnknownName(cause)) return true;
        }
        return false;
    }

    /** A new client resolves the brokers' names again, and DNS may not know them for a while. */
    private static boolean isUnknownName(Throwable cause) {
        return cause instanceof ConfigException
                && String.valueOf(cause.getMessage()).contains("No resolvable bootstrap");
    }

    private static Optional<String> explained(Throwable cause) {
        if (cause instanceof SslAuthenticationException) return Optional.of(tls(cause));
        if (isUnknownName(cause)) {
            return Optional.of("no name of KAFKA_BOOTSTRAP_SERVERS is known to DNS: check the names");
        }
        // RocksDB, java.nio and the C library share these words and nothing else.
        if (String.valueOf(cause.getMessage()).contains("No space left on device")) {
            return Optional.of("No space left on device: make room where TOLLGATE_STATE_DIR is, and start again");
        }
        // Kafka advises its reset tool, which would decide every request again.
        var message = String.valueOf(cause.getMessage());
        if (message.contains("has invalid partitions")) {
            return Optional.of(
                    "the number of partitions has changed since the first start; it decides which partition an agent"
                            + " belongs to (" + message.replaceFirst("(?s)\\. Use .*", "")
                            + "): move to new topics, as docs/topics.md says");
        }
        if (cause instanceof AuthenticationException) {
            return Optional.of("Kafka refuses the login (" + cause.getMessage()
                    + "): check KAFKA_SASL_MECHANISM and KAFKA_SASL_JAAS_CONFIG");
        }
        if (cause instanceof TopicAuthorizationException topics) {
            return Optional.of("Kafka refuses the use of " + topics.unauthorizedTopics()
                    + ": grant the rights that docs/security.md lists");
        }
        if (cause instanceof GroupAuthorizationException group) {
            return Optional.of(
                    "Kafka refuses the use of group " + group.groupId() + ": grant the application READ on it");
        }
        if (cause instanceof TransactionalIdAuthorizationException) {
            return Optional.of("Kafka refuses the transactional id: grant the application WRITE on transactional ids"
                    + " prefixed with its application id and a dash");
        }
        if (cause instanceof AuthorizationException) {
            return Optional.of(
                    "Kafka refuses (" + cause.getMessage() + "): grant the rights that docs/security.md lists");
        }
        return Optional.empty();
    }

    private static String tls(Throwable refusal) {
        Throwable deepest = refusal;
        while (deepest.getCause() != null) deepest = deepest.getCause();
        return "TLS with Kafka fails ("
                + String.valueOf(deepest.getMessage()).lines().findFirst().orElse("")
                + "): check KAFKA_SSL_TRUSTSTORE_LOCATION, and KAFKA_SSL_KEYSTORE_LOCATION if the brokers ask for a"
                + " certificate";
    }
}
