package io.tollgate.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.config.Settings;
import io.tollgate.preflight.Finding;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Finds instances with different time zone rules, which may start a limit's period at different moments. */
final class TimeZoneCheck {
    private static final Duration TIMEOUT = Duration.ofSeconds(3);

    private TimeZoneCheck() {}

    /**
     * Returns a warning if the instances' rules differ; nothing if no pipeline answers at the address in the settings.
     */
    static List<Finding> of(Settings settings) {
        var request = AgentApi.request(settings.http(), settings.http().localUrl() + "/api/status", TIMEOUT);
        try {
            return among(AgentApi.CLIENT
                    .send(request.build(), HttpResponse.BodyHandlers.ofByteArray())
                    .body());
        } catch (IOException noPipeline) {
            return List.of();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return List.of();
        }
    }

    /** @param status the answer of {@code /api/status} */
    static List<Finding> among(byte[] status) throws IOException {
        var byVersion = new TreeMap<String, TreeSet<String>>();
        for (var instance : new ObjectMapper().readTree(status).path("instances")) {
            var version = instance.path("time_zones");
            if (!version.isTextual()) continue; // away, or older
            byVersion
                    .computeIfAbsent(version.textValue(), each -> new TreeSet<>())
                    .add(instance.path("instance").asText());
        }
        if (byVersion.size() < 2) return List.of();
        var told = byVersion.entrySet().stream()
                .map(each -> each.getKey() + " on " + String.join(", ", each.getValue()))
                .collect(Collectors.joining("; "));
        return List.of(new Finding(
                false,
                "instances know different time zone rules (" + told + "): limits with a period may start it at"
                        + " different moments; run all instances on the same JDK release, this one has "
                        + CalendarRefill.zoneRules()));
    }
}
