package io.tollgate.quota;

import io.tollgate.bucket.Limit;
import io.tollgate.bucket.Period;
import io.tollgate.quota.Step.Kind;
import java.util.ArrayList;
import java.util.List;
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
            int storedAnswers) {
        Limit limit() {
            return History.limit(capacity, rate);
        }

        @Override
        public String toString() {
            return (exactlyOnce ? "exactly_once" : "at_least_once") + " agents=" + agents + " capacity=" + capacity
                    + " rate=" + rate + " cold=" + coldCalls + " call_agents=" + callAgents + " call_requests="
                    + callRequests + " calls=" + calls + (storedAnswers == ALL ? "" : " stored=" + storedAnswers);
        }

        static Setup parse(String line) {
            var words = line.strip().split(" +");
            var numbers = new int[9];
            numbers[8] = ALL;
            for (int i = 1; i < words.length; i++) numbers[i] = Integer.parseInt(words[i].split("=")[1]);
            return new Setup(
                    words[0].equals("exactly_once"),
                    numbers[1],
                    numbers[2],
                    numbers[3],
                    numbers[4],
                    numbers[5],
                    numbers[6],
                    numbers[7],
                    numbers[8]);
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
                behind ? 0 : ALL);
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
        return new History(setup, steps);
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
