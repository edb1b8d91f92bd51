package io.tollgate.quota;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Period;
import io.tollgate.policy.HoldRules;
import io.tollgate.policy.Unsettled;
import io.tollgate.quota.Step.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;

/** What happens to a pipeline, from a seed. */
record History(Setup setup, List<Step> steps) {
    private static final int LEAST_STEPS = 200;
    private static final double[] RATES = {0, 1, 1000};
    /** Stands for no rate: the bucket is full at the start of each minute. */
    private static final int EACH_MINUTE = RATES.length;
    /** More answers than there are agents. */
    private static final int ALL = 512;

    /** By which calls fail, and nothing else. */
    private static final List<Kind> BREAKS = List.of(Kind.CUT, Kind.LOSE_REPLY, Kind.SLOW);

    /** What an instance does several times on end. */
    private static final Set<Kind> STEADY = Set.of(Kind.POLL, Kind.PROCESS, Kind.COMMIT, Kind.WORK);

    /**
     * What stays the same in a history.
     *
     * @param coldCalls that may take longer in a process
     * @param callAgents in one call, at most; {@code callRequests} as well
     * @param storedAnswers whose buckets are written with each commit; else 250 ms later
     * @param holds what counts for them; empty: nobody holds
     */
    record Setup(
            boolean exactlyOnce,
            int agents,
            int capacity,
            int rate,
            int coldCalls,
            int callAgents,
            int callRequests,
            int calls,
            int storedAnswers,
            Optional<HoldRules> holds) {
        Limit limit() {
            return History.limit(capacity, rate);
        }

        Setup with(HoldRules rules) {
            return new Setup(
                    exactlyOnce,
                    agents,
                    capacity,
                    rate,
                    coldCalls,
                    callAgents,
                    callRequests,
                    calls,
                    storedAnswers,
                    Optional.of(rules));
        }

        @Override
        public String toString() {
            return (exactlyOnce ? "exactly_once" : "at_least_once") + " agents=" + agents + " capacity=" + capacity
                    + " rate=" + rate + " cold=" + coldCalls + " call_agents=" + callAgents + " call_requests="
                    + callRequests + " calls=" + calls + (storedAnswers == ALL ? "" : " stored=" + storedAnswers)
                    + holds.map(Setup::text).orElse("");
        }

        private static String text(HoldRules holds) {
            return " within=" + holds.withinSeconds() + " unsettled="
                    + holds.unsettled().ordinal() + " max_open=" + holds.maxOpen();
        }

        static Setup parse(String line) {
            var words = line.strip().split(" +");
            var numbers = new HashMap<String, Integer>();
            for (int i = 1; i < words.length; i++) {
                var pair = words[i].split("=");
                numbers.put(pair[0], Integer.valueOf(pair[1]));
            }
            var within = Optional.ofNullable(numbers.get("within"));
            return new Setup(
                    words[0].equals("exactly_once"),
                    numbers.get("agents"),
                    numbers.get("capacity"),
                    numbers.get("rate"),
                    numbers.get("cold"),
                    numbers.get("call_agents"),
                    numbers.get("call_requests"),
                    numbers.get("calls"),
                    numbers.getOrDefault("stored", ALL),
                    within.map(seconds -> new HoldRules(
                            seconds, Unsettled.values()[numbers.get("unsettled")], numbers.get("max_open"))));
        }
    }

    /** @param rate its number, or the one that stands for a period */
    static Limit limit(int capacity, int rate) {
        return rate == EACH_MINUTE ? Limit.each(Period.MINUTE, "UTC", capacity) : new Limit(capacity, RATES[rate]);
    }

