package io.tollgate.quota;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What other threads ask a task, whose state belongs to its stream thread alone: asked from anywhere, answered on that thread
 * between records. Thread-safe.
 */
final class TaskMailbox {
    private static final Logger log = LoggerFactory.getLogger(TaskMailbox.class);
    private static final int MOST_WAITING = 1_000;
    private static final int MOST_IN_A_ROUND = 100;

    private final ArrayBlockingQueue<Runnable> waiting = new ArrayBlockingQueue<>(MOST_WAITING);

    /**
     * Asks; the stream thread completes the answer, or hands it on to whoever will. Nothing is done for an answer that nobody
     * waits for any more.
     *
     * @throws RejectedExecutionException if too many questions wait
     */
    <T> CompletableFuture<T> ask(Consumer<CompletableFuture<T>> question) {
        var answer = new CompletableFuture<T>();
        tell(() -> answerOne(question, answer));
        return answer;
    }

    private static <T> void answerOne(Consumer<CompletableFuture<T>> question, CompletableFuture<T> answer) {
        if (((Future<?>) answer).isDone()) return;
        try {
            question.accept(answer);
        } catch (RuntimeException e) {
            answer.completeExceptionally(e);
            // From the state store, such as of a task that moves: Streams knows what to do. Anything else is the
            // asker's.
            if (e instanceof KafkaException) throw e;
            log.error("a question of another thread failed", e);
        }
    }

    /** As {@link #ask}, without an answer. */
    void tell(Runnable news) {
        if (!waiting.offer(news)) throw new RejectedExecutionException("too many questions wait for the task's thread");
    }

    boolean isEmpty() {
        return waiting.isEmpty();
    }

    /** Answers what waits, a bounded number; on the stream thread. */
    void answer() {
        for (int i = 0; i < MOST_IN_A_ROUND; i++) {
            var question = waiting.poll();
            if (question == null) return;
            question.run();
        }
    }
}
