package io.tollgate.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.bucket.Limit;
import io.tollgate.history.DecidedRecord;
import io.tollgate.history.Explanation;
import io.tollgate.policy.Mode;
import io.tollgate.policy.Policy;
import io.tollgate.policy.PolicyChange;
import io.tollgate.route.Decimal;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** One decision, as {@code tollgate explain} shows it. */
final class ExplainText {
    private static final JsonMapper JSON = new JsonMapper();

    private final Explanation found;
    private final DecidedRecord decided;
    private final Limit byDefault;

    ExplainText(Explanation found, Limit byDefault) {
        this.found = found;
        this.decided = found.decided();
        this.byDefault = byDefault;
    }

    String text() {
        var parts = new ArrayList<String>();
        parts.add(paragraph());
        parts.add(Table.of(figures()));
        if (!found.history().isEmpty())
            parts.add("What the policies topic holds of " + PolicyText.line(key()) + ":" + System.lineSeparator()
                    + PolicyHistory.table(found.history()));
        if (!found.next().isEmpty()) parts.add("What came next:" + System.lineSeparator() + Table.of(next()));
        return String.join(System.lineSeparator() + System.lineSeparator(), parts);
    }

    private String paragraph() {
        if (!decided.isCharged())
            return "What stood at " + decided.source() + " was not a request, and no bucket was asked: "
                    + PolicyText.line(decided.text("detail")) + ".";
        var sentences = new ArrayList<String>();
        var agent = PolicyText.line(decided.agentId());
        sentences.add(agent + " asked for " + tokens(found.costTokens()) + " at "
                + Instant.ofEpochMilli(decided.timestampMillis()) + " and was "
                + (decided.approved() ? "approved" : "refused") + ".");
        sentences.add(why());
        sentences.add(by());
        if (decided.heldUntilMicros() >= 0) sentences.add(held());
        retryAfter()
                .ifPresent(wait -> sentences.add("The same request would have been covered " + DurationText.of(wait)
                        + " later, had nothing else been spent."));
        if (decided.decidedBy().equals("local") && !isOff())
            sentences.add("The local copy of the bucket decided, because Redis was away or is not used.");
        sentences.add(after());
        return String.join(" ", sentences);
    }

    private String why() {
        var left = tokens(decided.remainingTokens());
        var limit = decided.limit().isEmpty() ? "" : " under the limit " + decided.limit();
        if (isOff()) return "Its policy is off: it approves everything, and there is no bucket.";
        if (decided.reason().equals(DecidedRecord.TOO_MANY_OPEN_HOLDS))
            return "It would have opened a hold, and as many were open as its policy allows (max_open). Nothing was charged.";
        if (decided.reason().endsWith("cost_exceeds_capacity"))
            return "That is more than the bucket ever holds" + limit + ", so no wait would have helped" + shadowed()
                    + ".";
        if (!decided.reason().isEmpty()) return "Only " + left + " were left" + limit + shadowed() + ".";
        return found.before()
                .map(before -> "The bucket held " + tokens(before) + ", and " + left + " were left.")
                .orElse(left + " were left of what it could have spent at once.");
    }

    private String shadowed() {
        return decided.approved() ? "; its policy is a trial, in shadow mode, and refuses nothing" : "";
    }

    private String held() {
        return found.settlement()
                .map(end -> (end.outcome().equals("expired")
                                ? "Nobody reported what was used of its hold, which expired "
                                : "A worker reported that " + tokens(end.usedTokens()) + " of its hold were used, ")
                        + DurationText.of(Duration.of(end.atMicros() - decided.decidedAtMicros(), ChronoUnit.MICROS))
                        + " later: " + gaveBack(end.refundedTokens()) + ".")
                .orElse("It opened a hold, which nobody has settled; its deadline is " + at(decided.heldUntilMicros())
                        + ".");
    }

