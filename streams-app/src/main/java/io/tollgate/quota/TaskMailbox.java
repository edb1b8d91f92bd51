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
 * Questions of other threads to a task, whose state belongs to its stream thread: asked from any thread, answered on
 * that one between records. Thread-safe.
 */
final class TaskMailbox {
    private static final Logger log = LoggerFactory.getLogger(TaskMailbox.class);
    private static final int MOST_WAITING = 1_000;
    private static final int MOST_IN_A_ROUND = 100;

    private final ArrayBlockingQueue<Runnable> waiting = new ArrayBlockingQueue<>(MOST_WAITING);

    /**
     * Asks a question. The stream thread completes the answer, or passes it on. Cancelled questions cost no work.
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
            // A failure of the state store, such as of a moving task, is for Streams. Any other is for the asker.
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

    /** Answers waiting questions, a bounded number; on the stream thread. */
    void answer() {
        for (int i = 0; i < MOST_IN_A_ROUND; i++) {
            var question = waiting.poll();
            if (question == null) return;
            question.run();
        }
    }
}
