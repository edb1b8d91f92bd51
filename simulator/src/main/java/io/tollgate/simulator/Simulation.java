package io.tollgate.simulator;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.function.DoubleConsumer;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * A pipeline of any size as a queueing network, run in simulated time: agents publish to partitions, stream threads
 * fetch and poll them, ask Redis for the agents of a poll in calls, a few at a time for each task, and decide the
 * requests when the answers are there. It shows what averages cannot: how many requests of one agent share an entry of
 * a call, what waits for what, and how uneven partitions and nodes of Redis are. Of brokers it knows only the time of a
 * fetch, and it knows no failures.
 *
 * <p>Deterministic: the same arguments give the same figures. Not thread-safe.
 */
public final class Simulation {
    // As set in StreamsProperties and TaskDecider, which give the reasons. Times are in microseconds.
    private static final int POLL_RECORDS = 10_000;
    private static final int FETCH_BYTES = 4 * 1024 * 1024;
    private static final int BATCH_BYTES_EACH = 60;
    private static final int CALL_AGENTS = 128;
    private static final int CALL_REQUESTS = 512;
    private static final int CALLS_AT_ONCE = 2;
    private static final double COMMIT_INTERVAL = 100_000;
    private static final double TRUSTED = 1_000_000;

    private final PipelineSize pipeline;
    private final StepCosts costs;
    private final Traffic traffic;

    private final double[] publishedAt;
    private final int[] agentOf;
    private final Partition[] partitions;
    private final StreamThread[] threads;
    private final double[] nodeFreeAt;
    private final double[] nodeWorked;
    private final double[] tokens;
    private final double[] refilledAt;
    private final double[] answeredAt;
    private final PriorityQueue<Event> events =
            new PriorityQueue<>(Comparator.comparingDouble(Event::at).thenComparingLong(Event::number));
    private final Histogram micros = new Histogram(3_600_000_000L, 3);

    private long numbers;
    private long decided;
    private long approved;
    private long entries;
    private double firstFifthAt;
    private double fourFifthsAt;

    private record Event(double at, long number, Runnable action) {}

    private static final class Partition {
        private final int number;
        private int[] requests = new int[16];
        private int size;
        /** The requests before this one are at the consumer; those before {@link #polled} were polled. */
        private int fetched;

        private int polled;

        private Partition(int number) {
            this.number = number;
        }

        private void add(int request) {
            if (size == requests.length) requests = Arrays.copyOf(requests, 2 * size);
            requests[size++] = request;
        }
    }

    /** A call to Redis: agents with their requests, of one partition and one node. */
    private static final class Call {
        private final int node;
        private final List<int[]> asked = new ArrayList<>();
        private int requests;
        private boolean answered;
        /** The work of the thread once the answer is there. */
        private @Nullable DoubleConsumer waiting;

        private Call(int node) {
            this.node = node;
        }
    }

    /** The records of one partition in one poll. */
    private static final class Work {
        private final ArrayDeque<Call> unsent = new ArrayDeque<>();
        private final ArrayDeque<Call> toDecide = new ArrayDeque<>();
        private int underWay;
    }

    private static final class StreamThread {
        private final ArrayDeque<Partition> ready = new ArrayDeque<>();
        private final ArrayDeque<Work> work = new ArrayDeque<>();
        private boolean idle = true;
        private double committedAt;
        private double worked;
    }

    private Simulation(PipelineSize pipeline, StepCosts costs, Traffic traffic, long seed) {
        this.pipeline = pipeline;
        this.costs = costs;
        this.traffic = traffic;
        this.publishedAt = new double[traffic.requests()];
        this.agentOf = new int[traffic.requests()];
        this.partitions = new Partition[pipeline.partitions()];
        this.threads = new StreamThread[pipeline.threads()];
        this.nodeFreeAt = new double[pipeline.redisNodes()];
        this.nodeWorked = new double[pipeline.redisNodes()];
        this.tokens = new double[traffic.agents()];
        this.refilledAt = new double[traffic.agents()];
        this.answeredAt = new double[traffic.agents()];
        Arrays.fill(tokens, traffic.capacity());
        Arrays.fill(answeredAt, Double.NEGATIVE_INFINITY);
        for (int i = 0; i < partitions.length; i++) partitions[i] = new Partition(i);
        for (int i = 0; i < threads.length; i++) threads[i] = new StreamThread();
        publish(seed);
    }

