package io.tollgate.preflight;

import io.tollgate.config.KafkaConfig;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Utils;

/** Checks that names of the brokers resolve: without one that does, no Kafka client can be created. */
final class BootstrapNames {
    private BootstrapNames() {}

    /** Returns the names if none of them resolves, else nothing: Kafka's clients use the names that do. */
    static List<String> unknown(KafkaConfig kafka) {
        var unknown = new ArrayList<String>();
        for (String server : kafka.bootstrapServers().split(",")) {
            var host = Utils.getHost(server.strip());
            if (host == null || resolves(host)) return List.of();
            unknown.add(host);
        }
        return unknown;
    }

    private static boolean resolves(String host) {
        try {
            return InetAddress.getAllByName(host).length > 0;
        } catch (UnknownHostException notYet) {
            return false;
        }
    }
}
