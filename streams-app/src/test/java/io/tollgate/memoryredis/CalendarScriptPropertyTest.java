package io.tollgate.memoryredis;

import static org.assertj.core.api.Assertions.assertThat;

import io.tollgate.bucket.AgentBuckets;
import io.tollgate.bucket.Charge;
import io.tollgate.bucket.DecidedBy;
import io.tollgate.bucket.Fence;
import io.tollgate.bucket.Limit;
import io.tollgate.bucket.NamedLimit;
import io.tollgate.bucket.Period;
import io.tollgate.bucket.Promises;
import io.tollgate.bucket.Terms;
import io.tollgate.bucket.TokenBucket;
import io.tollgate.redis.BucketKind;
import io.tollgate.redis.SpendRequest;
import io.tollgate.redis.SpendResult;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The script's text and Java decide by calendars of twelve zones, at moments of seventy years, and agree to the last bit. */
class CalendarScriptPropertyTest {
    private static final long FROM = OffsetDateTime.parse("1980-01-01T00:00Z").toEpochSecond();
    private static final long SOURCE = 17;
    private static final int HISTORIES = 60;
    private static final int STEPS = 12;

    private final MemoryRedis memory = new MemoryRedis(MemoryRedis.Engine.BOTH);

    @ParameterizedTest(name = "{0}, seed 1")
    @MethodSource("io.tollgate.Zones#all")
    void scriptAndJavaAgree(String zone) {
        var random = new Random(zone.hashCode());
        int refills = 0;
        for (int i = 0; i < HISTORIES; i++) refills += run(zone, random, "agent-" + i);
        assertThat(refills)
                .as("starts of periods, which prove little if there are none")
                .isGreaterThan(HISTORIES);
    }

    private int run(String zone, Random random, String agent) {
        var terms = terms(zone, random);
        long micros = start(zone, random);
        AgentBuckets held = null;
        var fence = Fence.NONE;
        int refills = 0;
        for (int offset = 0; offset < STEPS; offset++) {
            memory.setNow(micros);
            double clock = TokenBucket.seconds(micros);
            var charge = new Charge(offset, random.nextInt(8));
            // As from an instance that asked a while ago: within a period before.
            double asked = clock - random.nextInt(60);
            var spend = new SpendRequest(
                    agent,
                    BucketKind.ENFORCED,
                    Promises.of(terms),
                    List.of(charge),
                    SOURCE,
                    -1,
                    false,
                    Fence.NONE,
                    null,
                    asked);
            var answer = (SpendResult.Decided) ScriptCodec.answers(
                            memory.run(
                                    ScriptCodec.keys(List.of(spend)),
                                    ScriptCodec.arguments(ScriptCodec.Operation.SPEND, List.of(spend))),
                            List.of(spend))
                    .answers()
                    .get(0);

            var before = held == null ? AgentBuckets.full(terms, clock) : held;
            var expected =
                    TokenBucket.spend(before, fence, Promises.of(terms), -1, List.of(charge), micros, DecidedBy.REDIS);

            var where = zone + " at " + Instant.ofEpochSecond(micros / 1_000_000) + ", " + terms;
            assertThat(answer.buckets()).as(where).isEqualTo(expected.buckets());
            assertThat(answer.decisions()).as(where).isEqualTo(expected.decisions());
            if (held != null && expected.buckets().leastTokens() > held.leastTokens()) refills++;
            held = expected.buckets();
            fence = expected.fence();
            micros += (long) (Math.pow(10, random.nextInt(7) + random.nextDouble()) * 1e6 / 3);
        }
        return refills;
    }

    private static Terms terms(String zone, Random random) {
        var names = List.of("a", "b", "c");
        var limits = new ArrayList<NamedLimit>();
        for (int i = random.nextInt(3); i >= 0; i--) {
            var period = Period.values()[random.nextInt(Period.values().length)];
            boolean steady = random.nextInt(4) == 0;
            var limit = steady ? new Limit(10, random.nextInt(3) / 7.0) : Limit.each(period, zone, 10);
            limits.add(new NamedLimit(names.get(i), limit));
        }
        return new Terms(1, limits);
    }

    /** Often shortly before clocks change. */
    private static long start(String zone, Random random) {
        var moment = Instant.ofEpochSecond(FROM + (long) (random.nextDouble() * 70 * 365.25 * 86_400));
        var change = ZoneId.of(zone).getRules().nextTransition(moment);
        if (change != null && random.nextBoolean()) moment = change.getInstant().minusSeconds(random.nextInt(90_000));
        return moment.getEpochSecond() * 1_000_000 + random.nextInt(1_000_000);
    }
}
