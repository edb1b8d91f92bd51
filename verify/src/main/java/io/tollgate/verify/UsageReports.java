package io.tollgate.verify;

import static io.tollgate.verify.Invariant.CONSERVATION;

import io.tollgate.verify.Reading.UsageReading;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Checks each usage report against its settlement. Not thread-safe. */
final class UsageReports {
    /** A usage report; {@code usage} is null if it breaks a rule. */
    private static final class Report {
        private final @Nullable UsageReading usage;
        private final long bytes;
        private boolean answered;

        Report(@Nullable UsageReading usage, long bytes) {
            this.usage = usage;
            this.bytes = bytes;
        }
    }

    private final CheckerSettings settings;
    private final Violations violations;
    private final Fingerprint fingerprint = new Fingerprint();
    private final Map<String, Report> reports = new LinkedHashMap<>();
    private long unanswered;
    private long outside;

    UsageReports(CheckerSettings settings, Violations violations) {
        this.settings = settings;
        this.violations = violations;
    }

    void add(TopicRecord report) {
        UsageReading usage = RequestReader.readUsage(report.value()) instanceof UsageReading valid ? valid : null;
        reports.put(name(report.partition(), report.offset()), new Report(usage, fingerprint.of(report.value())));
        unanswered++;
    }

    int size() {
        return reports.size();
    }

    /** Returns how many reports still wait for their settlement. */
    long unanswered() {
        return unanswered;
    }

    /** Returns how many answers are about reports that were not read. */
    long outside() {
        return outside;
    }

    /** Checks a settlement against its report. */
    void answered(String where, String outcome, RejectionBody fields) {
        var stated = fields.fields().get("source");
        if (stated == null
                || !settings.topics().usageTopic().equals(stated.path("topic").textValue())) {
            violations.require(where, false, "names no usage report in source");
            return;
        }
        String name = name(
                (int) RejectionBody.whole(stated.get("partition"), -1), RejectionBody.whole(stated.get("offset"), -1));
        Report report = reports.get(name);
        if (report == null) { // published before the records read, or later
            outside++;
            return;
        }
        if (report.answered) {
            boolean ofOthers = report.usage != null && settings.isOfOthers(report.usage.hold());
            violations.require(where, ofOthers, "answers " + name + " once more");
            return;
        }
        report.answered = true;
        unanswered--;
        UsageReading usage = report.usage;
        if (outcome.equals("invalid_report")) {
            violations.require(where, usage == null || usage.doubtful(), "treats a valid report as invalid");
            violations.require(
                    where,
                    !fields.has("report_base64")
                            || fingerprint.of(fields.base64("report_base64")) == report.bytes
                            || report.bytes == Fingerprint.NONE && "".equals(fields.text("report_base64")),
                    "report_base64 is not the report");
            violations.require(
                    where,
                    !Objects.requireNonNullElse(fields.text("detail"), "").isEmpty(),
                    "detail is missing");
        } else if (usage == null) {
            violations.require(where, false, "treats an invalid report as valid");
        } else {
            violations.require(
                    where,
                    usage.agentId().equals(fields.text("agent_id"))
                            && usage.hold().equals(fields.text("hold")),
                    "agent_id or hold is not the report's");
            violations.require(
                    where,
                    !outcome.equals("settled") || Text.same(usage.tokens(), fields.number("used")),
                    "used is not the report's tokens");
        }
    }

    /**
     * Looks for reports without an answer; returns the number of those that cannot be judged.
     *
     * @param mayBeUnread whether there may be unread answers
     */
    long checkUnanswered(boolean mayBeUnread) {
        if (mayBeUnread) return unanswered;
        reports.forEach((name, report) -> {
            if (!report.answered) violations.add(CONSERVATION, name, "is answered by no record of settled-requests");
        });
        return 0;
    }

    private String name(int partition, long offset) {
        return settings.topics().usageTopic() + "/" + partition + "/" + offset;
    }
}
