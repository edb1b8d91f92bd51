package io.tollgate.verify;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** All requests that were read: enough to recognise them, without their bytes. */
final class Requests {
    private static final int OFFSET = 0;
    private static final int TIMESTAMP = 1;
    private static final int VALUE = 2;
    private static final int KEY = 3;
    private static final int HEADERS = 4;
    private static final int COST = 5;
    private static final int AGENT_AND_LENGTH = 6;
    private static final int STATE = 7;

    private static final long VERDICT = 3;
    private static final long DECIDED = 4;
    private static final long HOLD = 8;

    private final Map<Integer, Partition> partitions = new TreeMap<>();
    private final Fingerprint fingerprint = new Fingerprint();

    enum RequestVerdict {
        VALID,
        DOUBTFUL,
        INVALID
    }

    private static final class Partition {
        final LongTable rows = new LongTable(8);
        final Map<Integer, Long> bare = new HashMap<>();
    }

    /** One request; {@code agent} is -1 if it is invalid. */
    record Seen(Partition rowsOf, int partition, int row) {
        long offset() {
            return rowsOf.rows.get(row, OFFSET);
        }

        long timestampMillis() {
            return rowsOf.rows.get(row, TIMESTAMP);
        }

        long value() {
            return rowsOf.rows.get(row, VALUE);
        }

        /** Returns the fingerprint of the value without the white space around it. */
        long bareValue() {
            return rowsOf.bare.getOrDefault(row, value());
        }

        long key() {
            return rowsOf.rows.get(row, KEY);
        }

        long headers() {
            return rowsOf.rows.get(row, HEADERS);
        }

        double costTokens() {
            return rowsOf.rows.getDouble(row, COST);
        }

        int agent() {
            return (int) (rowsOf.rows.get(row, AGENT_AND_LENGTH) >>> 32);
        }

        int bytes() {
            return (int) rowsOf.rows.get(row, AGENT_AND_LENGTH);
        }

        RequestVerdict verdict() {
            return RequestVerdict.values()[(int) (rowsOf.rows.get(row, STATE) & VERDICT)];
        }

        /** Returns whether a hold is asked for. */
        boolean hold() {
            return (rowsOf.rows.get(row, STATE) & HOLD) != 0;
        }

        boolean decided() {
            return (rowsOf.rows.get(row, STATE) & DECIDED) != 0;
        }

        void setDecided() {
            rowsOf.rows.set(row, STATE, rowsOf.rows.get(row, STATE) | DECIDED);
        }
    }

    /** Takes each request of a walk over all of them. */
    interface Visitor {
        void visit(Seen request);
    }

    Seen add(TopicRecord request, RequestVerdict verdict, int agent, double costTokens, boolean hold) {
        Partition partition = partitions.computeIfAbsent(request.partition(), number -> new Partition());
        byte[] value = request.value();
        int bytes = value == null ? 0 : value.length;
        int row = partition.rows.add(
                request.offset(),
                request.timestampMillis(),
                fingerprint.of(value),
                fingerprint.of(request.key()),
                fingerprint.ofCarried(request.headers()),
                Double.doubleToRawLongBits(costTokens),
                (long) agent << 32 | bytes,
                verdict.ordinal() | (hold ? HOLD : 0));
        if (value != null && verdict != RequestVerdict.INVALID) {
            int from = 0;
            int to = bytes;
            while (value[from] <= ' ') from++;
            while (value[to - 1] <= ' ') to--;
            if (from > 0 || to < bytes) partition.bare.put(row, fingerprint.of(value, from, to));
        }
        return new Seen(partition, request.partition(), row);
    }

    @Nullable
    Seen find(int partitionNumber, long offset) {
        Partition partition = partitions.get(partitionNumber);
        if (partition == null) return null;
        int row = partition.rows.find(OFFSET, offset);
        return row < 0 ? null : new Seen(partition, partitionNumber, row);
    }

    void forEach(Visitor visitor) {
        partitions.forEach((number, partition) -> {
            for (int row = 0; row < partition.rows.size(); row++) visitor.visit(new Seen(partition, number, row));
        });
    }
}
