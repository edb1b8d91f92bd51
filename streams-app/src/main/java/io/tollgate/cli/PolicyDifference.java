package io.tollgate.cli;

import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.StoredPolicy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The records that make the topic agree with a file. Immutable.
 *
 * @param changes the policies to write, by key; null deletes
 * @param lines the difference for people, one line for each key
 */
record PolicyDifference(
        Map<String, @Nullable PolicyDocument> changes,
        List<String> lines,
        int added,
        int changed,
        int removed,
        int unchanged) {
    private static final String UNCHANGED = "unchanged  ";

    /** Returns the number of policies for each kind of change. */
    String counts() {
        return added + " added, " + changed + " changed, " + removed + " removed, " + unchanged + " unchanged";
    }

    static boolean isUnchanged(String line) {
        return line.startsWith(UNCHANGED);
    }

    /** @param deleteOthers whether to delete policies that the file lacks */
    static PolicyDifference between(
            Map<String, StoredPolicy> now, Map<String, PolicyDocument> wanted, boolean deleteOthers) {
        var changes = new LinkedHashMap<String, @Nullable PolicyDocument>();
        var lines = new ArrayList<String>();
        int added = 0;
        int changed = 0;
        int removed = 0;
        for (var entry : wanted.entrySet()) {
            var agentId = entry.getKey();
            var policy = entry.getValue();
            var stored = now.get(agentId);
            if (stored == null) {
                added++;
                lines.add("added      " + agentId + ": " + PolicyText.of(policy));
            } else if (stored.ignored().isPresent()
                    || !stored.good().orElseThrow().document().equals(policy)) {
                changed++;
                lines.add("changed    " + agentId + ": " + PolicyText.of(stored) + " -> " + PolicyText.of(policy));
            } else {
                lines.add(UNCHANGED + agentId);
                continue;
            }
            changes.put(agentId, policy);
        }
        int unchanged = wanted.size() - changes.size();
        if (deleteOthers) {
            for (var stored : now.values()) {
                if (wanted.containsKey(stored.agentId())) continue;
                removed++;
                lines.add("removed    " + stored.agentId() + ": " + PolicyText.of(stored));
                changes.put(stored.agentId(), null);
            }
        }
        return new PolicyDifference(changes, lines, added, changed, removed, unchanged);
    }
}
