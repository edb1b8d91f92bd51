package io.tollgate.config;

import io.tollgate.env.Env;
import java.util.LinkedHashMap;

/**
 * Names of the topics.
 *
 * @param requests TOLLGATE_REQUESTS_TOPIC, default agent-requests
 * @param approved TOLLGATE_APPROVED_TOPIC, default approved-requests
 * @param rejected TOLLGATE_REJECTED_TOPIC, default rejected-requests
 * @param policies TOLLGATE_POLICIES_TOPIC, default agent-quotas
 * @param events quota-events; not configurable
 * @param usage agent-usage; not configurable
 * @param settled settled-requests; not configurable
 */
public record Topics(
        String requests,
        String approved,
        String rejected,
        String policies,
        String events,
        String usage,
        String settled) {
    static Topics from(Env env) {
        var names = new LinkedHashMap<String, String>();
        var topics = new Topics(
                name(env, names, "TOLLGATE_REQUESTS_TOPIC", "agent-requests"),
                name(env, names, "TOLLGATE_APPROVED_TOPIC", "approved-requests"),
                name(env, names, "TOLLGATE_REJECTED_TOPIC", "rejected-requests"),
                name(env, names, "TOLLGATE_POLICIES_TOPIC", "agent-quotas"),
                "quota-events",
                "agent-usage",
                "settled-requests");
        requireOther(env, names, topics.events(), "quota events");
        requireOther(env, names, topics.usage(), "usage reports");
        requireOther(env, names, topics.settled(), "settlements");
        return topics;
    }

    private static void requireOther(Env env, LinkedHashMap<String, String> names, String topic, String contents) {
        var variable = names.get(topic);
        if (variable != null) env.mistake(variable, "must not be the topic of " + contents, topic);
    }

    private static String name(Env env, LinkedHashMap<String, String> names, String variable, String otherwise) {
        var name = env.text(variable, otherwise);
        if (!name.matches("[a-zA-Z0-9._-]{1,249}") || name.equals(".") || name.equals("..")) {
            env.mistake(variable, "must be a topic name: 1 to 249 letters, digits, dots, dashes and underscores", name);
        }
        var other = names.putIfAbsent(name, variable);
        if (other != null) env.mistake(variable, "must differ from " + other, name);
        return name;
    }
}
