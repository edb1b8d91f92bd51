package io.tollgate.memoryredis;

import io.tollgate.bucket.Promises;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResults;
import io.tollgate.redis.SpendScript;
import java.util.List;

/** What goes to {@code spend.lua} and comes back, for whole calls. */
public final class ScriptCodec {
    /** What to do with buckets. */
    public enum Operation {
        SPEND,
        LOOK,
        RESET
    }

    private ScriptCodec() {}

    public static byte[][] keys(List<SpendRequest> spends) {
        return spends.stream()
                .map(spend -> SpendScript.key(spend.agentId(), spend.kind()))
                .toArray(byte[][]::new);
    }

    public static byte[][] arguments(Operation operation, List<SpendRequest> spends) {
        var its = SpendScript.Operation.valueOf(operation.name());
        return spends.stream().map(spend -> SpendScript.argument(its, spend)).toArray(byte[][]::new);
    }

    public static SpendResults answers(byte[] reply, List<SpendRequest> spends) {
        return SpendScript.answers(reply, spends);
    }

    public static SpendRequest withoutCharges(String agentId, BucketKind kind, Promises promises, double clockSeconds) {
        return SpendScript.withoutCharges(agentId, kind, promises, clockSeconds);
    }
}
