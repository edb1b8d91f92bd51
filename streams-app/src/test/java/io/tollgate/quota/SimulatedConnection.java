package io.tollgate.quota;

import io.lettuce.core.RedisConnectionException;
import io.lettuce.core.RedisException;
import io.tollgate.bucket.Promises;
import io.tollgate.memoryredis.ScriptCodec;
import io.tollgate.memoryredis.ScriptCodec.Operation;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.RedisCalls;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import io.tollgate.redis.SpendResults;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** One instance's connection to Redis: calls arrive, and are answered, in their order, until it is cut. */
final class SimulatedConnection implements RedisCalls {
    private static final long USUAL_MICROS = 500;

    private final SimulatedTime time;
    private final SimulatedRedis redis;
    private final Simulation.Ledger ledger;
    private final List<Call> underWay = new ArrayList<>();
    private long oneWayMicros = USUAL_MICROS;
    private long lastArrivalMicros;
    private long lastReplyMicros;
    private boolean connected;
    private int generation;
    private boolean losesNextReply;
    /** Until then nobody takes replies. */
    private long deafUntilMicros;

    private final class Call {
        final Operation operation;
        final List<SpendRequest> spends;
        final long madeMicros = time.nowMicros();
        final int madeOn = generation;
        final CompletableFuture<SpendResults> answers = new CompletableFuture<>();
        boolean arrived;

        Call(Operation operation, List<SpendRequest> spends) {
            this.operation = operation;
            this.spends = spends;
        }
    }

    SimulatedConnection(SimulatedTime time, SimulatedRedis redis, Simulation.Ledger ledger) {
        this.ledger = ledger;
        this.time = time;
        this.redis = redis;
        connected = !redis.isDown();
    }

    void slow(long micros) {
        oneWayMicros = Math.max(USUAL_MICROS, micros);
    }

    void loseNextReply() {
        losesNextReply = true;
    }

    /** Returns whether a call made now would be answered within this time. */
    boolean answersWithin(long micros) {
        if (redis.isDown() || redis.isFrozen()) return false;
        connected = true;
        return 2 * oneWayMicros + SimulatedRedis.SERVICE_MICROS < micros;
    }

    /**
     * Breaks. Whoever waits hears of it at once; what Redis has not received yet is lost, or comes late: after calls that were made
     * later on the next connection.
     */
    void cut(boolean late, long lateMicros, long reconnectMicros) {
        var broken = List.copyOf(underWay);
        underWay.clear();
        generation++;
        connected = false;
        losesNextReply = false;
        lastArrivalMicros = 0;
        lastReplyMicros = 0;
        int now = generation;
        time.after(reconnectMicros, () -> {
            if (generation == now && !redis.isDown()) connected = true;
        });
        if (late) {
            for (var call : broken) {
                if (call.arrived) continue;
                call.arrived = true;
                time.after(lateMicros, () -> {
                    if (!redis.isDown() && redis.isScriptLoaded()) redis.serve(() -> execute(call));
                });
            }
        }
        for (var call : broken) call.answers.completeExceptionally(new RedisException("Connection closed"));
    }

    private byte[] execute(Call call) {
        if (redis.isDown()) return new byte[0];
        long answeredMicros = time.nowMicros() + oneWayMicros;
        boolean late = answeredMicros - call.madeMicros >= SimulatedInstance.TIMEOUT.toNanos() / 1000;
        if (call.operation == Operation.SPEND) {
            for (var spend : call.spends) ledger.executed(spend);
        }
        if (call.operation == Operation.SPEND && (late || call.madeOn != generation || losesNextReply)) {
            for (var spend : call.spends) ledger.fateUnknown(spend);
        }
        return redis.run(ScriptCodec.keys(call.spends), ScriptCodec.arguments(call.operation, call.spends));
    }

    private CompletableFuture<SpendResults> call(Operation operation, List<SpendRequest> spends) {
        if (!connected || redis.isDown()) {
            connected = false;
            return CompletableFuture.failedFuture(new RedisConnectionException("not connected"));
        }
        var call = new Call(operation, spends);
        underWay.add(call);
        send(call);
        if (operation == Operation.SPEND) {
            for (var spend : spends) ledger.sent(spend);
            time.after(SimulatedInstance.TIMEOUT.toNanos() / 1000, () -> {
                if (!call.answers.isDone()) failed(spends);
            });
            call.answers.whenComplete((answers, failure) -> {
                if (failure != null) failed(spends);
            });
        }
        return call.answers;
    }

