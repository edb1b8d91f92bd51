package io.tollgate.client;

import io.tollgate.bucket.Decision;
import io.tollgate.failover.SharingStatus;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells listeners, on threads that may block. Thread-safe. */
final class Listeners {
    private static final Logger log = LoggerFactory.getLogger(Listeners.class);

    private final List<QuotaListener> all;
    private final AnswerThreads threads;
    private final Supplier<SharingStatus> status;
    private final Object telling = new Object();
    private @Nullable SharingStatus told;

    Listeners(List<QuotaListener> all, AnswerThreads threads, Supplier<SharingStatus> status) {
        this.all = List.copyOf(all);
        this.threads = threads;
        this.status = status;
    }

    void decided(String agentId, double tokens, Decision decision) {
        if (!all.isEmpty()) threads.handOver(() -> tell(listener -> listener.decided(agentId, tokens, decision)));
    }

    void statusChanged() {
        if (!all.isEmpty()) threads.handOver(this::tellStatus);
    }

    /** The last status told is the current one, even if it changes in between. */
    private void tellStatus() {
        synchronized (telling) {
            var now = status.get();
            if (now.equals(told)) return;
            told = now;
            tell(listener -> listener.statusChanged(now));
        }
    }

    private void tell(Consumer<QuotaListener> what) {
        for (var listener : all) {
            try {
                what.accept(listener);
            } catch (Throwable theirs) {
                log.error("a listener failed", theirs);
            }
        }
    }
}
