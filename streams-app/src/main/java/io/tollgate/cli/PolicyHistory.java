package io.tollgate.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.policy.PolicyChange;
import io.tollgate.policy.PolicyJson;
import io.tollgate.policy.StoredPolicy;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/** The changes of a policy with their authors and times, as {@code tollgate policy history} shows them. */
final class PolicyHistory {
    private static final JsonMapper JSON = new JsonMapper();

    private PolicyHistory() {}

    static String table(List<PolicyChange> changes) {
        var rows = new ArrayList<List<String>>();
        rows.add(List.of("WHEN", "POLICY", "BY", "WHAT"));
        for (var change : changes) {
            rows.add(List.of(
                    change.when().toString(),
                    PolicyText.line(change.name()),
                    change.changedBy().map(PolicyText::line).orElse("-"),
                    change.stored().map(PolicyText::of).orElse("deleted")));
        }
        return Table.of(rows);
    }

    static String json(List<PolicyChange> changes) {
        return PolicyView.print(array(changes));
    }

    static ArrayNode array(List<PolicyChange> changes) {
        var array = JSON.createArrayNode();
        for (var change : changes) {
            var node = array.addObject()
                    .put("policy", change.name())
                    .put("changed_at", change.when().toString())
                    .put("changed_by", change.changedBy().orElse(null));
            change.stored().ifPresentOrElse(stored -> add(node, stored), () -> node.put("change", "deleted"));
        }
        return array;
    }

    private static void add(ObjectNode node, StoredPolicy stored) {
        stored.ignored().ifPresent(bad -> node.put("change", "ignored").put("mistake", bad.mistake()));
        stored.good().ifPresent(good -> node.put("change", "set").set("document", document(good)));
    }

    private static JsonNode document(StoredPolicy.Good good) {
        try {
            return JSON.readTree(PolicyJson.write(good.document()));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
    }
}