    /** Runs the traffic through the pipeline, and returns the result. */
    public static Forecast run(PipelineSize pipeline, StepCosts costs, Traffic traffic, long seed) {
        return new Simulation(pipeline, costs, traffic, seed).run();
    }

    /** Returns the cumulative shares of the agents in the traffic, by Zipf's law. */
    public static double[] cumulativeShares(int agents, double skew) {
        var cumulative = new double[agents];
        double sum = 0;
        for (int rank = 0; rank < agents; rank++) cumulative[rank] = sum += Math.pow(rank + 1.0, -skew);
        return cumulative;
    }

    /** Returns the place that a hash gives an agent among so many: 0 to {@code places - 1}. */
    public static int placeOf(int agent, int places, long salt) {
        long mixed = (agent + salt) * 0x9E3779B97F4A7C15L;
        mixed = (mixed ^ (mixed >>> 32)) * 0xD6E8FEB86659FD93L;
        return (int) Long.remainderUnsigned(mixed ^ (mixed >>> 32), places);
    }

    private void publish(long seed) {
        var random = new SplittableRandom(seed);
        double[] shares = traffic.skew() > 0 ? cumulativeShares(traffic.agents(), traffic.skew()) : null;
        double now = 0;
        for (int i = 0; i < traffic.requests(); i++) {
            if (traffic.perSecond() > 0) now -= Math.log(1 - random.nextDouble()) * 1e6 / traffic.perSecond();
            publishedAt[i] = now;
            if (shares == null) {
                agentOf[i] = random.nextInt(traffic.agents());
            } else {
                int found = Arrays.binarySearch(shares, random.nextDouble() * shares[shares.length - 1]);
                agentOf[i] = Math.min(traffic.agents() - 1, found >= 0 ? found + 1 : -found - 1);
            }
            partitions[placeOf(agentOf[i], partitions.length, 1)].add(i);
        }
    }

    private Forecast run() {
        for (var partition : partitions) fetch(partition, 0);
        double now = 0;
        while (!events.isEmpty()) {
            var next = events.remove();
            now = next.at();
            next.action().run();
        }
        double end = now;
        double perSecond = decided * 0.6 * 1e6 / Math.max(1, fourFifthsAt - firstFifthAt);
        return new Forecast(
                perSecond,
                decided,
                approved,
                entries / (double) decided,
                Arrays.stream(nodeWorked).sum() / decided,
                Arrays.stream(nodeWorked).max().orElse(0) / end,
                Arrays.stream(threads)
                                .mapToDouble(thread -> thread.worked)
                                .max()
                                .orElse(0)
                        / end,
                Arrays.stream(threads)
                                .mapToDouble(thread -> thread.worked)
                                .average()
                                .orElse(0)
                        / end,
                micros);
    }

    private void at(double time, Runnable action) {
        events.add(new Event(time, numbers++, action));
    }

    /** Fetches the partition's next records: those that are there when the answer leaves, or else the next one. */
    private void fetch(Partition partition, double now) {
        if (partition.fetched == partition.size) return;
        double next = publishedAt[partition.requests[partition.fetched]];
        at(Math.max(now, next) + costs.fetch(), () -> fetched(partition, Math.max(now, next) + costs.fetch()));
    }

    private void fetched(Partition partition, double now) {
        int most = partition.fetched + Math.max(1, FETCH_BYTES / (traffic.bytes() + BATCH_BYTES_EACH));
        int to = partition.fetched;
        while (to < partition.size && to < most && publishedAt[partition.requests[to]] <= now) to++;
        partition.fetched = to;
        var thread = threads[partition.number % threads.length];
        thread.ready.add(partition);
        if (thread.idle) poll(thread, now);
    }

    private void poll(StreamThread thread, double now) {
        thread.idle = thread.ready.isEmpty();
        int room = POLL_RECORDS;
        while (room > 0 && !thread.ready.isEmpty()) {
            var partition = thread.ready.peek();
            int from = partition.polled;
            int to = Math.min(partition.fetched, from + room);
            partition.polled = to;
            room -= to - from;
            thread.work.add(workOf(Arrays.copyOfRange(partition.requests, from, to)));
            if (to < partition.fetched) break;
            thread.ready.remove();
            fetch(partition, now);
        }
        for (var work : thread.work) sendMore(work, now);
        if (!thread.idle) decideNext(thread, now);
    }

