package io.tollgate.memoryredis;

import static io.tollgate.memoryredis.Packed.NOTHING;
import static io.tollgate.memoryredis.Packed.concat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * {@code spend.lua} in Java: the same steps in the same order under the same names, so that a change of the one is easily made in the other.
 * Nobody but the simulator runs it, and never long without the script beside it ({@link MemoryRedis.Engine#BOTH}). Not thread-safe.
 */
final class SpendTwin {
    private static final long FOR_EVER_SECONDS = 3_000_000_000L;

    /** What {@code error} raises; here and in what {@code struct} cannot read. */
    static final class ScriptException extends RuntimeException {
        private static final long serialVersionUID = 1;

        ScriptException(String message) {
            super(message, null, false, false);
        }
    }

    /** {@code starts} of three periods, of a limit of the calendar; null: of another one. */
    private record Limit(double capacity, double rate, String name, double @Nullable [] starts) {}

    /** Parsed once, so that the same terms are the same object. */
    private record Terms(byte[] bytes, Limit[] limits, byte[] same) {
        /** Whether they are the same, whatever the time. */
        boolean isSame(Terms other) {
            return this == other || Arrays.equals(same, other.same);
        }
    }

    /** {@code isUnknown}: nobody knows what was left. */
    private record Level(double tokens, double last, boolean isUnknown) {}

    private record Promise(double since, Terms terms) {}

    /** What the copy knows of a source. */
    private record Known(long source, double through, byte[] groups) {}

    /** What the fence holds of a source. */
    private static final class Entry {
        final long source;
        double last;
        byte[] groups;

        Entry(long source, double last, byte[] groups) {
            this.source = source;
            this.last = last;
            this.groups = groups;
        }
    }

    private static final class FenceParts {
        List<Entry> entries = new ArrayList<>();
        byte[] adjustments = NOTHING;
        double wasTokens = Double.NaN;
        double wasLast = Double.NaN;
        double foreign;
    }

    /** What a call brings for one key. */
    private final class Argument {
        final byte[] bytes;
        final int operation;
        final long source;
        final double committed;
        final int relation;
        final double copyTokens;
        final double copyLast;
        final double copyForeign;
        final double copyFence;
        final double since;
        final byte[] terms;
        final byte[] history;
        final byte[] rest;
        final byte[] copyGroups;
        final byte[] refusedAlone;
        final byte[] sources;
        final long count;
        final int first;

        Argument(byte[] bytes) {
            this.bytes = bytes;
            var in = new Packed.Reader(bytes, 0);
            operation = in.readByte();
            source = in.readLong();
            committed = in.readDouble();
            relation = in.readByte();
            copyTokens = in.readDouble();
            copyLast = in.readDouble();
            copyForeign = in.readDouble();
            copyFence = in.readDouble();
            since = in.readDouble();
            terms = in.readText();
            history = in.readText();
            rest = in.readText();
            copyGroups = in.readText();
            refusedAlone = in.readText();
            sources = in.readText();
            count = in.readInt();
            first = in.at;
        }

        double offset(long i) {
            return Packed.doubleAt(bytes, (int) (first + 16 * i));
        }

        double cost(long i) {
            return Packed.doubleAt(bytes, (int) (first + 16 * i + 8));
        }
    }

    /** What is decided on. */
    private static final class Standing {
        int status = FINE;
        double now;
        double foreign;
        double[] left = {};
        List<Entry> entries = List.of();
        /** Of the last write, if that was ours. */
        double minute = Double.NaN;
        /** Whether there is something to write, although nothing is asked for. */
        boolean news;
    }

    /** {@code fields}: null where nothing is to be written; {@code seconds}: -1 where the time to live stays. */
    private record Outcome(byte[] reply, @Nullable Map<String, byte[]> fields, long seconds) {}

    private static final long NOBODY = 0;
    private static final int LOOK = 1;
    private static final int RESET = 2;
    private static final int ONCE = 3;
    private static final int FOLLOWS = 1;
    private static final int UNDER_WAY = 2;
    private static final int DECIDED_ALONE = 3;
    private static final int SUPERSEDES = 4;
    private static final int FINE = 0;
    private static final int REPAIRED = 1;
    private static final int RECONCILED = 2;
    private static final int DISAGREES = 3;
    private static final int FAILED = 255;
    private static final int APPROVED = 1;
    private static final int QUOTA_EXCEEDED = 2;
    private static final int COST_EXCEEDS_CAPACITY = 3;
    private static final int REPLAYED = 16;
    private static final long ALL = 4294967295L;
    private static final double LARGEST_OFFSET = 9007199254740992.0;
    private static final double INFINITY = Double.POSITIVE_INFINITY;

    private final MemoryRedis redis;
    private final Map<ByteBuffer, Terms> parsed = new HashMap<>();
    private byte @Nullable [] lastTerms;
    private @Nullable Terms lastLimits;

    SpendTwin(MemoryRedis redis) {
        this.redis = redis;
    }

    byte[] run(byte[][] names, byte[][] arguments) {
        long micros = redis.nowMicros();
        double clock = micros / 1_000_000 + micros % 1_000_000 / 1e6;
        var text = (micros / 1_000_000) + "."
                + Long.toString(1_000_000 + micros % 1_000_000).substring(1);
        var replies = new Packed.Writer().put((double) micros);
        for (int i = 0; i < names.length; i++) {
            var key = MemoryRedis.latin1(names[i]);
            try {
                var outcome = decide(key, arguments[i], clock, micros, text);
                replies.put(outcome.reply());
                if (outcome.fields() != null) redis.write(key, outcome.fields());
                if (outcome.fields() == null || outcome.seconds() < 0) continue;
                if (outcome.seconds() > FOR_EVER_SECONDS) redis.persist(key);
                else redis.expire(key, outcome.seconds());
            } catch (ScriptException | MemoryRedis.CommandException failure) {
                byte[] message = latin1(failure.getMessage());
                replies.putByte(FAILED).putInt(message.length).put(message);
            }
        }
        return replies.toBytes();
    }

    private Terms limitsOf(byte[] terms) {
        if (Arrays.equals(terms, lastTerms)) return lastLimits; // nearly always
        var known = parsed.get(ByteBuffer.wrap(terms));
        if (known != null) {
            lastTerms = terms;
            return lastLimits = known;
        }
        var limits = new ArrayList<Limit>(1);
        var in = new Packed.Reader(terms, 8);
        int starts = 0;
        do {
            double capacity = in.readDouble();
            double rate = in.readDouble();
            int size = in.readByte();
            var name = MemoryRedis.latin1(Packed.text(terms, in.at, size));
            in.at += size;
            boolean legal = capacity > 0 && capacity <= 1e12 && rate >= -5 && rate <= 1e12;
            if (!legal) throw new ScriptException("capacity and refill rate must be at most 1e12, and not negative");
            limits.add(new Limit(capacity, rate, name, null));
            if (rate < 0) {
                starts += 24;
                int zone = in.readByte();
                Packed.text(terms, in.at, zone);
                in.at += zone;
            }
        } while (in.at + starts < terms.length);
        byte[] same = starts > 0 ? Arrays.copyOf(terms, in.at) : terms;
        for (int i = 0; i < limits.size(); i++) {
            var limit = limits.get(i);
            if (!(limit.rate() < 0)) continue;
            double[] three = {in.readDouble(), in.readDouble(), in.readDouble()};
            limits.set(i, new Limit(limit.capacity(), limit.rate(), limit.name(), three));
        }
        var all = new Terms(terms, limits.toArray(Limit[]::new), same);
        parsed.put(ByteBuffer.wrap(terms), all);
        return all;
    }

    /** Returns when the last period started that has. */
    private static double started(double[] starts, double now) {
        return now < starts[0] ? -INFINITY : now < starts[1] ? starts[0] : now < starts[2] ? starts[1] : starts[2];
    }

    /** Returns when the next one will. */
    private static double next(double[] starts, double now) {
        for (double start : starts) if (now < start) return start;
        return now + starts[2] - starts[1];
    }

    private static double wait(double missing, Limit limit, double now) {
        return limit.starts() != null ? next(limit.starts(), now) - now : missing / limit.rate();
    }

    private static double refill(double tokens, double left, double now, Limit limit) {
        if (limit.starts() != null) tokens = left < started(limit.starts(), now) ? limit.capacity() : tokens;
        else if (now > left) tokens = tokens + (now - left) * limit.rate();
        return tokens > limit.capacity() ? limit.capacity() : tokens;
    }

    /** Stands at a group, newest first. */
    private final class Groups {
        final byte[] bytes;
        int start;
        int stop;
        int list;
        double last;
        double first;
        boolean all;

        Groups(byte[] bytes) {
            this.bytes = bytes;
        }

        /** Goes on; returns false at the end, fails on damage. */
        boolean next() {
            if (stop == bytes.length) return false;
            start = stop;
            var in = new Packed.Reader(bytes, start);
            last = in.readDouble();
            first = in.readDouble();
            double at = in.readDouble();
            double tokens = in.readDouble();
            long size = in.readInt();
            long more = in.readInt();
            long approved = in.readInt();
            all = approved == ALL;
            long end = in.at + size + more + (all ? 0 : approved * 4);
            boolean legal = last >= 0 && last <= LARGEST_OFFSET && first >= 0 && first <= LARGEST_OFFSET;
            if (!legal || !isFinite(at + tokens) || end > bytes.length) {
                throw new ScriptException("groups are cut off");
            }
            long refused = more;
            if (size > 0)
                refused -= 8L * (limitsOf(Packed.text(bytes, in.at, size)).limits().length - 1);
            if (refused < 0 || refused % 5 != 0 || size == 0 && more > 0) {
                throw new ScriptException("groups hold no limits");
            }
            list = (int) (in.at + size + more);
            stop = (int) end;
            return true;
        }

        /** Whether this group, which covers the offset, has approved it. */
        boolean approved(double offset) {
            boolean approved = all;
            for (int k = list; k < stop; k += 4) approved |= last - Packed.intAt(bytes, k) == offset;
            return approved;
        }

        byte[] group() {
            return Arrays.copyOfRange(bytes, start, stop);
        }
    }

    private byte[] uncommitted(byte[] groups, double committed) {
        var each = new Groups(groups);
        while (each.next()) {
            if (each.last <= committed) return Arrays.copyOf(groups, each.start);
        }
        return groups;
    }

    /** Returns which limit refuses, from 1; 0: none. */
    private static int refusing(Limit[] limits, double[] left, double cost, double now) {
        int by = 0;
        double longest = 0;
        for (int i = 0; i < limits.length; i++) {
            if (!(cost > left[i])) continue;
            if (cost > limits[i].capacity()) return i + 1;
            double seconds = wait(cost - left[i], limits[i], now);
            if (by == 0 || seconds > longest) {
                by = i + 1;
                longest = seconds;
            }
        }
        return by;
    }

    /** Returns the group that decided this offset; null if none covers it. */
    private @Nullable Groups recall(byte[] groups, double offset) {
        var each = new Groups(groups);
        while (each.next()) {
            if (each.first <= offset && offset <= each.last) return each;
        }
        return null;
    }

    private static boolean isFirst(long source, byte[] fence) {
        return fence.length >= 32 && Packed.longAt(fence, 24) == source;
    }

    private FenceParts entriesOf(byte[] fence, long source, double committed, boolean fenced) {
        var parts = new FenceParts();
        var in = new Packed.Reader(fence, 0);
        parts.wasTokens = in.readDouble();
        parts.wasLast = in.readDouble();
        parts.foreign = in.readDouble();
        if (!isFinite(parts.wasLast + parts.foreign)) throw new ScriptException("the fence holds no numbers");
        var own = new Entry(source, -1, NOTHING);
        parts.entries.add(own);
        var held = new ArrayList<Known>();
        while (fenced && in.hasMore()) held.add(new Known(in.readLong(), 0, in.readText()));
        for (var each : held) {
            boolean isOwn = each.source() == source;
            byte[] groups = each.groups();
            double newest = groups.length > 0 ? Packed.doubleAt(groups, 0) : -1;
            if (isOwn && newest <= committed) groups = NOTHING;
            var entry = new Entry(each.source(), newest, uncommitted(groups, -1));
            if (each.source() == NOBODY) parts.adjustments = entry.groups;
            else if (isOwn) parts.entries.set(0, entry);
            else parts.entries.add(entry);
        }
        return parts;
    }

    private Standing merged(Argument argument, Map<String, byte[]> stored, boolean ours, boolean fenced, double clock) {
        int operation = argument.operation;
        long source = argument.source;
        int relation = argument.relation;
        double copyFence = argument.copyFence;
        byte[] copyGroups = argument.copyGroups;
        var terms = limitsOf(argument.terms);
        var limits = terms.limits();

        var promises = new ArrayList<Promise>();
        var history = new Packed.Reader(argument.history, 0);
        while (history.hasMore()) promises.add(new Promise(history.readDouble(), limitsOf(history.readText())));
        promises.add(new Promise(argument.since, terms));

        var rest = new Packed.Reader(argument.rest, 0);
        byte[] by = argument.rest.length > 0 ? rest.readText() : argument.terms;
        var copies = new ArrayList<Level>();
        copies.add(new Level(argument.copyTokens, argument.copyLast, false));
        for (double[] copy : rest.readPairs()) {
            if (!isFinite(copy[0] + copy[1])) throw new ScriptException("the copy holds no numbers");
            copies.add(new Level(copy[0], copy[1], false));
        }
        var known = new ArrayList<Known>();
        known.add(new Known(source, copyFence, copyGroups));
        var sources = new Packed.Reader(argument.sources, 0);
        while (sources.hasMore()) known.add(new Known(sources.readLong(), sources.readDouble(), sources.readText()));
        double inCopy = 0;
        byte[] told = NOTHING;
        if (known.size() > 1 && known.get(1).source() == NOBODY) {
            inCopy = known.get(1).through();
            told = known.remove(1).groups();
        }

        var standing = new Standing();
        double now = clock;
        byte[] tokensText = stored.get("tokens");
        byte[] lastText = stored.get("last_refill");
        boolean gone = tokensText == null && lastText == null;
        byte[] fence = stored.getOrDefault("fence", NOTHING);
        FenceParts parts;
        try {
            parts = entriesOf(fence, source, argument.committed, fenced);
        } catch (ScriptException unreadable) {
            parts = new FenceParts();
            parts.entries.add(new Entry(source, -1, NOTHING));
            if (fence.length > 0) standing.status = REPAIRED;
        }
        var entries = parts.entries;
        double wasTokens = parts.wasTokens; // NaN: not known, or not ours
        double wasLast = parts.wasLast;
        double foreign = parts.foreign;
        boolean lastWriteIsOurs = !Double.isNaN(wasLast);

        var unreadable = new boolean[1];
        var first = levelOf(tokensText, lastText, clock, relation, unreadable);
        if (first != null && !unreadable[0]) {
            if (!lastWriteIsOurs || first.tokens() != wasTokens || first.last() != wasLast) {
                foreign = clock;
                lastWriteIsOurs = false;
            }
            if (first.last() < wasLast) first = new Level(first.tokens(), wasLast, false);
        }
        var old = terms;
        if (ours && stored.get("terms") != null) {
            try {
                old = limitsOf(stored.get("terms"));
            } catch (ScriptException damaged) {
                old = terms;
            }
        }
        var levels = new Level[old.limits().length];
        levels[0] = first;
        for (int i = 0; i < levels.length; i++) {
            var name = old.limits()[i].name();
            if (i > 0) {
                levels[i] = levelOf(
                        stored.get("tokens:" + name), stored.get("last_refill:" + name), clock, relation, unreadable);
            }
            if (levels[i] != null) now = max(now, levels[i].last());
        }
        if (unreadable[0]) {
            standing.status = REPAIRED;
            gone |= relation > 0;
        }
        if (gone && relation > 0) {
            entries = new ArrayList<>();
            entries.add(new Entry(source, -1, NOTHING));
            parts.adjustments = NOTHING;
        }

        var own = entries.get(0);
        byte[] kept = parts.adjustments;
        double began = number(told, 0);
        double reset = number(told, 16);
        double settled = number(told, 24);
        boolean later = began > number(kept, 0);
        boolean filled = operation == RESET || later && reset > 0;
        double given =
                began >= number(kept, 0) && !Double.isNaN(wasLast) ? settled - (later ? 0 : number(kept, 24)) : 0;
        var fencedSources = List.copyOf(entries);
        boolean ahead = relation >= DECIDED_ALONE;
        boolean once = operation == ONCE;
        double writtenLast = Double.isNaN(wasLast) ? 0 : wasLast;
        boolean lacks = gone || filled || fenced && writtenLast < argument.copyLast;
        boolean elsewhere = false;
        boolean behind = false;
        boolean byStranger = writtenLast > argument.copyLast && !isFirst(source, fence);
        boolean other = false;
        boolean written = relation < UNDER_WAY && wasLast > argument.copyLast;
        if (argument.refusedAlone.length > 0) {
            var said = recall(own.groups, Packed.doubleAt(argument.refusedAlone, 0));
            other = said != null && !Arrays.equals(said.group(), 16, 24, argument.refusedAlone, 16, 24);
        }
        for (int i = 0; i < known.size(); i++) {
            var entry = bySource(fencedSources, known.get(i).source());
            byStranger &= !isFirst(known.get(i).source(), fence);
            double decided = entry == null ? -1 : entry.last;
            behind |= known.get(i).through() > decided;
            elsewhere |= i > 0 && known.get(i).through() < decided;
            byte[] groups = known.get(i).groups();
            if (!written || groups.length == 0 || entry == null) continue;
            var said = recall(entry.groups, known.get(i).through());
            other |= said != null && !Arrays.equals(said.group(), 16, 24, groups, 16, 24);
        }
        lacks |= behind
                || written
                        && own.last == copyFence
                        && !elsewhere
                        && kept.length == 0
                        && foreign == argument.copyForeign;
        boolean beyond = relation == SUPERSEDES && own.last > copyFence;
        boolean disagrees = other
                || relation == UNDER_WAY && lacks
                || once
                        && argument.count > 0
                        && (relation == SUPERSEDES && (elsewhere || byStranger)
                                || relation < UNDER_WAY && behind && (elsewhere || own.last > copyFence));
        boolean reconciled = relation > 0 && relation != UNDER_WAY && (lacks || ahead);
        if (reconciled) for (var copy : copies) now = max(now, copy.last());

        var nowhere = new ArrayList<double[]>();
        for (long i = 0; beyond && i < argument.count; i++) {
            double offset = argument.offset(i);
            var group = offset > copyFence ? recall(own.groups, offset) : null;
            disagrees |= offset < own.last && i == argument.count - 1
                    || once && group == null && copyFence < offset && offset <= own.last;
            if (group != null && group.approved(offset)) {
                nowhere.add(new double[] {Packed.doubleAt(own.groups, group.start + 16) / 1e6, argument.cost(i)});
            }
        }
        boolean follows = ahead
                && foreign == argument.copyForeign
                && (relation != DECIDED_ALONE || writtenLast <= argument.copyLast);
        var held = brought(levels, old, promises, terms, now);
        var copied =
                reconciled ? brought(copies.toArray(Level[]::new), limitsOf(by), promises, terms, now) : new Level[0];
        var left = new double[limits.length];
        for (int i = 0; i < limits.length; i++) {
            double back = 0;
            double from = limits[i].starts() == null ? 0 : started(limits[i].starts(), now);
            for (double[] each : nowhere) back = back + (each[0] >= from && !disagrees ? each[1] : 0);
            var copy = i < copied.length ? copied[i] : null;
            boolean absent = held[i].isUnknown();
            double most = limits[i].capacity();
            boolean over = from > began / 1e6;
            double lost = 0; // time gave it before the last write, when there was no room for both
            if (given > 0 && limits[i].starts() == null && i < copies.size()) {
                var was = copies.get(i);
                double grew = (wasLast - was.last()) * limits[i].rate();
                if (grew > 0) lost = max(0, min(given, min(grew, was.tokens() + settled - inCopy + grew - most)));
            }
            double tokens = filled ? most : min(held[i].tokens() + back + (absent || over ? 0 : given - lost), most);
            if (copy != null && !copy.isUnknown()) {
                double byCopy = min(copy.tokens() + (over ? 0 : settled - inCopy), most);
                if (absent || follows || byCopy < tokens) tokens = byCopy;
            }
            left[i] = disagrees && absent ? most : tokens;
        }
        if (reconciled) {
            if (standing.status == FINE) standing.status = RECONCILED;
            foreign = max(foreign, argument.copyForeign);
        }
        standing.now = now;
        standing.foreign = foreign;
        standing.left = left;
        standing.entries = entries;
        if (disagrees) {
            standing.status = DISAGREES;
            return standing;
        }

        boolean wentNowhere = relation == SUPERSEDES;
        if (reconciled && fenced && (wentNowhere || copyGroups.length > 0 || copyFence > own.last)) {
            double copyFirst = INFINITY;
            for (var group = new Groups(copyGroups); group.next(); ) copyFirst = min(copyFirst, group.first);
            var newer = new Packed.Writer();
            var older = new Packed.Writer();
            for (var group = new Groups(own.groups); group.next(); ) {
                if (group.last > copyFence && !wentNowhere) {
                    newer.put(group.last, max(group.first, copyFence + 1))
                            .put(Arrays.copyOfRange(own.groups, group.start + 16, group.stop));
                } else if (group.last <= copyFence && group.first < copyFirst) {
                    older.put(group.group());
                }
            }
            own.groups = concat(newer.toBytes(), copyGroups, older.toBytes());
            own.last = wentNowhere ? copyFence : max(copyFence, own.last);
        }
        for (int i = 1; reconciled && fenced && i < known.size(); i++) {
            var its = known.get(i);
            var entry = bySource(fencedSources, its.source());
            if (entry == null) {
                entry = new Entry(its.source(), -1, NOTHING);
                entries.add(1, entry);
            }
            if (its.through() > entry.last || wentNowhere && once) {
                entry.last = -1;
                entry.groups = uncommitted(its.groups(), -1);
            }
        }
        own.groups = uncommitted(own.groups, argument.committed);
        if (argument.refusedAlone.length > 0) {
            double through = Packed.doubleAt(argument.refusedAlone, 0);
            if (Packed.doubleAt(argument.refusedAlone, 8) > own.last) {
                own.last = through;
                own.groups = concat(uncommitted(argument.refusedAlone, -1), own.groups);
            }
        }
        entries.add(1, new Entry(NOBODY, -1, later || given != 0 ? told : kept));
        if (lastWriteIsOurs) standing.minute = Math.floor(wasLast / 60);
        standing.news = (later || given != 0 || filled || reconciled) && !gone;
        return standing;
    }

    private static @Nullable Entry bySource(List<Entry> entries, long source) {
        Entry found = null;
        for (var entry : entries) if (entry.source == source) found = entry;
        return found;
    }

    private static @Nullable Level levelOf(
            byte @Nullable [] tokensText,
            byte @Nullable [] lastText,
            double clock,
            int relation,
            boolean[] unreadable) {
        if (tokensText == null && lastText == null) return null;
        double tokens = number(tokensText);
        double last = number(lastText);
        boolean known = isFinite(tokens + last) && !isHex(tokensText) && !isHex(lastText);
        if (known && last <= clock + 86400) return new Level(tokens, last, false);
        unreadable[0] = true;
        return new Level(0, clock, relation > 0);
    }

    /** 0 where there are no adjustments. */
    private static double number(byte[] adjustments, int at) {
        return adjustments.length == 0 ? 0 : Packed.doubleAt(adjustments, at);
    }

    /** NaN where there is none. */
    private static double number(byte @Nullable [] text) {
        var parsed = text == null ? null : CNumbers.parse(MemoryRedis.latin1(text));
        return parsed == null ? Double.NaN : parsed;
    }

    private static boolean isHex(byte @Nullable [] text) {
        for (byte each : text == null ? NOTHING : text) if (each == 'x' || each == 'X') return true;
        return false;
    }

    private static int placeOf(String name, Limit[] limits) {
        for (int i = 0; i < limits.length; i++) if (limits[i].name().equals(name)) return i;
        return -1;
    }

    private static Level[] brought(Level[] held, Terms by, List<Promise> promises, Terms terms, double now) {
        double leftAt = held.length > 0 && held[0] != null ? held[0].last() : now;
        for (int k = 0; k <= promises.size(); k++) {
            boolean isLast = k == promises.size();
            double since = isLast ? now : promises.get(k).since();
            var next = isLast ? terms : promises.get(k).terms();
            double at = min(since, now);
            boolean over = k + 1 < promises.size() && promises.get(k + 1).since() <= leftAt;
            boolean same = next.isSame(by);
            if (same) by = next;
            if (!isLast && (same || over)) continue;
            var moved = new Level[next.limits().length];
            for (int i = 0; i < moved.length; i++) {
                var limit = next.limits()[i];
                int place = placeOf(limit.name(), by.limits());
                if (place < 0 && i == 0 && placeOf(by.limits()[0].name(), next.limits()) < 0) place = 0;
                var level = place < 0 || place >= held.length ? null : held[place];
                moved[i] = level == null
                        ? new Level(limit.capacity(), now, true)
                        : new Level(
                                min(refill(level.tokens(), level.last(), at, by.limits()[place]), limit.capacity()),
                                max(at, level.last()),
                                level.isUnknown());
            }
            held = moved;
            by = next;
        }
        return held;
    }

    /** Decides straight from what the fence says, where nothing else is to be looked at; null otherwise. */
    private @Nullable Standing plain(Argument argument, Map<String, byte[]> stored, double clock) {
        byte[] fence = stored.getOrDefault("fence", NOTHING);
        boolean plain = fence.length > 48
                && Arrays.equals(stored.get("terms"), argument.terms)
                && argument.operation != RESET
                && argument.relation < DECIDED_ALONE
                && argument.history.length + argument.refusedAlone.length + argument.sources.length == 0;
        if (!plain) return null;
        var in = new Packed.Reader(fence, 0);
        double tokens = in.readDouble();
        double last = in.readDouble();
        double foreign = in.readDouble();
        long id = in.readLong();
        long size = in.readInt();
        double through = in.readDouble();
        plain = id == argument.source
                && size == fence.length - 36
                && number(stored.get("tokens")) == tokens
                && number(stored.get("last_refill")) == last
                && isFinite(tokens + foreign + through)
                && last <= clock
                && argument.copyFence <= through
                && (argument.copyLast == last || argument.copyLast < last && argument.relation != FOLLOWS);
        if (!plain) return null;
        byte[] kept = NOTHING;
        if (through > argument.committed) {
            try {
                kept = uncommitted(Packed.text(fence, 36, size), argument.committed);
            } catch (ScriptException damaged) {
                return null;
            }
        }
        var limits = limitsOf(argument.terms).limits();
        var left = new double[limits.length];
        left[0] = refill(tokens, last, clock, limits[0]);
        for (int i = 1; i < limits.length; i++) {
            byte[] tokensText = stored.get("tokens:" + limits[i].name());
            byte[] lastText = stored.get("last_refill:" + limits[i].name());
            double further = number(tokensText);
            double furtherLast = number(lastText);
            if (!isFinite(further + furtherLast) || furtherLast > clock) return null;
            if (isHex(tokensText) || isHex(lastText)) return null;
            left[i] = refill(further, furtherLast, clock, limits[i]);
        }
        var standing = new Standing();
        standing.now = clock;
        standing.foreign = foreign;
        standing.left = left;
        standing.minute = Math.floor(last / 60);
        standing.entries = List.of(new Entry(argument.source, through, kept));
        return standing;
    }

    private Outcome decide(String key, byte[] packed, double clock, long clockMicros, String clockText) {
        var argument = new Argument(packed);
        boolean numbers = isFinite(argument.committed
                        + argument.copyTokens
                        + argument.copyLast
                        + argument.copyForeign
                        + argument.copyFence)
                && !Double.isNaN(argument.since);
        if (!numbers || packed.length != argument.first + 16 * argument.count) {
            throw new ScriptException("the argument is cut off or no numbers");
        }
        var terms = limitsOf(argument.terms);
        var limits = terms.limits();
        boolean fenced = argument.source != 0;
        boolean one = limits.length == 1;
        boolean ours = fenced || !one || !limits[0].name().isEmpty();
        var stored = redis.hash(key);
        var standing = fenced ? plain(argument, stored, clock) : null;
        if (standing == null) standing = merged(argument, stored, ours, fenced, clock);
        int status = standing.status;
        double now = standing.now;
        double[] left = standing.left;
        var own = standing.entries.get(0);

        double nowMicros = now == clock ? clockMicros : Math.floor(now * 1e6 + 0.5);
        var answers = new Packed.Writer();
        int count = status == DISAGREES ? 0 : (int) argument.count;
        var refusals = new int[count]; // -1: not new
        Arrays.fill(refusals, -1);
        double oldest = -1;
        double newest = own.last;
        boolean decided = false;
        boolean refused = false;
        byte[] said = NOTHING;
        for (int i = 0; i < count; i++) {
            double offset = argument.offset(i);
            double cost = argument.cost(i);
            boolean legal = offset >= -1 && offset <= LARGEST_OFFSET && offset % 1 == 0 && cost >= 0 && cost <= 1e12;
            if (!legal) throw new ScriptException("an offset must be a whole number, and a cost from 0 to 1e12");
            boolean fresh = offset > own.last || !fenced;
            var group = fresh ? null : recall(own.groups, offset);
            if (!fresh && group == null && argument.operation == ONCE) {
                status = DISAGREES;
                break;
            }
            if (group != null) {
                byte[] text = group.group();
                byte[] again = Arrays.equals(text, said) ? NOTHING : text;
                answers.putByte(REPLAYED).putInt(again.length).put(again);
                said = text;
                continue;
            }
            int by = refusing(limits, left, cost, now);
            int verdict = APPROVED;
            double tokens = by > 0 ? left[by - 1] : INFINITY;
            double millis = 0;
            if (by > 0 && cost > limits[by - 1].capacity()) {
                verdict = COST_EXCEEDS_CAPACITY;
            } else if (by > 0) {
                millis = Math.floor((wait(cost - tokens, limits[by - 1], now) + (now - clock)) * 1000 + 0.001) + 1;
                verdict = QUOTA_EXCEEDED;
                if (!(millis < 9e15)) millis = -1;
            }
            for (int k = 0; by == 0 && k < left.length; k++) {
                left[k] = left[k] - cost;
                if (left[k] < tokens) tokens = left[k];
            }
            answers.putByte(verdict).putByte(by > 0 ? by - 1 : 0).put(tokens, nowMicros, millis);
            if (!fresh) continue;
            if (!decided) oldest = offset;
            decided = true;
            newest = offset;
            refused |= by > 0;
            refusals[i] = by;
        }

        var reply =
                new Packed.Writer().putByte(status).put(now, standing.foreign).put(left);
        if (status == DISAGREES) return new Outcome(reply.toBytes(), null, -1);
        reply.put(answers.toBytes());
        if (argument.operation == LOOK || argument.count == 0 && !standing.news) {
            return new Outcome(reply.toBytes(), null, -1);
        }

        var fields = new HashMap<String, byte[]>(8);
        if (fenced) {
            if (decided) addGroup(own, argument, standing, nowMicros, oldest, newest, refused, refusals);
            var text = new Packed.Writer().put(left[0], now, standing.foreign);
            var entries = standing.entries;
            for (var entry : entries.subList(0, Math.min(5, entries.size()))) {
                byte[] groups = entry.groups;
                if (groups.length == 0 && entry.last >= 0) {
                    groups = new Packed.Writer()
                            .put(entry.last, entry.last + 1, nowMicros, left[0])
                            .putInt(0)
                            .putInt(0)
                            .putInt(0)
                            .toBytes();
                }
                if (groups.length == 0) continue;
                text.putLong(entry.source).putInt(groups.length).put(groups);
            }
            fields.put("fence", text.toBytes());
        }
        for (int i = 0; i < limits.length; i++) {
            var name = i > 0 ? ":" + limits[i].name() : "";
            fields.put("tokens" + name, latin1(decimal(left[i])));
            fields.put("last_refill" + name, latin1(now == clock ? clockText : CNumbers.general(now, 17)));
        }
        if (ours && !Arrays.equals(stored.get("terms"), argument.terms)) fields.put("terms", argument.terms);

        double fills = 0;
        for (int i = 0; i < limits.length; i++) {
            double missing = limits[i].capacity() - min(0, left[i]);
            fills = max(fills, wait(missing, limits[i], now));
        }
        try {
            byte[] theirs = ours ? null : stored.get("terms");
            for (var limit : limitsOf(theirs == null ? argument.terms : theirs).limits()) {
                fills = max(fills, wait(limit.capacity(), limit, now));
            }
        } catch (ScriptException unreadable) {
            // What is not readable takes no time.
        }
        fills = now - clock + Math.ceil(fills);
        boolean renew = now != clock
                || fills > 3600
                || standing.minute != Math.floor(now / 60)
                || !Arrays.equals(stored.get("terms"), argument.terms);
        long seconds = Math.round(max(3600, fills) + 60);
        return new Outcome(reply.toBytes(), fields, renew ? seconds : -1);
    }

    private static void addGroup(
            Entry own,
            Argument argument,
            Standing standing,
            double nowMicros,
            double oldest,
            double newest,
            boolean refused,
            int[] refusals) {
        double[] left = standing.left;
        var more = new Packed.Writer();
        var list = new Packed.Writer();
        for (int i = 1; i < left.length; i++) more.put(left[i]);
        for (int i = 0; refused && i < refusals.length; i++) {
            long back = (long) (newest - argument.offset(i));
            if (refusals[i] == 0) list.putInt(back);
            else if (refusals[i] > 0 && left.length > 1) more.putInt(back).putByte(refusals[i] - 1);
        }
        own.groups = new Packed.Writer()
                .put(newest, oldest, nowMicros, left[0])
                .putInt(argument.terms.length)
                .putInt(more.size())
                .putInt(refused ? list.size() / 4 : ALL)
                .put(argument.terms)
                .put(more.toBytes())
                .put(list.toBytes())
                .put(own.groups)
                .toBytes();
    }

    private static String decimal(double tokens) {
        var text = CNumbers.general(tokens, 17);
        if (!text.contains("e-")) return text;
        var plain = CNumbers.fixed(tokens, 99);
        int end = plain.length();
        while (end > 0 && plain.charAt(end - 1) == '0') end--;
        return plain.substring(0, end);
    }

    private static boolean isFinite(double number) {
        return Double.isFinite(number);
    }

    /** As Lua's: neither looks for NaN or the sign of 0. */
    private static double min(double one, double other) {
        return other < one ? other : one;
    }

    private static double max(double one, double other) {
        return other > one ? other : one;
    }

    private static byte[] latin1(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