    private static String gaveBack(double refunded) {
        if (refunded < 0) return tokens(-refunded) + " more were charged";
        return refunded == 0 ? "nothing was given back" : tokens(refunded) + " were given back";
    }

    private String by() {
        if (decided.policy().equals(Policy.DEFAULT))
            return "No policy applied to it, so the default did: "
                    + Decimal.text(capacity().orElse(byDefault.capacityTokens())) + " at once, "
                    + Decimal.text(rate().orElse(byDefault.refillTokensPerSecond())) + "/s.";
        var name = PolicyText.line(decided.policy());
        return found.decidedBy()
                .map(change -> "The policy " + name + " decided"
                        + change.document()
                                .map(what -> " (" + PolicyText.of(what) + ")")
                                .orElse("")
                        + ", which " + change.changedBy().map(PolicyText::line).orElse("somebody") + " wrote at "
                        + change.when() + ".")
                .orElse("The policy " + name + " decided, which is no longer on the policies topic.");
    }

    private String after() {
        var next = found.next();
        if (next.isEmpty()) return "Nothing came next.";
        var first = next.get(0);
        var text = "Its next request was " + (first.approved() ? "approved " : "refused ") + later(first) + " later";
        return next.stream()
                        .filter(other -> other.approved() != decided.approved())
                        .findFirst()
                        .filter(other -> other != first)
                        .map(other -> text + ", and the first one that was "
                                + (other.approved() ? "approved" : "refused") + " came " + later(other) + " later")
                        .orElse(text)
                + ".";
    }

    private String later(DecidedRecord next) {
        return DurationText.of(Duration.of(next.decidedAtMicros() - decided.decidedAtMicros(), ChronoUnit.MICROS));
    }

    private List<List<String>> figures() {
        var rows = new ArrayList<List<String>>();
        rows.add(List.of("request", decided.source()));
        requestId().ifPresent(id -> rows.add(List.of("request id", PolicyText.line(id))));
        if (found.alike() > 0)
            rows.add(List.of(
                    "",
                    found.alike()
                            + (found.alike() == 1 ? " more decision has" : " more decisions have")
                            + " this id: this is the newest"));
        if (!decided.agentId().isEmpty()) rows.add(List.of("agent", PolicyText.line(decided.agentId())));
        rows.add(List.of("decision", decided.approved() ? "approved" : "rejected"));
        if (!decided.reason().isEmpty()) rows.add(List.of("reason", decided.reason()));
        if (!decided.limit().isEmpty()) rows.add(List.of("limit", decided.limit()));
        if (decided.isCharged()) {
            rows.add(List.of("cost", tokens(found.costTokens())));
            found.before().ifPresent(before -> rows.add(List.of("bucket before", tokens(before))));
            if (!isOff()) rows.add(List.of("bucket after", tokens(decided.remainingTokens())));
            rows.add(List.of("policy", PolicyText.line(decided.policy())));
            rows.add(List.of("decided by", decided.decidedBy()));
            if (decided.heldUntilMicros() >= 0)
                rows.add(List.of("hold until", at(decided.heldUntilMicros()).toString()));
            found.settlement()
                    .ifPresent(end -> rows.add(List.of(
                            "hold " + end.outcome(),
                            tokens(end.usedTokens()) + " used, " + gaveBack(end.refundedTokens()) + ", at "
                                    + at(end.atMicros()))));
            rows.add(List.of("decided at", at(decided.decidedAtMicros()) + ", by the bucket's clock"));
        }
        rows.add(List.of(
                "published at", Instant.ofEpochMilli(decided.timestampMillis()).toString()));
        rows.add(List.of("its record", decided.topic() + "/" + decided.partition() + "/" + decided.offset()));
        return rows;
    }

    private List<List<String>> next() {
        var rows = new ArrayList<List<String>>();
        rows.add(List.of("REQUEST", "AFTER", "DECISION", "COST", "LEFT", "POLICY"));
        for (var next : found.next()) {
            rows.add(List.of(
                    next.source(),
                    later(next),
                    (next.approved() ? "approved" : "rejected") + (next.reason().isEmpty() ? "" : " " + next.reason()),
                    Decimal.text(next.costTokens()),
                    Decimal.text(next.remainingTokens()),
                    PolicyText.line(next.policy())));
        }
        return rows;
    }