    /** Gathers each agent's requests, as the prefetch does, and cuts them into calls. */
    private Work workOf(int[] polled) {
        var byAgent = new HashMap<Integer, List<Integer>>();
        var inOrder = new ArrayList<List<Integer>>();
        for (int request : polled) {
            byAgent.computeIfAbsent(agentOf[request], agent -> {
                        var list = new ArrayList<Integer>(2);
                        inOrder.add(list);
                        return list;
                    })
                    .add(request);
        }
        var work = new Work();
        Call open = null;
        for (var requests : inOrder) {
            for (int from = 0; from < requests.size(); from += CALL_REQUESTS) {
                var part = requests.subList(from, Math.min(from + CALL_REQUESTS, requests.size()));
                if (open == null
                        || pipeline.redisNodes() > 1
                        || open.asked.size() == CALL_AGENTS
                        || open.requests >= CALL_REQUESTS) {
                    open = new Call(placeOf(agentOf[part.get(0)], pipeline.redisNodes(), 2));
                    work.unsent.add(open);
                    work.toDecide.add(open);
                }
                open.asked.add(part.stream().mapToInt(Integer::intValue).toArray());
                open.requests += part.size();
            }
        }
        return work;
    }

    /** With one node a few calls at a time; of a cluster, as many agents at a time. */
    private void sendMore(Work work, double now) {
        int most = pipeline.redisNodes() > 1 ? CALLS_AT_ONCE * CALL_AGENTS : CALLS_AT_ONCE;
        while (work.underWay < most && !work.unsent.isEmpty()) {
            var call = work.unsent.remove();
            double done = serve(call, now);
            if (done == now) { // surely refused, all of them
                call.answered = true;
                continue;
            }
            work.underWay++;
            at(done, () -> {
                call.answered = true;
                work.underWay--;
                sendMore(work, done);
                if (call.waiting != null) call.waiting.accept(done);
            });
        }
    }

    /** Returns the time at which the answer is back; now, if the call is empty. */
    private double serve(Call call, double now) {
        double service = 0;
        for (int[] requests : call.asked) {
            int agent = agentOf[requests[0]];
            tokens[agent] = Math.min(
                    traffic.capacity(), tokens[agent] + (now - refilledAt[agent]) * traffic.refillRate() / 1e6);
            refilledAt[agent] = now;
            boolean surelyRefused = tokens[agent] < 1 && now - answeredAt[agent] < TRUSTED;
            if (!surelyRefused) {
                service += costs.entry() + (requests.length - 1) * costs.request();
                entries++;
                answeredAt[agent] = now;
            }
            int covered = (int) Math.min(requests.length, Math.floor(tokens[agent]));
            tokens[agent] -= covered;
            approved += covered;
        }
        if (service == 0) return now;
        service += costs.call();
        double start = Math.max(now + costs.roundTrip() / 2, nodeFreeAt[call.node]);
        nodeFreeAt[call.node] = start + service;
        nodeWorked[call.node] += service;
        return start + service + costs.roundTrip() / 2;
    }

    /** Decides the requests of one call, of each partition in turn; polls again when nothing is left. */
    private void decideNext(StreamThread thread, double now) {
        if (now - thread.committedAt >= COMMIT_INTERVAL) {
            thread.committedAt = now + costs.commit();
            at(now + costs.commit(), () -> decideNext(thread, now + costs.commit()));
            return;
        }
        while (!thread.work.isEmpty() && thread.work.peek().toDecide.isEmpty()) thread.work.remove();
        if (thread.work.isEmpty()) {
            poll(thread, now);
            return;
        }
        var work = thread.work.remove();
        thread.work.add(work);
        var call = work.toDecide.remove();
        if (call.answered) decide(thread, call, now);
        else call.waiting = answeredAt -> decide(thread, call, answeredAt);
    }

    private void decide(StreamThread thread, Call call, double now) {
        double done = now + call.requests * costs.record();
        thread.worked += done - now;
        at(done, () -> {
            for (int[] requests : call.asked) {
                for (int request : requests) decided(request, done);
            }
            decideNext(thread, done);
        });
    }

    private void decided(int request, double now) {
        decided++;
        micros.recordValue(Math.max(0, Math.round(now - publishedAt[request])));
        if (decided == traffic.requests() / 5) firstFifthAt = now;
        if (decided == traffic.requests() / 5 * 4) fourFifthsAt = now;
    }
}
