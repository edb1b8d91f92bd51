package io.tollgate.preflight;

import io.tollgate.config.KafkaConfig;
import java.util.List;
import java.util.Locale;
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
            var mismatch = probe(server.strip()).flatMap(probe -> mismatch(probe, protocol));
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
        return probe(server)
                .filter(probe -> probe.answers(protocol(kafka).endsWith("SSL")))
                .isPresent();
    }

    /** Returns a probe of the server; empty if this is not an address. */
    private static Optional<ProtocolProbe> probe(String server) {
        var host = Utils.getHost(server);
        var port = Utils.getPort(server);
        return host == null || port == null ? Optional.empty() : Optional.of(new ProtocolProbe(host, port));
    }

    /** Clients use the given address only to learn the addresses of the brokers, and then connect to those. */
    static List<String> unreachable(KafkaConfig kafka, String server) {
        var named = probe(server);
        if (named.isEmpty() || !protocol(kafka).equals("PLAINTEXT")) return List.of();
        var advertised = named.get().advertised();
        boolean reached =
                advertised.stream().flatMap(broker -> probe(broker).stream()).anyMatch(ProtocolProbe::takesConnections);
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
