package io.tollgate.http;

import io.tollgate.history.Figures;
import io.tollgate.history.WhatIf;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.jspecify.annotations.Nullable;

/**
 * What another policy would have done to an agent.
 *
 * @param since from when its requests were looked at
 * @param reproduced how many of the verdicts on record the policies in force give again
 * @param tokensSaved negative if more would have been spent
 * @param firstRefusedAt when it would have been refused first; null: never
 * @param longestSeconds the longest time without an approval
 */
record TrialJson(
        String agentId,
        Instant since,
        long requests,
        long reproduced,
        long refusedBefore,
        long refusedThen,
        double tokensSaved,
        @Nullable Instant firstRefusedAt,
        double longestSeconds) {
    static TrialJson of(String agentId, WhatIf.Report report) {
        Figures all = report.all();
        long first = all.then().firstMicros();
        return new TrialJson(
                agentId,
                report.since(),
                all.requests(),
                report.reproduced(),
                all.before().refused(),
                all.then().refused(),
                all.savedTokens(),
                first < 0 ? null : Instant.EPOCH.plus(first, ChronoUnit.MICROS),
                all.then().longestSeconds());
    }
}
