package io.tollgate.route;

import io.tollgate.ingest.OriginalTimestamp;
import io.tollgate.ingest.Source;
import io.tollgate.quota.TaskOutput.Ending;
import io.tollgate.quota.TaskOutput.HoldEnded;
import io.tollgate.quota.TaskOutput.NoSuchHold;
import io.tollgate.quota.TaskOutput.Settlement;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/** Writes the outcome of a report or a deadline as a settlement. */
public final class RouteSettled extends ContextualProcessor<byte[], Settlement, byte[], byte[]> {
    @Override
    public void process(Record<byte[], Settlement> record) {
        if (record.value() instanceof HoldEnded ended) {
            boolean isReported = ended.ending() == Ending.SETTLED;
            var source = isReported ? Source.read(record.headers()) : null;
            forward(
                    record,
                    SettlementJson.outcome(ended),
                    SettlementJson.of(ended, source, OriginalTimestamp.of(record)));
        } else {
            var json = SettlementJson.of(
                    (NoSuchHold) record.value(), Source.read(record.headers()), OriginalTimestamp.of(record));
            forward(record, SettlementJson.NO_SUCH_HOLD, json);
        }
    }

    private void forward(Record<byte[], Settlement> record, String outcome, byte[] json) {
        OriginalTimestamp.takeFrom(record.headers()); // the settlement holds it
        QuotaHeaders.writeOutcome(record.headers(), outcome);
        context().forward(record.withValue(json));
    }
}