    String json() {
        var node = JSON.createObjectNode()
                .put("source", decided.source())
                .put("request_id", requestId().orElse(null))
                .put("agent_id", decided.agentId().isEmpty() ? null : decided.agentId())
                .put("decision", decided.approved() ? "approved" : "rejected")
                .put("reason", decided.reason().isEmpty() ? null : decided.reason())
                .put(
                        "published_at",
                        Instant.ofEpochMilli(decided.timestampMillis()).toString());
        node.putObject("record")
                .put("topic", decided.topic())
                .put("partition", decided.partition())
                .put("offset", decided.offset());
        node.put("explained", paragraph());
        if (!decided.isCharged()) return PolicyView.print(node.put("detail", decided.text("detail")));
        node.put("limit", decided.limit().isEmpty() ? null : decided.limit())
                .put("tokens", decimal(found.costTokens()))
                .put("before", found.before().map(ExplainText::decimal).orElse(null))
                .put("remaining", decimal(decided.remainingTokens()))
                .put("retry_after_ms", retryAfter().map(Duration::toMillis).orElse(null))
                .put("policy", decided.policy())
                .put("decided_by", decided.decidedBy())
                .put("decided_at", decided.decidedAtMicros())
                .put("alike", found.alike());
        if (decided.heldUntilMicros() >= 0) node.put("held_until", decided.heldUntilMicros());
        found.settlement()
                .ifPresent(end -> node.putObject("settlement")
                        .put("outcome", end.outcome())
                        .put("used", decimal(end.usedTokens()))
                        .put("refunded", decimal(end.refundedTokens()))
                        .put("decided_at", end.atMicros()));
        node.set("policy_history", PolicyHistory.array(found.history()));
        var next = node.putArray("next");
        for (var other : found.next()) add(next.addObject(), other);
        return PolicyView.print(node);
    }

    private static void add(ObjectNode node, DecidedRecord next) {
        node.put("source", next.source())
                .put("decision", next.approved() ? "approved" : "rejected")
                .put("reason", next.reason().isEmpty() ? null : next.reason())
                .put("tokens", decimal(next.costTokens()))
                .put("remaining", decimal(next.remainingTokens()))
                .put("policy", next.policy())
                .put("decided_at", next.decidedAtMicros());
    }

    private Optional<String> requestId() {
        return Optional.of(decided.text("request_id")).filter(id -> !id.isEmpty());
    }

    private Optional<Duration> retryAfter() {
        double millis = decided.approved() ? Double.NaN : decided.number("retry_after_ms", Double.NaN);
        return Double.isNaN(millis) ? Optional.empty() : Optional.of(Duration.ofMillis((long) millis));
    }

    private Optional<Double> capacity() {
        return number("capacity");
    }

    private Optional<Double> rate() {
        return number("refill_rate");
    }

    /** Only a rejection names the limit that decided it. */
    private Optional<Double> number(String field) {
        double number = decided.approved() ? Double.NaN : decided.number(field, Double.NaN);
        return Double.isNaN(number) ? Optional.empty() : Optional.of(number);
    }

    private String key() {
        return decided.policy().substring(0, decided.policy().lastIndexOf('@'));
    }

    private boolean isOff() {
        return found.decidedBy()
                .flatMap(PolicyChange::document)
                .filter(policy -> policy.mode() == Mode.OFF)
                .isPresent();
    }

    private static Instant at(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }

    private static String tokens(double tokens) {
        return Decimal.text(tokens) + (tokens == 1 ? " token" : " tokens");
    }

    private static BigDecimal decimal(double tokens) {
        return new BigDecimal(Decimal.text(tokens));
    }
}
