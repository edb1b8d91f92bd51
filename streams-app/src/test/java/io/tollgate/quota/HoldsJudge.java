package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.mirror.Hold;
import io.tollgate.mirror.OpenHolds;
import io.tollgate.policy.HoldRules;
import io.tollgate.quota.SimulatedKafka.Output;
import io.tollgate.quota.SimulatedKafka.SettledRecord;
import io.tollgate.quota.Simulation.Violation;
import io.tollgate.quota.TaskOutput.Ending;
import io.tollgate.quota.TaskOutput.HoldEnded;
import io.tollgate.quota.TaskOutput.NoSuchHold;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * Judges what became of holds, as a reader of committed records sees it: follows decisions, reports and deadlines in the order in which
 * they were made, and knows at each moment which holds are open.
 */
final class HoldsJudge {
    /** Clocks step by less, and an idle task looks more often. */
    private static final long LATE_MICROS = 3_000_000;

    /** As long as the checker allows. */
    private static final long DECIDED_ANEW_MICROS = 60_000_000;

    private static final double EPSILON = 1e-9;

    private final SimulatedKafka kafka;
    private final HoldRules rules;
    private final Set<Decision> again;
    private final Map<Decision, Integer> opening;
    private final long nowMicros;
    private final boolean holdsMayBeGone;
    /** By agent, name and when they were opened: where the topic of requests was made anew, another request may bear the name. */
    private final Map<List<Object>, Hold> open = new HashMap<>();

    private final Map<String, Integer> openByAgent = new HashMap<>();
    private final Set<Hold> openAgain = new HashSet<>();

    /**
     * @param again decisions that stood before, however many holds are open
     * @param opening by refusals, how many holds were about to be opened
     * @param nowMicros when the history has ended
     * @param holdsMayBeGone beside which others were refused: whether Redis has lost data, a topic was made anew, or a zombie had opened them
     */
    HoldsJudge(
            SimulatedKafka kafka,
            HoldRules rules,
            Set<Decision> again,
            Map<Decision, Integer> opening,
            long nowMicros,
            boolean holdsMayBeGone) {
        this.kafka = kafka;
        this.rules = rules;
        this.again = again;
        this.opening = opening;
        this.nowMicros = nowMicros;
        this.holdsMayBeGone = holdsMayBeGone;
    }

    Optional<Violation> judge() {
        var what = everyReportOnce();
        if (what == null) what = eachEnding();
        // Else what one that has lost its partition has stored counts as well.
        if (what == null && kafka.exactlyOnce) what = inOrder();
        if (what == null && kafka.exactlyOnce) what = leftOpen();
        return Optional.ofNullable(what).map(found -> new Violation("holds", found));
    }

    private String everyReportOnce() {
        var times = new int[kafka.reports.size()];
        for (var ended : kafka.holds)
            if (ended.report() != null) times[ended.report().number()]++;
        for (var report : kafka.reports) {
            int count = times[report.number()];
            if (count == 1 || count > 1 && !kafka.exactlyOnce) continue;
            return report + " has " + count + " records";
        }
        return null;
    }

    /** Judges each record by itself. */
    private String eachEnding() {
        for (var ended : kafka.holds) {
            var report = ended.report();
            if (ended.settlement() == null) {
                if (report == null || report.agent() != null) return report + " is called invalid";
            } else if (ended.settlement() instanceof HoldEnded its) {
                var what = its.ending() == Ending.EXPIRED ? expired(its) : settled(its, Objects.requireNonNull(report));
                if (what != null) return what;
            }
        }
        return null;
    }

    private static String expired(HoldEnded ended) {
        var hold = ended.hold();
        if (ended.settled().decidedAtMicros() < hold.deadlineMicros()) return hold + " expired before its deadline";
        return ended.usedTokens() == hold.usedTokensUnsettled() ? null : hold + " expired, used " + ended.usedTokens();
    }

    private static String settled(HoldEnded ended, SimulatedKafka.Report report) {
        var hold = ended.hold();
        if (!hold.agentId().equals(report.agent()) || !hold.name().equals(report.hold()))
            return report + " settled " + hold;
        if (ended.settled().decidedAtMicros() >= hold.deadlineMicros()) return hold + " settled after its deadline";
        if (ended.usedTokens() != report.used()) return report + " counts as " + ended.usedTokens();
        return ended.refundedTokens() > hold.reservedTokens() + EPSILON ? report + " gives more than reserved" : null;
    }

