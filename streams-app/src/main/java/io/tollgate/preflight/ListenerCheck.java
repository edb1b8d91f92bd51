package io.tollgate.preflight;

import io.tollgate.config.KafkaConfig;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.common.utils.Utils;

/** Checks that the brokers' ports speak the protocol of our clients. A silent port is not a finding. */
final class ListenerCheck {
    private ListenerCheck() {}

    static List<Finding> of(KafkaConfig kafka) {
        var protocol = protocol(kafka);
        for (String server : kafka.bootstrapServers().split(",")) {
            var host = Utils.getHost(server.strip());
            var port = Utils.getPort(server.strip());
            if (host == null || port == null) continue;
            var mismatch = mismatch(new ProtocolProbe(host, port), protocol);
            if (mismatch.isPresent()) return List.of(Finding.fatal(server.strip() + " " + mismatch.get()));
        }
        return List.of();
    }

    private static String protocol(KafkaConfig kafka) {
        return String.valueOf(kafka.clientProperties("admin.", AdminClientConfig.configNames())
                        .getOrDefault(CommonClientConfigs.SECURITY_PROTOCOL_CONFIG, "PLAINTEXT"))
                .toUpperCase(Locale.ROOT);
    }

    static boolean answers(KafkaConfig kafka, String server) {
        var host = Utils.getHost(server);
        var port = Utils.getPort(server);
        if (host == null || port == null) return false;
        return new ProtocolProbe(host, port).answers(protocol(kafka).endsWith("SSL"));
    }

    /** Clients use the given address only to learn the addresses of the brokers, and then connect to those. */
    static List<String> unreachable(KafkaConfig kafka, String server) {
        var host = Utils.getHost(server);
        var port = Utils.getPort(server);
        if (host == null || port == null || !protocol(kafka).equals("PLAINTEXT")) return List.of();
        var advertised = new ProtocolProbe(host, port).advertised();
        boolean reached = advertised.stream()
                .anyMatch(broker -> new ProtocolProbe(
                                Objects.requireNonNull(Utils.getHost(broker)),
                                Objects.requireNonNull(Utils.getPort(broker)))
                        .takesConnections());
        return reached ? List.of() : advertised;
    }

    private static Optional<String> mismatch(ProtocolProbe wire, String protocol) {
        boolean sasl = protocol.startsWith("SASL_");
        if (protocol.endsWith("SSL")) {
            if (wire.speaksTls() || !wire.speaksPlainKafka()) return Optional.empty();
            return Optional.of("speaks Kafka without TLS, but KAFKA_SECURITY_PROTOCOL is " + protocol
                    + ": use the port of a TLS listener, or set KAFKA_SECURITY_PROTOCOL="
                    + (sasl ? "SASL_PLAINTEXT" : "PLAINTEXT"));
        }
        // Plain Kafka first: a broker logs a TLS greeting on a plain port as an error, with a stack
        // trace.
        if (!wire.speaksPlainKafka()) {
            if (!wire.speaksTls()) return Optional.empty();
            return Optional.of("speaks TLS, but KAFKA_SECURITY_PROTOCOL is " + protocol
                    + ": set KAFKA_SECURITY_PROTOCOL=" + (sasl ? "SASL_SSL" : "SSL or SASL_SSL")
                    + " and KAFKA_SSL_TRUSTSTORE_LOCATION");
        }
        if (!sasl && wire.asksForLogin()) {
            return Optional.of("asks for a login, but KAFKA_SECURITY_PROTOCOL is " + protocol
                    + ": set KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT, KAFKA_SASL_MECHANISM and KAFKA_SASL_JAAS_CONFIG");
        }
        return Optional.empty();
    }
}
