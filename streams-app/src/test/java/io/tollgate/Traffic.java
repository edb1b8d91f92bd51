package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/** Requests of many agents at a steady rate, on a thread of its own: a few agents make most of them, and one in a hundred is not a request. */
final class Traffic implements AutoCloseable {
    /** The kind of a part of the requests. */
    enum Kind {
        /** On another partition than their agent's, or without a key: one in six. */
        STRAY,
        /** With {@code "hold": true}: one in four, strays among them. */
        HOLD
    }

    private static final int HOLD_ONE_IN = 4;

    private final Requests requests;
    private final double ratePerSecond;
    private final Set<Kind> kinds;
    private final double[] shares;
    private final SplittableRandom random;
    private final Thread thread = new Thread(this::publish, "traffic");
    private volatile boolean ended;

    /** @param agents the k-th sends in proportion to 1 / k (Zipf) */
    Traffic(Requests requests, int agents, double ratePerSecond, Set<Kind> kinds, long seed) {
        this.requests = requests;
        this.kinds = kinds;
        this.ratePerSecond = ratePerSecond;
        this.random = new SplittableRandom(seed);
        this.shares = new double[agents];
        double sum = 0;
        for (int agent = 0; agent < agents; agent++) shares[agent] = sum += 1.0 / (agent + 1);
        thread.setDaemon(true);
        thread.start();
    }

    private void publish() {
        long start = System.nanoTime();
        for (long number = 0; !ended; number++) {
            long due = start + (long) (number / ratePerSecond * 1e9);
            while (!ended && due - System.nanoTime() > 0) LockSupport.parkNanos(due - System.nanoTime());
            send(number);
        }
    }

    private void send(long number) {
        int found = Arrays.binarySearch(shares, random.nextDouble() * shares[shares.length - 1]);
        String agent = "agent-" + (found < 0 ? -found - 1 : found);
        double cost = 0.5 * random.nextInt(1, 4);
        int kind = random.nextInt(100);
        boolean hold = kinds.contains(Kind.HOLD) && random.nextInt(HOLD_ONE_IN) == 0;
        switch (kinds.contains(Kind.STRAY) || kind == 0 ? kind : 100) {
            case 0 -> requests.sendUnreadable(agent.getBytes(UTF_8), "{\"agent_id\":".getBytes(UTF_8));
            case 1, 2, 3, 4, 5, 6, 7, 8 -> requests.sendWithoutKey(agent, cost, number, hold);
            case 9, 10, 11, 12, 13, 14, 15, 16 -> requests.sendByCrc32(agent, cost, number, hold);
            default -> requests.send(agent, cost, number, hold);
        }
    }

    /** Ends the traffic; sent requests may still be on their way to the broker. */
    @Override
    public void close() {
        ended = true;
        LockSupport.unpark(thread);
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
