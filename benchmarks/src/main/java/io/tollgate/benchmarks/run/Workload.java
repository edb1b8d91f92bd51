package io.tollgate.benchmarks.run;

import io.tollgate.sandbox.Zipf;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SplittableRandom;

/** The agents and their shares of the requests. Every run of a workload publishes the same requests. */
enum Workload {
    /** {@value #AGENTS} agents, all alike. */
    UNIFORM,
    /** Zipf 1.0: the busiest of {@value #AGENTS} agents sends a tenth. */
    ZIPF,
    /** 20 agents send nine tenths, {@value #AGENTS} the rest. */
    FLOOD,
    /** As uniform, but each request reserves. */
    HOLDS,
    /** A thousand agents, all alike. */
    THOUSAND,
    /** A hundred thousand agents, all alike. */
    HUNDRED_THOUSAND;

    /** Those of the comparison end to end. */
    static final List<Workload> END_TO_END = List.of(UNIFORM, ZIPF, FLOOD);

    static final int AGENTS = 10_000;

    private static final int FLOODING = 20;
    private static final Zipf BY_ZIPF = new Zipf(AGENTS, 1);
    private static final String PROMPT = "A prompt of ordinary length, so that a request is as large as requests are.";

    /** The name in commands and results. */
    String text() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** Draws the agent of the next request. */
    int agent(SplittableRandom random) {
        return switch (this) {
            case UNIFORM, HOLDS -> random.nextInt(AGENTS);
            case THOUSAND -> random.nextInt(1_000);
            case HUNDRED_THOUSAND -> random.nextInt(100_000);
            case ZIPF -> BY_ZIPF.rank(random.nextDouble());
            case FLOOD -> random.nextInt(10) > 0 ? random.nextInt(FLOODING) : random.nextInt(AGENTS);
        };
    }

    static String agentName(int agent) {
        return "agent-" + agent;
    }

    /** Returns a request of about 200 bytes, whose cost is one token. */
    byte[] requestOf(long number, int agent) {
        return request(number, agent, this == HOLDS ? ",\"hold\":true" : "");
    }

    /** As {@link #requestOf}, without a hold. */
    static byte[] request(long number, int agent) {
        return request(number, agent, "");
    }

    private static byte[] request(long number, int agent, String hold) {
        return ("{\"request_id\":\"benchmark-" + number + "\",\"agent_id\":\"" + agentName(agent)
                        + "\",\"tokens\":1" + hold
                        + ",\"payload\":{\"model\":\"small\",\"max_output\":256,\"prompt\":\"" + PROMPT
                        + "\"}}")
                .getBytes(StandardCharsets.UTF_8);
    }

    /** Returns a request of about this many bytes, 80 at least, whose cost is one token. */
    static byte[] request(long number, int agent, int bytes) {
        var start = "{\"request_id\":\"" + number + "\",\"agent_id\":\"" + agentName(agent)
                + "\",\"tokens\":1,\"prompt\":\"";
        return (start + "x".repeat(Math.max(0, bytes - start.length() - 2)) + "\"}").getBytes(StandardCharsets.UTF_8);
    }
}
