package io.tollgate.preflight;

import java.util.NavigableMap;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;

/**
 * The version of the brokers. Brokers do not tell their release, only a metadata level, which belongs to a release or a
 * later one.
 */
public final class BrokerVersion {
    /** The first level of each release: {@code org.apache.kafka.server.common.MetadataVersion}. */
    private static final NavigableMap<Integer, String> RELEASES = new TreeMap<>();

    static {
        String[] releases = {
            "7:3.3", "8:3.4", "9:3.5", "12:3.6", "15:3.7", "20:3.8", "21:3.9", "22:4.0", "26:4.1", "28:4.2", "30:4.3",
            "31:4.4"
        };
        for (var each : releases) {
            var parts = each.split(":");
            RELEASES.put(Integer.valueOf(parts[0]), parts[1]);
        }
    }

    private BrokerVersion() {}

    /**
     * Returns the oldest release that the brokers can have, their number, and the cluster's id, in words.
     *
     * @param admin is not closed
     * @throws KafkaException if the brokers do not answer or refuse
     */
    public static String of(Admin admin) {
        var cluster = admin.describeCluster();
        int brokers = Brokers.await(cluster.nodes()).size();
        var features = Brokers.await(admin.describeFeatures().featureMetadata()).finalizedFeatures();
        var level = features.get("metadata.version");
        var release = level == null ? "before 3.3, or with ZooKeeper" : release(level.maxVersionLevel());
        return release + ", " + brokers + (brokers == 1 ? " broker" : " brokers") + ", cluster "
                + Brokers.await(cluster.clusterId());
    }

    static String release(int level) {
        var release = RELEASES.floorEntry(level);
        var name =
                release == null ? "before 3.3" : release.getValue() + (level > RELEASES.lastKey() ? " or newer" : "");
        return name + " (metadata.version " + level + ")";
    }
}