    private void failed(List<SpendRequest> spends) {
        for (var spend : spends) ledger.failed(spend.agentId());
    }

    private void send(Call call) {
        lastArrivalMicros = Math.max(time.nowMicros() + oneWayMicros, lastArrivalMicros);
        time.after(lastArrivalMicros - time.nowMicros(), () -> {
            if (call.madeOn != generation || redis.isDown()) return;
            redis.serve(() -> served(call));
        });
    }

    private void served(Call call) {
        // What Redis has received it executes, whether or not anybody waits for the reply. Served means received here.
        if (redis.isDown()) return;
        if (call.madeOn != generation && !call.arrived) {
            call.arrived = true;
            if (redis.isScriptLoaded()) execute(call);
            return;
        }
        if (!redis.isScriptLoaded()) {
            reply(call, () -> loadAndSend(call));
            return;
        }
        call.arrived = true;
        byte[] reply = execute(call);
        if (losesNextReply && call.madeOn == generation) {
            cut(false, 0, 0);
            return;
        }
        reply(call, () -> {
            underWay.remove(call);
            var answers = ScriptCodec.answers(reply, call.spends);
            for (int i = 0; i < call.spends.size(); i++) {
                var spend = call.spends.get(i);
                var answer = answers.answers().get(i);
                if (answer instanceof SpendResult.Disagrees) ledger.disagreed(spend.agentId());
                if (answer instanceof SpendResult.Decided decided && call.operation == Operation.SPEND)
                    ledger.answered(spend, decided);
            }
            call.answers.complete(answers);
        });
    }

    private void reply(Call call, Runnable then) {
        lastReplyMicros = Math.max(time.nowMicros() + oneWayMicros, lastReplyMicros);
        deliver(call, lastReplyMicros, then);
    }

    private void deliver(Call call, long atMicros, Runnable then) {
        time.after(atMicros - time.nowMicros(), () -> {
            if (call.madeOn != generation) return;
            if (time.nowMicros() < deafUntilMicros) deliver(call, deafUntilMicros, then);
            else then.run();
        });
    }

    boolean hasCallsUnderWay() {
        return !underWay.isEmpty();
    }

    /** Its process stands still for so long: what arrives waits. */
    void standStill(long micros) {
        deafUntilMicros = time.nowMicros() + micros;
    }

    /** As {@code RedisConnection} does: the text goes to Redis, and the call once more when it has got there. */
    private void loadAndSend(Call call) {
        lastArrivalMicros = Math.max(time.nowMicros() + oneWayMicros, lastArrivalMicros);
        time.after(lastArrivalMicros - time.nowMicros(), () -> {
            if (call.madeOn != generation || redis.isDown()) return;
            redis.serve(() -> {
                redis.loadScript();
                reply(call, () -> send(call));
            });
        });
    }

    /** Whoever waits is an instance that has crashed: nobody does any more. What was sent arrives. */
    void abandon() {
        underWay.clear();
    }

    @Override
    public boolean isCluster() {
        return false;
    }

    @Override
    public CompletableFuture<SpendResults> spend(List<SpendRequest> spends) {
        return call(Operation.SPEND, spends);
    }

    @Override
    public CompletableFuture<SpendResults> look(SpendRequest spend) {
        return call(Operation.LOOK, List.of(spend));
    }

    @Override
    public CompletionStage<Void> reset(String agentId, BucketKind kind, Promises promises) {
        return call(
                        Operation.RESET,
                        List.of(ScriptCodec.withoutCharges(
                                agentId, kind, promises, SimulatedRedis.wallMicros(time.nowMicros()) / 1e6)))
                .thenApply(answers -> {
                    decided(answers);
                    return null;
                });
    }

    private static SpendResult.Decided decided(SpendResults answers) {
        if (answers.answers().get(0) instanceof SpendResult.Decided decided) return decided;
        throw new RedisException("unusable key");
    }

    @Override
    public void close() {
        generation++;
    }
}
