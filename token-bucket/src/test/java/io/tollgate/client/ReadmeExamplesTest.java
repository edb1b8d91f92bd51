package io.tollgate.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.tollgate.bucket.Decision;
import io.tollgate.bucket.Limit;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;

/**
 * The Java examples of both README.md, the project's between the lines {@code // README} and {@code // end}, the library's from {@code //
 * LIBRARY}. They compile and do what the pages say, and the pages show them word for word: change both together.
 */
class ReadmeExamplesTest {
    private static final Path THIS = Path.of("src/test/java/io/tollgate/client/ReadmeExamplesTest.java");
    private static final Path README = Path.of("..", "README.md");
    private static final Path LIBRARY = Path.of("README.md");

    /** A model whose calls cost tokens. */
    interface Model {
        Answer ask(String prompt);
    }

    /** An answer, and what it cost. */
    record Answer(String text, double tokensUsed) {}

    // README
    static void publish(String bootstrapServers) {
        var settings = Map.<String, Object>of("bootstrap.servers", bootstrapServers);
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            var request = """
                    {"request_id":"r-1","agent_id":"agent-7","tokens":10,"payload":{"prompt":"hello"}}""";
            producer.send(new ProducerRecord<>("agent-requests", "agent-7", request));
        } // close() waits until the request is published
    }
    // end

    // README
    static void work(String bootstrapServers) {
        var settings = Map.<String, Object>of(
                "bootstrap.servers", bootstrapServers,
                "group.id", "workers",
                "auto.offset.reset", "earliest",
                "isolation.level", "read_committed"); // otherwise aborted decisions show too
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of("approved-requests"));
            while (!Thread.currentThread().isInterrupted()) {
                for (var approved : consumer.poll(Duration.ofSeconds(1))) {
                    var remaining =
                            approved.headers().lastHeader("quota-remaining").value();
                    System.out.println(approved.key() + " has " + new String(remaining) + ": " + approved.value());
                }
            }
        }
    }
    // end

    // README
    /** Publishes a refused request again once its tokens are due. */
    static void honour(JsonNode rejection, Producer<String, String> producer) throws InterruptedException {
        if (!rejection.has("retry_after_ms")) return; // no wait helps: detail says what would
        Thread.sleep(rejection.get("retry_after_ms").asLong());
        var agent = rejection.get("agent_id").asText();
        var request = rejection.get("request").toString();
        producer.send(new ProducerRecord<>("agent-requests", agent, request));
    }
    // end

    // LIBRARY
    static ResourceQuotaManager connect(String redisUrl) {
        return ResourceQuotaManager.builder()
                .redis(redisUrl) // redis://, rediss://, redis-sentinel://, redis-socket://; a cluster is recognised
                .limit("api:", new Limit(100, 10)) // 100 at once, 10 per second in the long run
                .limit("model:", new Limit(100_000, 1_000_000 / 86_400.0)) // a million a day, 100 000 at once
                .limit("net:", new Limit(4e6, 1e6)) // a megabyte per second, 4 MB at once
                .build();
    }
    // end

    // LIBRARY
    /** Returns the HTTP status. */
    static int rateLimit(ResourceQuotaManager quota, String apiKey, Map<String, String> responseHeaders) {
        var decision = quota.checkAndConsume("api:" + apiKey, 1);
        if (decision instanceof Decision.QuotaExceeded exceeded) {
            exceeded.retryAfter() // whole seconds, rounded up: never too early
                    .ifPresent(wait -> responseHeaders.put(
                            "Retry-After", Long.toString(wait.plusMillis(999).toSeconds())));
        }
        return decision.isApproved() ? 200 : 429;
    }
    // end

    // LIBRARY
    static boolean mayRun(ResourceQuotaManager quota, String team, int promptTokens, int maxAnswerTokens) {
        return quota.tryAcquire("model:" + team, promptTokens + maxAnswerTokens);
    }
    // end

    // LIBRARY
    static String ask(ResourceQuotaManager quota, String team, Model model, String prompt) {
        try (var reservation = quota.reserve("model:" + team, 4000)) { // what it costs at most
            if (!reservation.isApproved()) return "try again later";
            var answer = model.ask(prompt);
            reservation.settle(answer.tokensUsed()); // the rest is given back
            return answer.text();
        }
    }
    // end

    // LIBRARY
    static void send(ResourceQuotaManager quota, String tenant, byte[] chunk, OutputStream to)
            throws IOException, InterruptedException {
        var decision = quota.checkAndConsume("net:" + tenant, chunk.length);
        while (decision instanceof Decision.QuotaExceeded exceeded
                && exceeded.retryAfter().isPresent()) {
            Thread.sleep(exceeded.retryAfter().get().toMillis());
            decision = quota.checkAndConsume("net:" + tenant, chunk.length);
        }
        if (!decision.isApproved()) throw new IOException("a chunk of " + chunk.length + " bytes will never be sent");
        to.write(chunk);
    }
    // end

    // LIBRARY
    static CompletionStage<String> answer(ResourceQuotaManager quota, String apiKey) {
        return quota.checkAndConsumeAsync("api:" + apiKey, 1)
                .thenApply(decision -> decision.isApproved()
                        ? "allowed, " + decision.remainingTokens() + " left"
                        : "refused at " + decision.decidedAt());
    }
    // end

    @Test
    void readmeShowsThisCode() throws IOException {
        assertThat(javaBlocks(Files.readString(README))).isEqualTo(markedRegions("README"));
        assertThat(javaBlocks(Files.readString(LIBRARY))).isEqualTo(markedRegions("LIBRARY"));
    }

    private static List<String> javaBlocks(String markdown) {
        return matches(Pattern.compile("^```java\\n(.*?)^```$", Pattern.DOTALL | Pattern.MULTILINE), markdown);
    }

    private static List<String> markedRegions(String mark) throws IOException {
        var regions = Pattern.compile("^ {4}// " + mark + "\\n(.*?)^ {4}// end$", Pattern.DOTALL | Pattern.MULTILINE);
        return matches(regions, Files.readString(THIS)).stream()
                .map(region -> region.replaceAll("(?m)^ {4}", ""))
                .toList();
    }

    private static List<String> matches(Pattern pattern, String text) {
        var found = new ArrayList<String>();
        var matcher = pattern.matcher(text);
        while (matcher.find()) found.add(matcher.group(1));
        return found;
    }

    @Test
    void rateLimitTellsWhenToReturn() {
        try (var quota = ResourceQuotaManager.local(new Limit(2, 0.1))) {
            var headers = new java.util.HashMap<String, String>();

            assertThat(rateLimit(quota, "k", headers)).isEqualTo(200);
            assertThat(rateLimit(quota, "k", headers)).isEqualTo(200);
            assertThat(headers).isEmpty();
            assertThat(rateLimit(quota, "k", headers)).isEqualTo(429);
            assertThat(headers).containsKey("Retry-After");
        }
    }

    @Test
    void refusalIsPublishedAgain() throws Exception {
        var rejection = new ObjectMapper()
                .readTree(Files.readString(
                        Path.of("..", "schemas", "examples", "valid", "rejected-request.quota-exceeded.json")));
        ((ObjectNode) rejection).put("retry_after_ms", 1);
        try (var producer = new MockProducer<>(true, null, new StringSerializer(), new StringSerializer())) {
            honour(rejection, producer);
            honour(((ObjectNode) rejection.deepCopy()).without("retry_after_ms"), producer);

            assertThat(producer.history()).singleElement().satisfies(record -> {
                assertThat(record.key()).isEqualTo(rejection.get("agent_id").asText());
                assertThat(new ObjectMapper().readTree(record.value())).isEqualTo(rejection.get("request"));
            });
        }
    }

    @Test
    void asyncCallSaysWhatIsLeft() {
        try (var quota = ResourceQuotaManager.local(new Limit(1, 0))) {
            assertThat(answer(quota, "k").toCompletableFuture().join()).isEqualTo("allowed, 0.0 left");
            assertThat(answer(quota, "k").toCompletableFuture().join()).startsWith("refused at 2");
        }
    }

    @Test
    void budgetHasNoRetryAndAClearEnd() {
        try (var quota = ResourceQuotaManager.from(Map.of("TOKEN_BUCKET_SIZE", "1", "TOKEN_REFILL_RATE", "0"))) {
            var headers = new java.util.HashMap<String, String>();

            assertThat(rateLimit(quota, "k", headers)).isEqualTo(200);
            assertThat(rateLimit(quota, "k", headers)).isEqualTo(429);
            assertThat(headers).isEmpty();
            send(quota, "t", new byte[1], new ByteArrayOutputStream());
            assertThatThrownBy(() -> send(quota, "t", new byte[1], new ByteArrayOutputStream()))
                    .hasMessageContaining("never be sent");
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void hugeWaitIsNoRetry() {
        try (var quota = ResourceQuotaManager.local(new Limit(1e6, 1e-9))) {
            quota.tryAcquire("a", 1e6);

            assertThat(quota.checkAndConsume("a", 1))
                    .isInstanceOfSatisfying(
                            Decision.QuotaExceeded.class,
                            refused -> assertThat(refused.retryAfter().map(Duration::toNanos))
                                    .isPresent());
            assertThat(quota.checkAndConsume("a", 1e6))
                    .isInstanceOfSatisfying(
                            Decision.QuotaExceeded.class,
                            refused -> assertThat(refused.retryAfter()).isEmpty());
        }
    }

    @Test
    void spentBudgetStopsTheWork() {
        try (var quota = ResourceQuotaManager.local(new Limit(100_000, 1_000_000 / 86_400.0))) {
            assertThat(mayRun(quota, "search", 60_000, 30_000)).isTrue();
            assertThat(mayRun(quota, "search", 60_000, 30_000)).isFalse();
            assertThat(mayRun(quota, "ads", 60_000, 30_000)).isTrue();
        }
    }

    @Test
    void reservationGivesBackTheRest() {
        try (var quota = ResourceQuotaManager.local(new Limit(5000, 0))) {
            assertThat(ask(quota, "search", prompt -> new Answer("yes", 800), "?"))
                    .isEqualTo("yes");
            assertThat(quota.availableTokens("model:search")).isEqualTo(4200);
            assertThatThrownBy(() -> ask(
                            quota,
                            "search",
                            prompt -> {
                                throw new IllegalStateException("no answer");
                            },
                            "?"))
                    .hasMessage("no answer");
            assertThat(quota.availableTokens("model:search")).isEqualTo(200);
            assertThat(ask(quota, "search", prompt -> new Answer("yes", 1), "?"))
                    .isEqualTo("try again later");
        }
    }

    @Test
    void tooLargeAChunkIsRefused() throws Exception {
        try (var quota = ResourceQuotaManager.local(new Limit(4e6, 1e6))) {
            var sent = new ByteArrayOutputStream();

            send(quota, "t", new byte[4_000_000], sent);
            send(quota, "t", new byte[10_000], sent); // waits 10 ms

            assertThat(sent.size()).isEqualTo(4_010_000);
            assertThatThrownBy(() -> send(quota, "t", new byte[4_000_001], sent))
                    .hasMessageContaining("never be sent");
        }
    }
}
