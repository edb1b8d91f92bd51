package io.tollgate.client;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.tollgate.failover.SharingStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;

/** Publishes a manager's figures to Micrometer. Loaded only with a registry, so that Micrometer is optional. */
final class QuotaMeters implements AutoCloseable {
    private final MeterRegistry registry;
    private final List<Meter> meters = new ArrayList<>();

    QuotaMeters(MeterRegistry registry, Tags tags, QuotaFigures figures, Supplier<SharingStatus> status) {
        this.registry = registry;
        figures.decisions()
                .forEach((kind, count) ->
                        meters.add(FunctionCounter.builder("tollgate.quota.decisions", count, LongAdder::sum)
                                .tags(tags)
                                .tag("verdict", kind.verdict())
                                .tag("decided_by", kind.decidedBy().text())
                                .description("Requests decided")
                                .register(registry)));
        meters.add(FunctionTimer.builder(
                        "tollgate.quota.redis.calls",
                        figures,
                        f -> f.answered().sum(),
                        f -> f.answeredNanos().sum(),
                        TimeUnit.NANOSECONDS)
                .tags(tags)
                .description("Calls that Redis answered in time")
                .register(registry));
        meters.add(failures("timeout", figures.timedOut(), tags));
        meters.add(failures("error", figures.failed(), tags));
        meters.add(Gauge.builder(
                        "tollgate.quota.shared",
                        () -> status.get() instanceof SharingStatus.Local
                                ? 0
                                : status.get() instanceof SharingStatus.Shared ? 1 : 0.5)
                .tags(tags)
                .description(
                        "1: decisions use the shared buckets; 0: those of this process; 0.5: some nodes of a cluster are away")
                .strongReference(true)
                .register(registry));
    }

    private Meter failures(String kind, LongAdder count, Tags tags) {
        return FunctionCounter.builder("tollgate.quota.redis.failures", count, LongAdder::sum)
                .tags(tags)
                .tag("kind", kind)
                .description("Calls that Redis did not answer in time, or refused")
                .register(registry);
    }

    @Override
    public void close() {
        meters.forEach(registry::remove);
    }
}