    private String inOrder() {
        var all = new ArrayList<Record>(kafka.outputs);
        all.addAll(kafka.holds);
        all.sort(Comparator.comparingLong(HoldsJudge::number));
        for (var each : all) {
            var what = each instanceof Output output ? decided(output) : ended((SettledRecord) each);
            if (what != null) return what;
        }
        return null;
    }

    private static long number(Record made) {
        return made instanceof Output output ? output.number() : ((SettledRecord) made).number();
    }

    private String decided(Output output) {
        var published = output.published();
        var decision = output.decision();
        if (decision == null) return null;
        int already = openByAgent.getOrDefault(published.agent, 0);
        if (decision instanceof Decision.TooManyOpenHolds) return refused(output, already);
        boolean opens = published.holds && decision.isApproved();
        var hold = output.hold();
        if (opens != (hold != null)) return published + " has opened " + hold;
        if (hold == null) return null;
        if (again.contains(decision)) {
            openAgain.add(hold);
        } else if (already - openAgain(published.agent) >= rules.maxOpen()) {
            return published + " opens a hold beside " + already;
        }
        if (hold.reservedTokens() != published.cost
                || hold.openedMicros() != decision.decidedAtMicros()
                || hold.deadlineMicros() != rules.deadlineMicros(hold.openedMicros())
                || !hold.name().equals(published.name())
                || !hold.agentId().equals(published.agent)) return published + " has opened " + hold;
        if (open.put(key(hold), hold) == null) openByAgent.merge(hold.agentId(), 1, Integer::sum);
        return null;
    }

    /** A place is kept for what Redis has approved and is processed later. */
    private String refused(Output refused, int open) {
        var published = refused.published();
        if (!published.holds) return published + " holds nothing";
        if (holdsMayBeGone && again.contains(refused.decision())) return null;
        int kept = opening.getOrDefault(refused.decision(), 0);
        int most = Math.max(open + kept, openWhenDecided(refused));
        return most < rules.maxOpen() ? published + " is refused beside " + open + " and " + kept : null;
    }

    /**
     * By their times: what the other source's requests have opened by then may stand later. And if the refusal stood before, one of them may
     * have been decided anew since, because its answer was lost.
     */
    private int openWhenDecided(Output refused) {
        long atMicros = refused.decision().decidedAtMicros();
        long untilMicros = atMicros + (again.contains(refused.decision()) ? DECIDED_ANEW_MICROS : 0);
        var opened = new HashSet<List<Object>>();
        for (var output : kafka.outputs) {
            var hold = output.hold();
            if (hold == null || !hold.agentId().equals(refused.published().agent)) continue;
            if (hold.openedMicros() <= untilMicros) opened.add(key(hold));
        }
        for (var ended : kafka.holds) {
            if (!(ended.settlement() instanceof HoldEnded its)) continue;
            if (its.settled().decidedAtMicros() <= atMicros) opened.remove(key(its.hold()));
        }
        return opened.size();
    }

    private long openAgain(String agent) {
        return openAgain.stream().filter(hold -> hold.agentId().equals(agent)).count();
    }

    private static List<Object> key(Hold hold) {
        return List.of(hold.agentId(), hold.name(), hold.openedMicros());
    }

    private String ended(SettledRecord ended) {
        if (ended.settlement() instanceof NoSuchHold) {
            var report = Objects.requireNonNull(ended.report());
            for (var hold : open.values())
                if (hold.agentId().equals(report.agent()) && hold.name().equals(report.hold()))
                    return report + " finds no such hold as " + hold;
            return null;
        }
        if (!(ended.settlement() instanceof HoldEnded its)) return null;
        var hold = its.hold();
        if (!hold.equals(open.remove(key(hold)))) return hold + " has ended, and was not open";
        openAgain.remove(hold);
        openByAgent.merge(hold.agentId(), -1, Integer::sum);
        return null;
    }

    /** What is stored as open is what was opened and has not ended, and no deadline has passed unnoticed. */
    private String leftOpen() {
        var stored = new HashMap<List<Object>, Hold>();
        for (var changelog : kafka.held) {
            var holds = new OpenHolds(new SimulatedStore(OpenHolds.STORE, changelog));
            var agents = kafka.published.stream()
                    .filter(each -> each.holds)
                    .map(each -> each.agent)
                    .distinct()
                    .toList();
            for (var agent : agents) for (var hold : holds.of(agent, Integer.MAX_VALUE)) stored.put(key(hold), hold);
        }
        for (var hold : stored.values())
            if (hold.deadlineMicros() < nowMicros - LATE_MICROS) return hold + " is open after its deadline";
        return stored.equals(open) ? null : "open are " + stored.values() + " and not " + open.values();
    }
}
