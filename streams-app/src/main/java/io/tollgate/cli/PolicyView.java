package io.tollgate.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.bucket.CalendarRefill;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.StoredPolicy;
import io.tollgate.route.Decimal;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The policy that applies to an agent, and its source, as {@code tollgate policy} shows it. Immutable.
 *
 * @param applies empty if there is only a record that cannot be read
 * @param ignored the agent's own later record that cannot be read
 */
record PolicyView(
        String agentId,
        PolicySource source,
        Optional<StoredPolicy.Good> applies,
        Optional<StoredPolicy.Ignored> ignored) {
    /** Not every terminal shows every character; escaped, they survive any. */
    private static final ObjectWriter JSON = JsonMapper.builder()
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .enable(JsonGenerator.Feature.WRITE_BIGDECIMAL_AS_PLAIN)
            .build()
            .writerWithDefaultPrettyPrinter();

    /** The source of a policy. */
    enum PolicySource {
        OWN("own", "its own policy"),
        PREFIX("prefix", "the policy of the longest prefix of its id"),
        EVERYBODY("everybody", "the policy of everybody, *"),
        DEFAULT("default", "TOKEN_BUCKET_SIZE and TOKEN_REFILL_RATE, as they are set here");

        private final String word;
        private final String explained;

        PolicySource(String word, String explained) {
            this.word = word;
            this.explained = explained;
        }
    }

    /** Returns the policy of the agent: its own policy, else that of the longest prefix of its id, else the default. */
    static PolicyView of(String agentId, Map<String, StoredPolicy> stored, Limit defaultLimit) {
        var own = Optional.ofNullable(stored.get(agentId));
        var ignored = own.flatMap(StoredPolicy::ignored);
        var ownGood = own.flatMap(StoredPolicy::good);
        if (ownGood.isPresent()) return new PolicyView(agentId, PolicySource.OWN, ownGood, ignored);
        for (int length = agentId.length(); length >= 0; length--) {
            var prefix = Optional.ofNullable(stored.get(agentId.substring(0, length) + "*"))
                    .flatMap(StoredPolicy::good);
            if (prefix.isPresent())
                return new PolicyView(
                        agentId, length > 0 ? PolicySource.PREFIX : PolicySource.EVERYBODY, prefix, ignored);
        }
        var byDefault = new PolicyDocument(Mode.ENFORCE, List.of(NamedLimit.only(defaultLimit)), Optional.empty());
        var applies = Optional.of(new StoredPolicy.Good(Policy.DEFAULT, byDefault));
        return new PolicyView(agentId, PolicySource.DEFAULT, applies, ignored);
    }

    /** Returns the policy under the agent's own key. */
    static PolicyView own(StoredPolicy stored) {
        return new PolicyView(stored.agentId(), PolicySource.OWN, stored.good(), stored.ignored());
    }

    /** Returns which other policy applies, and how to ask for its history; empty if the key's own does, or none. */
    Optional<String> elsewhere() {
        return switch (source) {
            case OWN -> Optional.empty();
            case PREFIX, EVERYBODY ->
                applies.map(StoredPolicy.Good::name).map(name -> {
                    var key = name.substring(0, name.lastIndexOf('@'));
                    return PolicyText.line(name) + " applies to it: tollgate policy history "
                            + (key.startsWith("-") ? "-- " : "") + shellWord(PolicyText.line(key));
                });
            case DEFAULT -> Optional.of("no policy applies to it, so the default does");
        };
    }

    private static String shellWord(String text) {
        return "'" + text.replace("'", "'\\''") + "'";
    }

    static String json(PolicyView view) {
        return print(view.node());
    }

    static String json(List<PolicyView> views) {
        var array = new JsonMapper().createArrayNode();
        views.forEach(view -> array.add(view.node()));
        return print(array);
    }

    static String print(JsonNode node) {
        try {
            return JSON.writeValueAsString(node);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
    }

    private ObjectNode node() {
        var node = new JsonMapper().createObjectNode().put("agent_id", agentId);
        applies.ifPresent(good -> {
            node.put("policy", good.name()).put("source", source.word);
            var limits = good.document().limits();
            limit(node, limits.get(0).limit());
            node.put("mode", good.document().mode().text());
            var array = node.putArray("limits");
            for (var named : limits) {
                var limit = array.addObject();
                if (!named.name().isEmpty()) limit.put("name", named.name());
                limit(limit, named.limit());
            }
            good.document()
                    .holds()
                    .ifPresent(holds -> node.putObject("holds")
                            .put("within_s", holds.withinSeconds())
                            .put("unsettled", holds.unsettled().text())
                            .put("max_open", holds.maxOpen()));
            node.put("note", good.document().note().orElse(null));
        });
        ignored.ifPresent(
                bad -> node.putObject("ignored").put("policy", bad.name()).put("mistake", bad.mistake()));
        return node;
    }

    private static void limit(ObjectNode node, Limit limit) {
        node.put("capacity", new BigDecimal(Decimal.text(limit.capacityTokens())));
        if (limit.refill() instanceof CalendarRefill calendar) {
            node.put("period", calendar.period().text());
            node.put("zone", calendar.zone().getId());
        } else {
            node.put("refill_rate", new BigDecimal(Decimal.text(limit.refillTokensPerSecond())));
        }
    }

    /** Returns one line for each property. */
    String text() {
        var rows = new ArrayList<List<String>>();
        rows.add(List.of("agent", agentId));
        applies.ifPresent(good -> {
            rows.add(List.of("policy", good.name()));
            rows.add(List.of("source", source.explained));
            rows.add(List.of("mode", good.document().mode().text()));
            for (var named : good.document().limits()) {
                var name = named.name().isEmpty() ? "" : " " + named.name();
                rows.add(List.of("capacity" + name, Decimal.text(named.limit().capacityTokens()) + " tokens"));
                rows.add(
                        named.limit().refill() instanceof CalendarRefill calendar
                                ? List.of("full" + name, PolicyText.each(calendar))
                                : List.of(
                                        "refill rate" + name,
                                        Decimal.text(named.limit().refillTokensPerSecond()) + " tokens per second"));
            }
            good.document().holds().ifPresent(holds -> rows.add(List.of("holds", PolicyText.of(holds))));
            good.document().note().ifPresent(note -> rows.add(List.of("note", PolicyText.line(note))));
        });
        ignored.ifPresent(bad -> rows.add(List.of("ignored", bad.name() + ": " + PolicyText.line(bad.mistake()))));
        return Table.of(rows);
    }

    static String table(List<PolicyView> views) {
        var rows = new ArrayList<List<String>>();
        rows.add(List.of("AGENT", "POLICY", "MODE", "LIMITS", "NOTE"));
        for (var view : views) {
            var document = view.applies.map(StoredPolicy.Good::document);
            rows.add(List.of(
                    PolicyText.line(view.agentId),
                    view.applies
                            .map(StoredPolicy.Good::name)
                            .map(PolicyText::line)
                            .orElse("-"),
                    document.map(policy -> policy.mode().text()).orElse("-"),
                    document.map(policy -> PolicyText.limits(policy.limits())).orElse("-"),
                    view.ignored
                            .map(bad -> "ignored " + bad.name() + ": " + bad.mistake())
                            .or(() -> document.flatMap(PolicyDocument::note))
                            .map(PolicyText::line)
                            .orElse("")));
        }
        return Table.of(rows);
    }
}
