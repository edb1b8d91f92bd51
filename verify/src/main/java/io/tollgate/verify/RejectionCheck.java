package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;
import static io.tollgate.verify.Invariant.NO_FALSE_REFUSALS;

import com.fasterxml.jackson.databind.JsonNode;
import io.tollgate.verify.PromisedTerms.PromisedLimit;
import io.tollgate.verify.Requests.RequestVerdict;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Checks one rejection by itself, against its headers, and against its request if that was read. */
record RejectionCheck(
        Violations violations,
        Fingerprint fingerprint,
        String where,
        OutputRecord decided,
        DecisionHeaders headers,
        RejectionBody rejection,
        Requests.@Nullable Seen request,
        @Nullable String agentOfRequest) {
    private static final List<String> ABSENT_WHEN_INVALID = List.of(
            "request_id",
            "agent_id",
            "tokens",
            "limit",
            "retry_after_ms",
            "remaining",
            "capacity",
            "refill_rate",
            "period",
            "zone",
            "decided_by",
            "decided_at",
            "request");

    /** Checks what every rejection must have. */
    void common(String reason, DecisionHeaders.RequestPosition source) {
        require(reason.equals(rejection.text("reason")), "reason differs from header quota-reason");
        require(!Objects.requireNonNullElse(rejection.text("detail"), "").isEmpty(), "detail is missing");
        checkSource(source);
    }

    private void checkSource(DecisionHeaders.RequestPosition source) {
        JsonNode stated = rejection.fields().get("source");
        require(
                stated != null
                        && source.topic().equals(stated.path("topic").textValue())
                        && RejectionBody.whole(stated.get("partition"), -1) == source.partition()
                        && RejectionBody.whole(stated.get("offset"), -1) == source.offset(),
                "source differs from header quota-source");
        require(stated != null && stated.path("timestamp").isIntegralNumber(), "source.timestamp is missing");
        if (stated != null && request != null)
            require(
                    RejectionBody.whole(stated.get("timestamp"), Long.MIN_VALUE)
                            == CarriedOver.timestampMillis(request),
                    "source.timestamp is not the request's");
    }

    /** Checks the rejection of an invalid request. */
    void invalid() {
        headers.requireOnlyThoseOfInvalid();
        for (String name : ABSENT_WHEN_INVALID)
            require(!rejection.has(name), name + " must be absent from an invalid request");
        if (request == null) return;
        require(fingerprint.of(decided.key()) == request.key(), "the key is not the request's");
        if (request.verdict() == RequestVerdict.VALID)
            violations.add(NO_FALSE_REFUSALS, where, "rejects a valid request as invalid");
        if (rejection.has("request_base64")) {
            byte[] bytes = rejection.base64("request_base64");
            boolean same = bytes != null
                    && (fingerprint.of(bytes) == request.value()
                            || bytes.length == 0 && request.value() == Fingerprint.NONE);
            require(same && !rejection.has("request_bytes"), "request_base64 is not the request");
        } else {
            checkDigest();
        }
    }

    /**
     * Checks the refusal of a request; returns the limit that refused it, as it says.
     *
     * @param crowded whether it was refused because too many holds are open
     */
    PromisedLimit refused(String reason, boolean crowded) {
        double costTokens = rejection.number("tokens");
        double remaining = rejection.number("remaining");
        double capacity = rejection.number("capacity");
        double refillRate = rejection.number("refill_rate");
        require(Double.isFinite(costTokens), "tokens is missing");
        require(Double.isFinite(remaining), "remaining is missing");
        require(Double.isFinite(capacity), "capacity is missing");
        require(Double.isFinite(refillRate), "refill_rate is missing");
        require(Text.same(remaining, headers.remaining()), "remaining differs from header quota-remaining");
        require(
                Objects.equals(rejection.text("decided_by"), headers.get(DecisionHeaders.DECIDED_BY)),
                "decided_by differs from header quota-decided-by");
        require(
                rejection.whole("decided_at", -1) == headers.decidedAtMicros(),
                "decided_at differs from header quota-decided-at");
        String limit = rejection.text("limit");
        require(
                Objects.equals(limit, headers.get(DecisionHeaders.LIMIT)) && rejection.has("limit") == (limit != null),
                "limit differs from header quota-limit");
        checkRequestInside();
        PeriodStarts periods = periods();
        PromisedLimit claimed = new PromisedLimit(limit == null ? "" : limit, capacity, refillRate, periods);
        if (!crowded) checkRefusal(reason, costTokens, remaining, claimed);
        else if (rejection.has("retry_after_ms")) falseRefusal("has retry_after_ms where no wait helps");
        checkAgent(costTokens, crowded);
        return claimed;
    }

    private void checkAgent(double costTokens, boolean crowded) {
        String agentId = rejection.text("agent_id");
        if (agentId == null) {
            require(false, "agent_id is missing");
            return;
        }
        if (request == null) return;
        if (crowded && request.verdict() == RequestVerdict.VALID && !request.hold())
            falseRefusal("refuses for too many open holds a request that asks for none");
        if (request.verdict() == RequestVerdict.INVALID) {
            violations.add(CONSERVATION, where, "decides on an invalid request by quota");
            return;
        }
        require(agentId.equals(agentOfRequest), "agent_id is not the request's");
        require(Text.same(costTokens, request.costTokens()), "tokens is not the request's");
    }

    private void checkRequestInside() {
        require(!rejection.has("request_base64"), "request_base64 is for invalid requests");
        if (rejection.requestFrom() < 0) {
            checkDigest();
            return;
        }
        require(!rejection.has("request_bytes"), "request_bytes is there beside request");
        byte[] inside = Arrays.copyOfRange(
                Objects.requireNonNull(decided.value()), rejection.requestFrom(), rejection.requestTo());
        if (request != null && request.verdict() != RequestVerdict.INVALID)
            require(fingerprint.of(inside) == request.bareValue(), "request is not the request");
        if (RequestReader.read(inside) instanceof Reading.Valid valid)
            require(
                    Objects.equals(valid.requestId(), rejection.text("request_id"))
                            && rejection.has("request_id") == (valid.requestId() != null),
                    "request_id is not the request's");
    }

    private void checkDigest() {
        String sha256 = Objects.requireNonNullElse(rejection.text("request_sha256"), "");
        if (!sha256.matches("[0-9a-f]{64}")) {
            require(false, "neither the request nor its digest is there");
        } else if (request != null) {
            long begin = ByteBuffer.wrap(HexFormat.of().parseHex(sha256)).getLong();
            require(
                    begin == request.value() && rejection.whole("request_bytes", -1) == request.bytes(),
                    "request_sha256 and request_bytes are not the request's");
        }
    }

    private @Nullable PeriodStarts periods() {
        if (!rejection.has("period") && !rejection.has("zone")) return null;
        String period = rejection.text("period");
        String zone = rejection.text("zone");
        PeriodStarts periods = period == null || zone == null ? null : PeriodStarts.of(period, zone);
        require(periods != null, "period or zone is unknown");
        return periods;
    }

    private void checkRefusal(String reason, double costTokens, double remaining, PromisedLimit limit) {
        double capacity = limit.capacityTokens();
        double refillRate = limit.refillTokensPerSecond();
        boolean refills = refillRate > 0 || limit.periods() != null;
        boolean waitHelps = reason.equals("quota_exceeded");
        if (!waitHelps) {
            if (!(costTokens > capacity))
                falseRefusal("says that a cost of " + costTokens + " exceeds a capacity of " + capacity);
            if (rejection.has("retry_after_ms")) falseRefusal("has retry_after_ms where no wait helps");
            return;
        }
        if (!(remaining < costTokens))
            falseRefusal("refuses " + costTokens + " tokens although " + remaining + " are left");
        if (costTokens > capacity)
            falseRefusal("promises that waiting helps, but " + costTokens + " exceeds the capacity");
        if (!rejection.has("retry_after_ms")) {
            if (refills) falseRefusal("lacks retry_after_ms although waiting helps");
            return;
        }
        double expectedMillis = limit.waitMillis(costTokens - remaining, rejection.whole("decided_at", 0));
        double statedMillis = rejection.whole("retry_after_ms", -1);
        // Another program may have set the bucket's time ahead of the clock: nothing refills before that time. It is
        // ahead of the decision by at most as much as of the request.
        double aheadMillis = Math.max(0, rejection.number("decided_at") / 1000 - decided.timestampMillis());
        // It may be rounded up, with a little more added, but must be neither too early nor much too late.
        double part = limit.periods() == null ? 0.01 : 0; // the end of a period is exact
        boolean plausible = refills
                && statedMillis >= Math.min(expectedMillis * (1 - part), 1e15) - 50
                && statedMillis <= expectedMillis * (1 + part) + 1000 + aheadMillis;
        if (!plausible)
            falseRefusal("has retry_after_ms " + Text.number(statedMillis) + ", but the bucket covers it after "
                    + Text.number(expectedMillis + aheadMillis) + " ms");
    }

    private void require(boolean kept, String what) {
        violations.require(where, kept, what);
    }

    private void falseRefusal(String what) {
        violations.add(NO_FALSE_REFUSALS, where, what);
    }
}
