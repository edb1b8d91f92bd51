package io.tollgate.spring;

import io.tollgate.failover.SharingStatus;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The details of the health indicator. The state is always up: without Redis the application decides by itself, and a
 * restart would not help.
 */
final class SharingDetails {
    private SharingDetails() {}

    /**
     * Returns {@code buckets} ({@code shared}, {@code partly shared} or {@code local}), the time since then, and the
     * reason if they are not shared.
     */
    static Map<String, Object> of(SharingStatus status) {
        var details = new LinkedHashMap<String, Object>();
        if (status instanceof SharingStatus.Local local) {
            details.put("buckets", "local");
            details.put("reason", local.reason());
        } else if (status instanceof SharingStatus.PartlyShared partly) {
            details.put("buckets", "partly shared");
            details.put("reason", partly.reasons());
        } else {
            details.put("buckets", "shared");
        }
        details.put("since", status.since().toString());
        return details;
    }
}
