package io.tollgate.ingest;

import java.util.Objects;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;

/** Parses strays that have come home through {@code rekeyed}. {@link ParseRequests} has checked them: nothing is checked again. */
public final class ParseRekeyed extends ContextualProcessor<byte[], byte[], byte[], Incoming> {
    private final Parse parse = new Parse(1, Integer.MAX_VALUE);
    private final Branches branches;
    private final Intake.OfTask intakes;
    private @Nullable Intake intake;

    public ParseRekeyed(Branches branches, Intake.OfTask intakes) {
        this.branches = branches;
        this.intakes = intakes;
    }

    @Override
    public void init(ProcessorContext<byte[], Incoming> context) {
        super.init(context);
        intake = intakes.in(context);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        var position = context().recordMetadata().orElseThrow();
        if (!Objects.requireNonNull(intake).take(position)) return;
        var parsed = Parsed.on(record.headers());
        var incoming = parsed != null ? parsed.incoming() : parse.rekeyed(record.value());
        if (parsed != null && !(incoming instanceof Request)) Parsed.takeFrom(record.headers());
        // Missing only if somebody other than Tollgate wrote to its internal topic: such a record is decided like any
        // other.
        if (!Source.isNoted(record.headers())) {
            Source.write(record.headers(), position);
        }
        context().forward(record.withValue(incoming), branches.of(incoming));
    }
}
