package io.tollgate.http;

import io.tollgate.http.InstanceJson.RatesJson;
import io.tollgate.http.InstanceJson.RedisJson;
import io.tollgate.http.InstanceJson.SecondJson;
import io.tollgate.http.InstanceJson.ThrottledJson;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * All instances together as the API shows them.
 *
 * @param clusterId of Kafka; null until it is known
 * @param breaker the worst of all instances: one without Redis decides locally even if the others do not
 * @param lagTotal records that are published, but not yet decided and committed; null while brokers do not answer
 * @param lag the same by partition, for all instances
 * @param decidedBy shares of the last second's decisions, from 0 to 1; empty without decisions
 */
record StatusJson(
        String applicationId,
        @Nullable String clusterId,
        Instant at,
        boolean ready,
        RedisJson breaker,
        RatesJson throughput,
        Map<String, Double> decidedBy,
        LatencyJson decisionLatency,
        @Nullable Long lagTotal,
        Map<String, Long> lag,
        List<ThrottledJson> mostThrottled,
        List<SecondJson> history,
        List<InstanceJson> instances) {
    private static final List<String> WORST_FIRST = List.of("away", "not_configured", "in_use");

    static StatusJson of(
            String applicationId,
            Optional<String> clusterId,
            List<InstanceJson> instances,
            Optional<Map<String, Long>> brokersLag) {
        var throughput = instances.stream().map(InstanceJson::rates).reduce(RatesJson.NONE, RatesJson::plus);
        var lag = new TreeMap<String, Long>(Comparator.comparingInt(Integer::parseInt));
        brokersLag.ifPresent(lag::putAll);
        return new StatusJson(
                applicationId,
                clusterId.orElse(null),
                Instant.now(),
                instances.stream().allMatch(InstanceJson::ready),
                together(instances.stream().map(InstanceJson::redis)),
                throughput,
                shares(throughput),
                LatencyJson.together(
                        instances.stream().map(InstanceJson::decisionLatency).toList()),
                brokersLag.isEmpty()
                        ? null
                        : lag.values().stream().mapToLong(Long::longValue).sum(),
                lag,
                throttled(instances),
                history(instances),
                instances.stream().map(StatusJson::brief).toList());
    }

    /** Leaves out the fields that are merged above. */
    private static InstanceJson brief(InstanceJson each) {
        return new InstanceJson(
                each.instance(),
                each.state(),
                each.ready(),
                each.waitsFor(),
                each.version(),
                each.timeZones(),
                each.threads(),
                each.redis(),
                each.rates(),
                each.decisionLatency(),
                each.lag(),
                List.of(),
                List.of(),
                List.of());
    }

    /**
     * Returns the worst state: away since the first instance is, else since all are alike. Silent instances have none.
     */
    static RedisJson together(Stream<@Nullable RedisJson> each) {
        var bySince = Comparator.comparing(RedisJson::since, Comparator.nullsFirst(Comparator.naturalOrder()));
        return each.filter(Objects::nonNull)
                .min(Comparator.<RedisJson>comparingInt(redis -> WORST_FIRST.indexOf(redis.state()))
                        .thenComparing((one, other) ->
                                one.state().equals("away") ? bySince.compare(one, other) : bySince.compare(other, one)))
                .orElse(RedisJson.NOT_CONFIGURED);
    }

    private static Map<String, Double> shares(RatesJson rates) {
        double all = rates.redisPerSecond() + rates.localPerSecond();
        if (all == 0) return Map.of();
        return new TreeMap<>(Map.of("redis", rates.redisPerSecond() / all, "local", rates.localPerSecond() / all));
    }

    private static List<ThrottledJson> throttled(List<InstanceJson> instances) {
        var sums = new TreeMap<String, Long>(); // an agent that moved has refusals on two instances
        instances.forEach(
                each -> each.mostThrottled().forEach(one -> sums.merge(one.agentId(), one.rejections(), Long::sum)));
        return sums.entrySet().stream()
                .map(sum -> new ThrottledJson(sum.getKey(), sum.getValue()))
                .sorted(Comparator.comparingLong(ThrottledJson::rejections).reversed())
                .toList();
    }

    private static List<SecondJson> history(List<InstanceJson> instances) {
        var seconds = new TreeMap<Long, SecondJson>();
        instances.forEach(each -> each.history().forEach(one -> seconds.merge(one.second(), one, StatusJson::plus)));
        return List.copyOf(seconds.values());
    }

    private static SecondJson plus(SecondJson one, SecondJson other) {
        var redis = WORST_FIRST.stream()
                .filter(state -> state.equals(one.redis()) || state.equals(other.redis()))
                .findFirst();
        return new SecondJson(one.second(), one.rates().plus(other.rates()), redis.orElse(null));
    }
}
