package io.tollgate.quota;

import io.tollgate.memoryredis.MemoryRedis;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** A Redis that can be away, frozen, emptied, or taken back to what it held before. */
final class SimulatedRedis {
    /** So long a call takes: enough for something to happen between two. */
    static final long SERVICE_MICROS = 100;

    private static final int STATES_KEPT = 24;
    /** 1 January 2026, so that times look like times. */
    private static final long EPOCH_MICROS = 1_767_225_600_000_000L;

    private final SimulatedTime time;
    private final MemoryRedis memory;
    private final Deque<Object> before = new ArrayDeque<>();
    private final List<Runnable> frozen = new ArrayList<>();
    private boolean down;
    private long frozenUntilMicros;
    private boolean scriptLoaded = true;
    private long freeAtMicros;
    private long aheadMicros;

    SimulatedRedis(SimulatedTime time, MemoryRedis memory) {
        this.time = time;
        this.memory = memory;
        memory.clear();
    }

    static long wallMicros(long nowMicros) {
        return EPOCH_MICROS + nowMicros;
    }

    boolean isDown() {
        return down;
    }

    boolean isFrozen() {
        return time.nowMicros() < frozenUntilMicros;
    }

    boolean isScriptLoaded() {
        return scriptLoaded;
    }

    void loadScript() {
        scriptLoaded = true;
    }

    void flushScripts() {
        scriptLoaded = false;
    }

    void down(boolean isDown) {
        if (down && !isDown) scriptLoaded = false;
        down = isDown;
    }

    void freeze(long micros) {
        frozenUntilMicros = time.nowMicros() + micros;
        time.after(micros, () -> {
            if (isFrozen()) return;
            var waiting = List.copyOf(frozen);
            frozen.clear();
            for (var call : waiting) serve(call);
        });
    }

    void thaw() {
        if (isFrozen()) freeze(0);
    }

    /** Has Redis do this as soon as it has done what came before. */
    void serve(Runnable call) {
        if (isFrozen()) {
            frozen.add(call);
            return;
        }
        freeAtMicros = Math.max(freeAtMicros, time.nowMicros()) + SERVICE_MICROS;
        time.after(freeAtMicros - time.nowMicros(), () -> {
            if (isFrozen()) frozen.add(call);
            else call.run();
        });
    }

    byte[] run(byte[][] keys, byte[][] arguments) {
        remember();
        memory();
        return memory.run(keys, arguments);
    }

    private void remember() {
        before.addFirst(memory.state());
        if (before.size() > STATES_KEPT) before.removeLast();
    }

    MemoryRedis memory() {
        memory.setNow(wallMicros(time.nowMicros()) + aheadMicros);
        return memory;
    }

    void stepClock(long micros) {
        aheadMicros += micros;
    }

    /** A replica takes over that lacks the last writes. */
    void failover(int writesLost) {
        Object state = memory.state();
        for (int i = 0; i < writesLost && !before.isEmpty(); i++) state = before.removeFirst();
        memory.restore(state);
        scriptLoaded = false;
    }

    void clear() {
        memory.clear();
    }

    /** Spends as another program does, by the published layout alone; does nothing where the bucket does not cover it. */
    void spendAsOthersDo(String agentId, double capacity, double rate, double cost) {
        remember();
        var redis = memory();
        var key = key(agentId);
        double now = redis.nowMicros() / 1e6;
        if (redis.isString(key)) return;
        var fields = redis.fields(key);
        double tokens = capacity;
        try {
            if (fields.containsKey("tokens") && fields.containsKey("last_refill")) {
                double last = Double.parseDouble(fields.get("last_refill"));
                tokens = Double.parseDouble(fields.get("tokens"));
                tokens = Math.min(capacity, tokens + Math.max(0, now - last) * rate);
            }
        } catch (NumberFormatException damaged) {
            return;
        }
        if (!(cost <= tokens)) return;
        redis.put(key, "tokens", new java.math.BigDecimal(tokens - cost).toPlainString());
        redis.put(key, "last_refill", new java.math.BigDecimal(now).toPlainString());
        if (rate > 0) redis.expire(key, (long) Math.max(3600, capacity / rate) + 60);
    }

    static String key(String agentId) {
        return new String(
                ("quota:" + agentId + ":tokens").getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    }
}
