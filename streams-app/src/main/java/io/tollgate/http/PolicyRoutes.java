package io.tollgate.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import com.fasterxml.jackson.annotation.JsonRawValue;
import io.javalin.http.Context;
import io.tollgate.config.Settings;
import io.tollgate.http.InstanceJson.ShadowJson;
import io.tollgate.policy.InvalidPolicyException;
import io.tollgate.policy.PolicyChange;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyJson;
import io.tollgate.policy.PolicyMerge;
import io.tollgate.policy.PolicyTopic;
import io.tollgate.policy.StoredPolicy;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Policies over HTTP. A change reads the policy and writes it, one change of this instance at a time; of two changes
 * that different instances make within that moment, the last one stays. Thread-safe.
 */
final class PolicyRoutes {
    private static final Object CHANGING = new Object();

    /** @param policy its name, as the header {@code quota-policy} says it */
    record WrittenJson(String agentId, String policy) {}

    /**
     * The policy under one key.
     *
     * @param policy its name, as the header {@code quota-policy} says it
     * @param document as {@code schemas/agent-quota.schema.json} says
     * @param mistake of a later record that cannot be read, if there is one
     * @param changedAt the newest record's timestamp
     * @param changedBy who wrote it, as it says
     * @param shadow what it would have done; null unless it is in shadow mode and has looked at requests
     */
    @JsonInclude(Include.NON_NULL)
    record PolicyJsonView(
            String agentId,
            @Nullable String policy,
            @JsonRawValue @Nullable String document,
            @Nullable String mistake,
            Instant changedAt,
            @Nullable String changedBy,
            @Nullable ShadowJson shadow) {
        static PolicyJsonView of(PolicyChange newest, Map<String, ShadowJson> shadows) {
            var stored = newest.stored().orElseThrow();
            var name = stored.good().map(StoredPolicy.Good::name);
            return new PolicyJsonView(
                    stored.agentId(),
                    name.orElse(null),
                    document(stored),
                    stored.ignored().map(StoredPolicy.Ignored::mistake).orElse(null),
                    newest.when(),
                    newest.changedBy().orElse(null),
                    name.map(shadows::get).orElse(null));
        }

        private static @Nullable String document(StoredPolicy stored) {
            return stored.good()
                    .map(good -> new String(PolicyJson.write(good.document()), StandardCharsets.UTF_8))
                    .orElse(null);
        }
    }

    /**
     * One record under a key.
     *
     * @param change {@code set}, {@code deleted} or {@code ignored}, as {@code tollgate policy history} says it
     */
    @JsonInclude(Include.NON_NULL)
    record ChangeJson(
            String policy,
            Instant changedAt,
            @Nullable String changedBy,
            String change,
            @JsonRawValue @Nullable String document,
            @Nullable String mistake) {
        static ChangeJson of(PolicyChange change) {
            var stored = change.stored().orElse(null);
            return new ChangeJson(
                    change.name(),
                    change.when(),
                    change.changedBy().orElse(null),
                    stored == null ? "deleted" : stored.good().isPresent() ? "set" : "ignored",
                    stored == null ? null : PolicyJsonView.document(stored),
                    stored == null
                            ? null
                            : stored.ignored()
                                    .map(StoredPolicy.Ignored::mistake)
                                    .orElse(null));
        }
    }

    /** What the topic still holds under a key, newest first. */
    record HistoryJson(String agentId, List<ChangeJson> changes) {}

    /** All policies, by key. */
    record PoliciesJson(List<PolicyJsonView> policies) {}

    private PolicyRoutes() {}

    /** @param shadows by name of the policy */
    static PoliciesJson all(Settings settings, Map<String, ShadowJson> shadows) {
        try (var topic = new PolicyTopic(settings)) {
            return new PoliciesJson(topic.newest().values().stream()
                    .map(newest -> PolicyJsonView.of(newest, shadows))
                    .toList());
        }
    }

    static HistoryJson history(Settings settings, String key) {
        try (var topic = new PolicyTopic(settings)) {
            var changes = new ArrayList<>(
                    topic.history(key).stream().map(ChangeJson::of).toList());
            Collections.reverse(changes);
            return new HistoryJson(key, changes);
        }
    }

    /** @throws Problem 404 if there is no record under the key */
    static PolicyJsonView get(Settings settings, String key, Context context, Map<String, ShadowJson> shadows) {
        try (var topic = new PolicyTopic(settings)) {
            var current = topic.newest(key).orElseThrow(() -> new Problem(404, "there is no policy with this key"));
            context.header("ETag", etag(current.name()));
            return PolicyJsonView.of(current, shadows);
        }
    }

    /** @throws Problem 400 if it is not a policy; 412 if the call expects another policy */
    static WrittenJson put(Settings settings, String key, byte[] body, Context context, String by) {
        try (var topic = new PolicyTopic(settings)) {
            synchronized (CHANGING) {
                var current = topic.newest(key);
                requireExpected(context, current);
                var name = topic.put(key, changed(current, body), by);
                context.header("ETag", etag(name));
                return new WrittenJson(key, name);
            }
        }
    }

    /**
     * Returns the policy that a {@code PUT} with this body would write.
     *
     * @throws Problem 400 if it is not a policy
     */
    static PolicyDocument tried(Settings settings, String key, byte[] body) {
        try (var topic = new PolicyTopic(settings)) {
            return changed(topic.newest(key), body);
        }
    }

    private static PolicyDocument changed(Optional<PolicyChange> current, byte[] body) {
        try {
            var before = current.flatMap(PolicyChange::document);
            return before.isPresent() ? PolicyMerge.merge(before.get(), body) : PolicyJson.parse(body);
        } catch (InvalidPolicyException invalid) {
            throw new Problem(400, String.valueOf(invalid.getMessage()));
        }
    }

    /** @throws Problem 412 if the call expects another policy */
    static void delete(Settings settings, String key, Context context, String by) {
        try (var topic = new PolicyTopic(settings)) {
            synchronized (CHANGING) {
                requireExpected(context, topic.newest(key));
                topic.delete(key, by);
            }
        }
    }

    /**
     * The place of the record, without its key: the key is in the address, and may hold characters that a
     * header must not.
     */
    private static String etag(String name) {
        return '"' + name.substring(name.lastIndexOf('@') + 1) + '"';
    }

    private static void requireExpected(Context context, Optional<PolicyChange> current) {
        var match = context.header("If-Match");
        if (match != null && !names(match, current))
            throw new Problem(412, "another policy stands there than If-Match names: read it again");
        var noneMatch = context.header("If-None-Match");
        if (noneMatch != null && names(noneMatch, current))
            throw new Problem(412, "the policy that If-None-Match names stands there");
    }

    private static boolean names(String header, Optional<PolicyChange> current) {
        return current.isPresent()
                && Stream.of(header.split(","))
                        .map(String::strip)
                        .anyMatch(tag ->
                                tag.equals("*") || tag.equals(etag(current.get().name())));
    }
}
