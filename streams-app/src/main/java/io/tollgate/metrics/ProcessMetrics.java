package io.tollgate.metrics;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;

/** Metrics of the JVM. */
public final class ProcessMetrics {
    private ProcessMetrics() {}

    /**
     * Adds the figures to the registry, for as long as the process lives.
     *
     * @param version the version of Tollgate
     */
    public static void bind(MeterRegistry registry, String version) {
        new JvmGcMetrics().bindTo(registry);
        // Not LogbackMetrics: its filter runs for each line that Kafka does not log, several for each record, and
        // took a twentieth of the CPU.
        new JvmMemoryMetrics().bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        new ProcessorMetrics().bindTo(registry);
        new UptimeMetrics().bindTo(registry);
        new FileDescriptorMetrics().bindTo(registry);
        Gauge.builder("tollgate.version", () -> 1)
                .description("Always 1; the label says which version runs")
                .tag("version", version)
                .register(registry);
    }
}
