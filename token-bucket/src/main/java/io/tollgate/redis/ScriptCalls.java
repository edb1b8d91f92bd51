package io.tollgate.redis;

import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.tollgate.redis.SpendScript.Operation;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Calls of the script: for several agents in one call, or in one call for each where Redis takes no more. Thread-safe.
 */
final class ScriptCalls {
    /** The errors of Redis, redis-cluster-proxy and Alibaba's proxy for keys of several servers in one call. */
    private static final Pattern NOT_OF_ONE_SERVER = Pattern.compile(
            "cross.?slot|multi.?keys?\\b|\\b(same|different) (hash )?(slot|shard|node|server)",
            Pattern.CASE_INSENSITIVE);

    private static final Logger log = LoggerFactory.getLogger(ScriptCalls.class);

    /**
     * Whether a proxy before Redis takes one key a call. It stays set, because with some proxies the question ends
     * the connection.
     */
    private final AtomicBoolean oneKeyPerCall = new AtomicBoolean();

    boolean isOneKeyPerCall() {
        return oneKeyPerCall.get();
    }

    /**
     * Runs the script for all of these in one call, or in one call for each where Redis takes only one key a call. One
     * that fails fails them all.
     */
    CompletableFuture<SpendResults> call(RedisConnection connection, Operation operation, List<SpendRequest> spends) {
        try {
            if (spends.size() == 1) return callTogether(connection, operation, spends);
            if (connection.takesOneKeyPerCall()) return callOneByOne(connection, operation, spends);
            return callTogether(connection, operation, spends)
                    .exceptionallyCompose(failure -> refusesSeveralKeys(failure)
                            // The call was refused as a whole before the script ran: repeating it charges once.
                            ? callOneByOne(connection, operation, spends, failure)
                            : CompletableFuture.failedFuture(failure));
        } catch (RedisException refused) { // disconnected, or too many commands waiting
            return CompletableFuture.failedFuture(refused);
        }
    }

    /** From now on, each agent is asked for by itself. */
    void takeOneKeyPerCall(RedisConnection connection, Throwable refusal) {
        connection.takeOneKeyPerCall();
        if (oneKeyPerCall.getAndSet(true)) return;
        log.warn(
                "Redis rejects calls for several agents ({}), as proxies do: agents are asked for one by one from now on,"
                        + " which costs more; a cluster's own addresses in REDIS_URL would avoid that",
                RedisFailures.inWords(refusal));
    }

    private CompletableFuture<SpendResults> callOneByOne(
            RedisConnection connection, Operation operation, List<SpendRequest> spends, Throwable refusal) {
        takeOneKeyPerCall(connection, refusal);
        try {
            return callOneByOne(connection, operation, spends);
        } catch (RedisException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }

    /** Sends a call for each agent, all under way together. */
    static CompletableFuture<SpendResults> callOneByOne(
            RedisConnection connection, Operation operation, List<SpendRequest> spends) {
        var calls = spends.stream()
                .map(spend -> callTogether(connection, operation, List.of(spend)))
                .toList();
        return CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new)).thenApply(done -> join(calls));
    }

    /** Returns whether a proxy refused keys of several servers; each proxy has its own words. */
    private static boolean refusesSeveralKeys(Throwable failure) {
        return RedisFailures.cause(failure) instanceof RedisCommandExecutionException refusal
                && NOT_OF_ONE_SERVER
                        .matcher(String.valueOf(refusal.getMessage()))
                        .find();
    }

    private static CompletableFuture<SpendResults> callTogether(
            RedisConnection connection, Operation operation, List<SpendRequest> spends) {
        var keys = new byte[spends.size()][];
        var arguments = new byte[spends.size()][];
        for (int i = 0; i < keys.length; i++) {
            var spend = spends.get(i);
            keys[i] = SpendScript.key(spend.agentId(), spend.kind());
            arguments[i] = SpendScript.argument(operation, spend);
        }
        return connection
                .call(keys, arguments)
                .thenApply(reply -> SpendScript.answers(reply, spends))
                .toCompletableFuture();
    }

    private static SpendResults join(List<CompletableFuture<SpendResults>> calls) {
        var answers = new ArrayList<SpendResult>(calls.size());
        long clockMicros = Long.MAX_VALUE; // the earliest of all, which errs on the side of refusing
        for (var call : calls) {
            clockMicros = Math.min(clockMicros, call.join().clockMicros());
            answers.addAll(call.join().answers());
        }
        return new SpendResults(clockMicros, answers);
    }
}