    /** Returns the history of this seed. Each has some kinds of faults only: so that each kind meets each other alone. */
    static History of(long seed) {
        var random = new Random(seed * 0x9E3779B97F4A7C15L);
        random.nextInt();
        // Every third time calls succeed and nothing is lost: then not a token may be missing.
        boolean calm = seed % 3 == 0;
        // Every sixth time partitions move again and again while few requests are asked for: zombies have backlogs.
        boolean stealing = seed % 6 == 0;
        // Every other sixth time their connections break besides: zombies decide alone.
        boolean breaking = seed % 6 == 1;
        // Every other calm time the copies are written behind: what takes a partition over knows less than Redis.
        boolean behind = calm && seed / 6 % 2 == 1;
        // Every sixth time they move at once to whom Redis answers late: it decides on what it has restored.
        boolean moving = seed % 6 == 5;
        var setup = new Setup(
                random.nextInt(8) > 0,
                1 + random.nextInt(moving ? 2 : 3),
                new int[] {5, 10, 20, 40}[random.nextInt(4)],
                random.nextInt(5) < 3 ? 0 : 1 + random.nextInt(3),
                new int[] {0, 0, 1, 200}[random.nextInt(4)],
                1 + random.nextInt(3),
                stealing ? 1 : 1 + random.nextInt(5),
                stealing ? 1 : 1 + random.nextInt(3),
                behind ? 0 : ALL,
                Optional.empty());
        var wheel = new ArrayList<Kind>();
        add(wheel, Kind.PUBLISH, 24);
        add(wheel, Kind.POLL, 10);
        add(wheel, Kind.PROCESS, 14);
        add(wheel, Kind.COMMIT, 5);
        add(wheel, Kind.WORK, 4);
        add(wheel, Kind.PASS, 4);
        if (stealing || breaking) {
            add(wheel, Kind.WORK, 6);
            add(wheel, Kind.STEAL, 3);
        }
        if (moving) {
            add(wheel, Kind.POLL, 4);
            add(wheel, Kind.PROCESS, 6);
            add(wheel, Kind.COMMIT, 6);
            add(wheel, Kind.MOVE, 3 + random.nextInt(5));
            add(wheel, Kind.STEAL, random.nextInt(3));
            add(wheel, Kind.FREEZE, random.nextInt(2));
            add(wheel, Kind.LOSE_REPLY, 2);
        }
        for (var kind : breaking || moving ? BREAKS : List.<Kind>of()) add(wheel, kind, 1);
        for (var kind : Kind.values()) {
            if (kind.isDrawnApart()) continue;
            boolean chosen = kind.ordinal() > Kind.PASS.ordinal() && random.nextInt(10) < 3;
            int weight = 1 + random.nextInt(3);
            if (chosen && !((calm || breaking) && kind.disturbsCalls())) add(wheel, kind, weight);
        }
        if (wheel.contains(Kind.CRASH)) add(wheel, Kind.START, 3);
        int mostCost = 1 + random.nextInt(6);
        var steps = new ArrayList<Step>();
        int count = LEAST_STEPS + random.nextInt(40);
        int instance = 0;
        for (int i = 0; i < count; i++) {
            var step = Step.random(wheel.get(random.nextInt(wheel.size())), random);
            if (STEADY.contains(step.kind())) {
                if (random.nextInt(4) > 0)
                    step = step.with(0, instance); // so that one does much while the other stands still
                instance = step.value(0);
            }
            if (step.kind() == Kind.PUBLISH) {
                step = step.with(1, step.value(1) % (mostCost + 1));
                if (moving && random.nextBoolean()) step = step.with(2, 2);
            }
            steps.add(step);
            if (!moving || step.kind() != Kind.MOVE || random.nextInt(3) == 0) continue;
            instance = step.value(1);
            steps.add(Step.random(Kind.POLL, random).with(0, instance));
            if (random.nextInt(3) > 0)
                steps.add(Step.random(BREAKS.get(random.nextInt(BREAKS.size())), random)
                        .with(0, instance));
            steps.add(Step.random(Kind.PROCESS, random).with(0, instance).with(1, random.nextInt(3)));
            steps.add(Step.random(Kind.COMMIT, random).with(0, instance));
        }
        // By a random of its own: a history without holds is what it was before there were any.
        var ofHolds = new Random(~seed * 0x9E3779B97F4A7C15L);
        ofHolds.nextInt();
        var drawn = new History(setup, steps);
        if (ofHolds.nextInt(4) == 0) return drawn.withHolds(ofHolds);
        return setup.exactlyOnce() || ofHolds.nextInt(2) == 0 ? drawn : drawn.withStandstills(ofHolds);
    }

    /**
     * Returns the same where instances stand still: in polls, or once while they wait for Redis. Without strays, which are charged again;
     * and under at-least-once, since otherwise what they do then is aborted.
     */
    private History withStandstills(Random random) {
        boolean waiting = random.nextBoolean();
        int seldom = waiting ? steps.size() : 10 + random.nextInt(40);
        var with = new ArrayList<Step>();
        for (var step : steps) {
            if (random.nextInt(seldom) == 0)
                with.add(Step.random(Kind.STAND_STILL, random).with(1, waiting ? 1 : 0));
            with.add(step.kind() == Kind.PUBLISH ? step.with(2, 0) : step);
        }
        return new History(setup, with);
    }

    /** Returns the same where agents reserve, and workers report: in time or late, twice, what others hold, or what nobody does. */
    private History withHolds(Random random) {
        var rules = new HoldRules(
                new int[] {1, 2, 5, 600}[random.nextInt(4)],
                Unsettled.values()[random.nextInt(2)],
                new int[] {1, 2, 4, 1000}[random.nextInt(4)]);
        boolean back = random.nextInt(3) == 0;
        int seldom = 3 + random.nextInt(8);
        var with = new ArrayList<Step>();
        for (var step : steps) {
            if (step.kind() == Kind.PUBLISH && random.nextInt(3) > 0)
                with.add(new Step(Kind.RESERVE, step.values(), step.after()));
            else if (step.kind() == Kind.SETTLE) with.add(Step.random(Kind.REPORT, random));
            else with.add(step);
            if (random.nextInt(seldom) == 0) with.add(Step.random(Kind.REPORT, random));
            if (random.nextInt(60) == 0) with.add(Step.random(Kind.NO_REPORT, random));
            if (back && random.nextInt(60) == 0) with.add(Step.random(Kind.REPORTS_BACK, random));
        }
        return new History(setup.with(rules), with);
    }

    private static void add(List<Kind> wheel, Kind kind, int weight) {
        for (int i = 0; i < weight; i++) wheel.add(kind);
    }

    /** Returns what {@link #toString} has written. */
    static History parse(String text) {
        var lines = text.strip().lines().toList();
        return new History(
                Setup.parse(lines.get(0)),
                lines.stream().skip(1).map(Step::parse).toList());
    }

    @Override
    public String toString() {
        return setup + "\n" + steps.stream().map(Step::toString).collect(Collectors.joining("\n"));
    }
}
