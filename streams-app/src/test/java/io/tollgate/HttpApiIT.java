package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import io.tollgate.http.AgentPath;
import io.tollgate.policy.PolicyTopic;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The HTTP API of two instances, of which the first has a token and the second has none; on the real jar. */
@Order(1) // long, and one after the other
class HttpApiIT {
    private static final String TOKEN = "s3cret-of-the-test";
    private static final double CAPACITY = 50;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient CLIENT =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private static RedisServer redis;
    private static TestCluster cluster;
    private static ApplicationProcess withToken;
    private static ApplicationProcess withoutToken;
    private static Requests requests;
    private static Decisions decisions;

    @BeforeAll
    static void start() {
        redis = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true));
        cluster = TestCluster.onSharedBroker().withLimit(CAPACITY, 0).with("REDIS_URL", redis.uri());
        var state = cluster.stateDir();
        withToken = cluster.with("TOLLGATE_HTTP_TOKEN", TOKEN).start();
        withoutToken = cluster.with("TOLLGATE_HTTP_TOKEN", "")
                .with("TOLLGATE_STATE_DIR", state.resolveSibling("state-2").toString())
                .start();
        requests = new Requests(cluster);
        decisions = new Decisions(cluster);
        await("both hold tasks")
                .atMost(Duration.ofSeconds(60))
                .until(() -> withToken.isReady()
                        && withoutToken.isReady()
                        && tasks(withToken) > 0
                        && tasks(withoutToken) > 0
                        && tasks(withToken) + tasks(withoutToken) == TestCluster.PARTITIONS);
    }

    @AfterAll
    static void stop() {
        for (AutoCloseable each : new AutoCloseable[] {decisions, requests, withoutToken, withToken, cluster, redis}) {
            try {
                if (each != null) each.close();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static int tasks(ApplicationProcess application) {
        var address = "127.0.0.1:" + application.http().getPort();
        int tasks = 0;
        for (var instance : json(get(application, "/api/status")).path("instances")) {
            if (!instance.path("instance").asText().equals(address)) continue;
            for (var thread : instance.path("threads"))
                tasks += thread.path("tasks").size();
        }
        return tasks;
    }

    // ---- what it shows

    static Stream<String> oddIds() {
        return Stream.of(
                "agent-7",
                "*",
                "a/b",
                "..",
                ".",
                "../../etc/passwd",
                "a b+c",
                "a%2Fb",
                "a;b?c#d",
                "ü-界-😀",
                "a}{b",
                "<script>",
                "\"'",
                "\\",
                "x".repeat(256));
    }

    @ParameterizedTest
    @MethodSource("oddIds")
    void instancesAgreeOnAnyAgentId(String agentId) {
        requests.send(jsonText(agentId), 7, agentId.hashCode() & 0xFFFF);
        for (var instance : List.of(withToken, withoutToken)) {
            await("the decision about " + agentId)
                    .atMost(Duration.ofSeconds(30))
                    .untilAsserted(() -> {
                        var answer = get(instance, agent(agentId));
                        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
                        conforms("Agent", answer.body());
                        var agent = json(answer);
                        assertThat(agent.path("agent_id").asText()).isEqualTo(agentId);
                        assertThat(agent.path("bucket").path("tokens").asDouble())
                                .isEqualTo(CAPACITY - 7);
                        assertThat(agent.path("bucket").path("read_from").asText())
                                .isEqualTo("redis");
                        assertThat(agent.path("recent_decisions")
                                        .get(0)
                                        .path("decision")
                                        .asText())
                                .isEqualTo("approved");
                        // A stray's decided record alone says where it was published.
                        boolean isStray = !jsonText(agentId).equals(agentId);
                        assertThat(agent.path("recent_decisions")
                                        .get(0)
                                        .path("source")
                                        .asText())
                                .matches(isStray ? "" : ".+-requests/\\d+/\\d+");
                    });
        }
    }

    /** The test builds requests from text, so quotes and backslashes must be escaped. */
    private static String jsonText(String agentId) {
        return agentId.replace("\\", "\\\\").replace("\"", "\\\"");
    }

    @Test
    void instancesAnswerForEachOther() {
        var holders = new ArrayList<String>();
        for (int i = 0; i < 20; i++) {
            holders.add(
                    json(get(withToken, agent("spread-" + i))).path("instance").asText());
        }
        assertThat(holders)
                .contains(
                        "127.0.0.1:" + withToken.http().getPort(),
                        "127.0.0.1:" + withoutToken.http().getPort());
    }

    @Test
    void everyInstanceKnowsTheThrottled() {
        for (var instance : List.of(withToken, withoutToken)) {
            await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> {
                for (int agent = 0; agent < 6; agent++) {
                    for (int i = 0; i < 3; i++) requests.send("throttled-" + agent, CAPACITY, i);
                }
                var answer = get(instance, "/api/agents?top=100");
                conforms("Top", answer.body());
                var found = new HashMap<String, Long>();
                json(answer)
                        .path("agents")
                        .forEach(one -> found.put(
                                one.path("agent_id").asText(),
                                one.path("rejections").asLong()));
                for (int agent = 0; agent < 6; agent++) {
                    assertThat(found.getOrDefault("throttled-" + agent, 0L)).isGreaterThanOrEqualTo(2);
                }
            });
        }
        assertThat(json(get(withToken, "/api/agents?top=2")).path("agents")).hasSize(2);
    }

    @Test
    void statusMatchesItsDescription() {
        await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> {
            var answer = get(withToken, "/api/status?history=true");
            conforms("Status", answer.body());
            assertThat(json(answer).path("instances"))
                    .hasSize(2)
                    .allMatch(one -> one.path("state").asText().equals("RUNNING"), answer.body());
            assertThat(json(answer).path("ready").asBoolean()).isTrue();
            assertThat(json(answer).path("breaker").path("state").asText()).isEqualTo("in_use");
            assertThat(json(answer).path("history")).isNotEmpty();
            assertThat(json(answer).at("/history/0/redis").asText()).isEqualTo("in_use");
            assertThat(json(answer).path("cluster_id").asText()).isNotEmpty();
            assertThat(json(answer).path("lag")).hasSize(TestCluster.PARTITIONS);
        });
    }

    @Test
    void statusIsSentEverySecond() throws Exception {
        var answer = CLIENT.send(request(withToken, "/api/events").build(), HttpResponse.BodyHandlers.ofLines());
        assertThat(answer.headers().firstValue("Content-Type").orElse("")).startsWith("text/event-stream");
        try (var lines = answer.body()) {
            var events = lines.filter(line -> line.startsWith("data: "))
                    .limit(3)
                    .map(line -> line.substring(6))
                    .toList();
            assertThat(events).hasSize(3);
            for (var event : events) conforms("Status", event);
        }
    }

    @Test
    void openApiPathsExist() throws IOException {
        put("x", "{\"capacity\":5,\"refill_rate\":0}");
        var document = JSON.readTree(get(withToken, "/api/openapi.json").body());
        document.path("paths").fieldNames().forEachRemaining(path -> {
            if (path.contains("events")) return;
            var status = get(withToken, path.replace("{id}", "x")).statusCode();
            assertThat(status).as(path).isIn(200, 405);
        });
    }

    // ---- who may change something

    @ParameterizedTest
    @CsvSource({
        "POST, /api/agents/victim/reset",
        "PUT, /api/policies/victim",
        "DELETE, /api/policies/victim",
    })
    void changeNeedsTheToken(String method, String path) {
        for (String authorization : new String[] {"", "Bearer wrong", "Bearer " + TOKEN + "x", "Basic " + TOKEN}) {
            var request = request(withToken, path)
                    .header("Content-Type", "application/json")
                    .method(method, HttpRequest.BodyPublishers.ofString("{\"capacity\":1,\"refill_rate\":1}"));
            if (!authorization.isEmpty()) request.header("Authorization", authorization);
            var answer = send(request);
            assertThat(answer.statusCode()).as(authorization).isEqualTo(401);
            assertThat(answer.headers().firstValue("WWW-Authenticate")).hasValue("Bearer");
            isProblem(answer, 401);
            assertThat(answer.body()).doesNotContain(TOKEN);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "Origin, http://evil.example",
        "Origin, null",
        "Sec-Fetch-Site, cross-site",
        "Sec-Fetch-Site, same-site",
    })
    void otherSitesPageIsRefused(String header, String value) {
        for (var instance : List.of(withToken, withoutToken)) {
            var answer = send(request(instance, "/api/agents/victim/reset")
                    .header(header, value)
                    .header("Authorization", "Bearer " + TOKEN)
                    .POST(HttpRequest.BodyPublishers.noBody()));
            isProblem(answer, 403);
        }
    }

    @Test
    void proxyOrRebindNeedsAToken() throws IOException {
        for (String header : new String[] {"X-Forwarded-For", "Forwarded", "Via"}) {
            isProblem(
                    send(request(withoutToken, "/api/agents/victim/reset")
                            .header(header, "203.0.113.9")
                            .POST(HttpRequest.BodyPublishers.noBody())),
                    403);
        }
        // A name that points to 127.0.0.1; the mark of a call that was handed on gives no rights.
        var answer = raw(
                withoutToken,
                "POST /api/agents/victim/reset HTTP/1.1\r\nHost: evil.example\r\nTollgate-Handed-On: 1\r\n"
                        + "Content-Length: 0\r\nConnection: close\r\n\r\n");
        assertThat(answer).startsWith("HTTP/1.1 403");
    }

    @Test
    void formTypeIsRefused() {
        var form = HttpRequest.BodyPublishers.ofString("x=1");
        for (var call : List.of(
                request(withoutToken, "/api/agents/victim/reset").POST(form),
                request(withoutToken, "/api/policies/victim").PUT(form),
                request(withoutToken, "/api/policies/victim").method("DELETE", form))) {
            isProblem(send(call.header("Content-Type", "text/plain")), 415);
        }
    }

    // ---- wrong calls

    @ParameterizedTest
    @CsvSource({
        "POST, /api/status, 'GET, HEAD'",
        "GET, /api/agents/x/reset, POST",
        "POST, /api/policies/x, 'GET, HEAD, PUT, DELETE'",
        "DELETE, /, 'GET, HEAD'",
        "PUT, /metrics, 'GET, HEAD'",
        "PATCH, /api/agents/x, 'GET, HEAD'",
        "OPTIONS, /api/agents/x, 'GET, HEAD'",
    })
    void wrongMethodNamesTheRightOnes(String method, String path, String allowed) {
        var answer = send(request(withToken, path).method(method, HttpRequest.BodyPublishers.noBody()));
        isProblem(answer, 405);
        assertThat(answer.headers().firstValue("Allow")).hasValue(allowed);
    }

    @ParameterizedTest
    @CsvSource({
        "/api/agents/%ZZ, 400",
        "/api/agents/%FF, 400",
        "/api/agents/%00, 400",
        "/api/agents/a%0D%0AX-Evil:%201, 400",
        "/api/agents?top=0, 400",
        "/api/agents?top=many, 400",
        "/api/nothing, 404",
        "/console/..%2f..%2fopenapi.json, 404",
        "/console/%2e%2e/logback.xml, 404",
        "/console/%2e%2e/%2e%2e/logback.xml, 400",
        "/META-INF/MANIFEST.MF, 404",
        "//etc/passwd, 404",
    })
    void hostilePathLeadsNowhere(String path, int status) throws IOException {
        var answer = raw(withToken, "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assertThat(answer).startsWith("HTTP/1.1 " + status).contains("application/problem+json");
        assertThat(answer.toLowerCase(Locale.ROOT)).doesNotContain("x-evil: 1", "\tat ", "jetty");
    }

    @Test
    void tooLongIdNamesTheRule() {
        var id = "x".repeat(257);
        for (var call : List.of(
                request(withToken, agent(id)),
                request(withToken, agent(id) + "/reset").POST(HttpRequest.BodyPublishers.noBody()),
                request(withToken, "/api/policies/" + id).DELETE())) {
            var answer = send(call.header("Authorization", "Bearer " + TOKEN));
            isProblem(answer, 400);
            assertThat(answer.body()).contains("at most 256 bytes");
        }
    }

    @Test
    void tooLargeBodyIsNotRead() throws IOException {
        var large = "x".repeat(70_000);
        var body = HttpRequest.BodyPublishers.ofString(large);
        for (var call : List.of(
                request(withToken, "/api/policies/x").PUT(body),
                request(withToken, "/api/policies/x").method("DELETE", body),
                request(withToken, "/api/agents/x/reset").POST(body))) {
            isProblem(
                    send(call.header("Authorization", "Bearer " + TOKEN).header("Content-Type", "application/json")),
                    413);
        }

        var headers = raw(withToken, "GET / HTTP/1.1\r\nHost: x\r\nX: " + large + "\r\nConnection: close\r\n\r\n");
        assertThat(headers).startsWith("HTTP/1.1 431");
        var line = raw(withToken, "GET /" + large + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assertThat(line).startsWith("HTTP/1.1 414");
    }

    @Test
    void illegalPolicyNamesFieldAndRule() {
        var answer = send(request(withToken, "/api/policies/x")
                .header("Authorization", "Bearer " + TOKEN)
                .header("Content-Type", "application/json")
                .PUT(HttpRequest.BodyPublishers.ofString("{\"capacity\":-1,\"refill_rate\":1}")));
        isProblem(answer, 400);
        assertThat(answer.body()).contains("capacity");
    }

    @Test
    void slowClientsAreCutOff() throws Exception {
        try (var headers = socket(withToken);
                var body = socket(withToken)) {
            headers.getOutputStream().write("GET / HTTP/1.1\r\nHost: x\r\nX: ".getBytes(UTF_8));
            body.getOutputStream()
                    .write(("PUT /api/policies/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + TOKEN
                                    + "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
                            .getBytes(UTF_8));
            for (var slow : List.of(body, headers)) {
                await("cut off")
                        .atMost(Duration.ofSeconds(40))
                        .pollInterval(Duration.ofMillis(500))
                        .until(() -> {
                            try {
                                slow.getOutputStream().write(' ');
                                slow.getOutputStream().flush();
                                slow.setSoTimeout(1);
                                return slow.getInputStream().read() < 0 || answeredWith408(slow);
                            } catch (SocketTimeoutException notYet) {
                                assertThat(get(withToken, "/health/live").statusCode())
                                        .isEqualTo(200);
                                return false;
                            } catch (IOException cut) {
                                return true;
                            }
                        });
            }
        }
    }

    private static boolean answeredWith408(Socket slow) throws IOException {
        slow.setSoTimeout(2000);
        return new String(slow.getInputStream().readNBytes(11), UTF_8).equals("TTP/1.1 408");
    }

    @Test
    void everyAnswerHasStrictHeaders() {
        for (String path : new String[] {"/", "/console/console.js", "/api/status", "/nothing"}) {
            var headers = get(withToken, path).headers();
            assertThat(headers.firstValue("X-Content-Type-Options")).as(path).hasValue("nosniff");
            assertThat(headers.firstValue("X-Frame-Options")).as(path).hasValue("DENY");
            assertThat(headers.firstValue("Content-Security-Policy").orElse(""))
                    .as(path)
                    .contains("default-src 'none'", "frame-ancestors 'none'")
                    .doesNotContain("unsafe");
            assertThat(headers.firstValue("Server")).as(path).isEmpty();
            assertThat(headers.firstValue("Access-Control-Allow-Origin"))
                    .as(path)
                    .isEmpty();
        }
    }

    // ---- changes

    @Test
    void resetReachesRedis() {
        for (int i = 0; i < 8; i++) {
            var agentId = "to-fill-" + i; // spread over both instances
            var instance = i % 2 == 0 ? withToken : withoutToken;
            requests.send(agentId, CAPACITY, i);
            awaitTokens(instance, agentId, 0);

            var answer = reset(instance, agentId);

            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
            conforms("Agent", answer.body());
            assertThat(json(answer).path("bucket").path("tokens").asDouble()).isEqualTo(CAPACITY);
            assertThat(TestCluster.tokensInRedis(redis.uri(), agentId)).isEqualTo(CAPACITY);
            requests.send(agentId, 10, 100 + i);
            awaitTokens(instance, agentId, CAPACITY - 10);
        }
    }

    @Test
    void redisHearsOfAResetAfterItsOutage() {
        var agentId = "filled-in-the-outage";
        requests.send(agentId, CAPACITY, 1);
        awaitTokens(withToken, agentId, 0);

        redis.kill();
        try {
            await().atMost(Duration.ofSeconds(30)).until(() -> readFrom(agentId).equals("local"));
            assertThat(reset(withToken, agentId).statusCode()).isEqualTo(200);
            requests.send(agentId, 20, 2);
            awaitTokens(withToken, agentId, CAPACITY - 20);
        } finally {
            redis.restart();
        }

        await().atMost(Duration.ofSeconds(30)).until(() -> readFrom(agentId).equals("redis"));
        requests.send(agentId, 5, 3);
        awaitTokens(withToken, agentId, CAPACITY - 25);
        await("a decision by Redis").atMost(Duration.ofSeconds(30)).until(() -> {
            requests.send(agentId, 0, 5); // a busy machine may make one local
            return lastDecision(agentId).path("decided_by").asText().equals("redis");
        });
        assertThat(TestCluster.tokensInRedis(redis.uri(), agentId)).isEqualTo(CAPACITY - 25);
        requests.send(agentId, CAPACITY - 24, 4);
        await("one token more than there are")
                .atMost(Duration.ofSeconds(30))
                .until(() -> lastDecision(agentId).path("decision").asText().equals("rejected"));
    }

    @Test
    void policyIsTriedOnTheLastHour() {
        for (int i = 0; i < 3; i++) requests.send("trial", 7, 3_000_000 + i); // ten minutes ago
        await("its decisions")
                .atMost(Duration.ofSeconds(30))
                .untilAsserted(
                        () -> assertThat(json(get(withToken, agent("trial"))).path("recent_decisions"))
                                .hasSize(3));
        await("that they are committed")
                .atMost(Duration.ofSeconds(30))
                .untilAsserted(() -> assertThat(json(tried("{\"capacity\":10,\"refill_rate\":0}"))
                                .path("requests")
                                .asInt())
                        .isEqualTo(3));

        var trial = tried("{\"capacity\":10,\"refill_rate\":0}");
        conforms("Trial", trial.body());
        assertThat(json(trial).path("reproduced").asInt()).isEqualTo(3);
        assertThat(json(trial).path("refused_before").asInt()).isZero();
        assertThat(json(trial).path("refused_then").asInt()).isEqualTo(2);
        assertThat(json(trial).path("tokens_saved").asDouble()).isEqualTo(14);
        assertThat(get(withToken, "/api/policies/trial").statusCode())
                .as("nothing was written")
                .isEqualTo(404);

        var wrong = tried("{\"capacity\":0,\"refill_rate\":0}");
        assertThat(wrong.statusCode()).isEqualTo(400);
        assertThat(wrong.body()).contains("capacity must be above 0");
        assertThat(send(request(withToken, agent("trial") + "/whatif")
                                .header("Content-Type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString("{}")))
                        .statusCode())
                .as("without the token")
                .isEqualTo(401);
    }

    private static HttpResponse<String> tried(String policy) {
        return send(request(withToken, agent("trial") + "/whatif")
                .header("Authorization", "Bearer " + TOKEN)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(policy)));
    }

    private static JsonNode lastDecision(String agentId) {
        return json(get(withToken, agent(agentId))).path("recent_decisions").path(0);
    }

    @Test
    void oddPolicyKeysComeBack() {
        var put = send(request(withToken, "/api/policies/" + AgentPath.encode("../p"))
                .header("Authorization", "Bearer " + TOKEN)
                .header("Content-Type", "application/json")
                .PUT(HttpRequest.BodyPublishers.ofString("{\"capacity\":5,\"refill_rate\":0}")));
        assertThat(put.statusCode()).as(put.body()).isEqualTo(200);
        conforms("Written", put.body());
        assertThat(json(put).path("policy").asText()).startsWith("../p@");

        var deleted = send(request(withoutToken, "/api/policies/" + AgentPath.encode("../p"))
                .DELETE());
        assertThat(deleted.statusCode()).as(deleted.body()).isEqualTo(204);
        try (var topic = new PolicyTopic(cluster.settings())) {
            assertThat(topic.history("../p"))
                    .hasSize(2)
                    .allSatisfy(change -> assertThat(change.changedBy()).hasValue("api:127.0.0.1"));
        }
    }

    @Test
    void agentShowsEveryLimitOfItsPolicy() {
        put(
                "limited",
                "{\"limits\":[{\"name\":\"burst\",\"capacity\":5,\"refill_rate\":1},{\"name\":\"month\",\"capacity\":50,"
                        + "\"period\":\"month\",\"zone\":\"Asia/Tokyo\"}]}");

        await("the policy").atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
            var answer = get(withToken, agent("limited"));
            conforms("Agent", answer.body());
            var policy = json(answer).path("policy");
            assertThat(policy.path("capacity").asDouble()).isEqualTo(5);
            assertThat(policy.path("limits"))
                    .hasToString(
                            "[{\"name\":\"burst\",\"capacity\":5,\"refill_rate\":1},"
                                    + "{\"name\":\"month\",\"capacity\":50,\"refill_rate\":0,\"period\":\"month\",\"zone\":\"Asia/Tokyo\"}]");
        });
    }

    @Test
    void putKeepsWhatItDoesNotName() {
        put("noted", "{\"capacity\":5,\"refill_rate\":0,\"mode\":\"shadow\",\"note\":\"why\"}");
        var answer = put("noted", "{\"capacity\":7,\"refill_rate\":1}");
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);

        var read = get(withToken, "/api/policies/noted");
        conforms("Policy", read.body());
        assertThat(read.headers().firstValue("ETag")).isEqualTo(answer.headers().firstValue("ETag"));
        assertThat(json(read).path("policy")).isEqualTo(json(answer).path("policy"));
        var document = json(read).path("document");
        assertThat(document.path("capacity").asDouble()).isEqualTo(7);
        assertThat(document.path("mode").asText()).isEqualTo("shadow");
        assertThat(document.path("note").asText()).isEqualTo("why");
        var all = get(withToken, "/api/policies");
        conforms("Policies", all.body());
        assertThat(json(all).path("policies").findValuesAsText("agent_id")).contains("noted");
    }

    @Test
    void changeOfAnotherPolicyIsRefused() {
        assertThat(put("tagged", "{\"capacity\":5,\"refill_rate\":0}", "If-Match", "*")
                        .statusCode())
                .isEqualTo(412);
        var first = put("tagged", "{\"capacity\":5,\"refill_rate\":0}", "If-None-Match", "*");
        assertThat(first.statusCode()).isEqualTo(200);
        var etag = first.headers().firstValue("ETag").orElseThrow();
        assertThat(put("tagged", "{\"capacity\":6}", "If-None-Match", "*").statusCode())
                .isEqualTo(412);
        assertThat(put("tagged", "{\"capacity\":6}", "If-Match", etag).statusCode())
                .isEqualTo(200);

        var late = put("tagged", "{\"capacity\":7}", "If-Match", etag);
        assertThat(late.statusCode()).isEqualTo(412);
        conforms("Problem", late.body());
        assertThat(json(late).path("title").asText()).isEqualTo("Precondition Failed");
        assertThat(send(policy("tagged").header("If-Match", etag).DELETE()).statusCode())
                .isEqualTo(412);
        assertThat(json(get(withToken, "/api/policies/tagged"))
                        .at("/document/capacity")
                        .asDouble())
                .isEqualTo(6);
        assertThat(send(policy("tagged").DELETE()).statusCode()).isEqualTo(204);
        assertThat(get(withToken, "/api/policies/tagged").statusCode()).isEqualTo(404);
    }

    @Test
    void shadowTellsWhatItWouldRefuse() {
        var name = json(put("shade/*", "{\"capacity\":10,\"refill_rate\":0,\"mode\":\"shadow\"}"))
                .path("policy")
                .asText();
        assertThat(json(get(withToken, policyPath("shade/*"))).has("shadow"))
                .as("it has looked at nothing yet")
                .isFalse();
        for (int i = 0; i < 10; i++) { // spread over both instances
            var agentId = "shade/" + i;
            await().atMost(Duration.ofSeconds(30))
                    .until(() -> json(get(withToken, agent(agentId)))
                            .at("/policy/name")
                            .asText()
                            .equals(name));
            for (int n = 0; n < 3; n++) requests.send(agentId, 5, 3L * i + n);
        }

        for (var instance : List.of(withToken, withoutToken)) {
            await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
                var answer = get(instance, policyPath("shade/*"));
                conforms("Policy", answer.body());
                var shadow = json(answer).path("shadow");
                assertThat(shadow.path("requests").asLong()).as(answer.body()).isEqualTo(30);
                assertThat(shadow.path("would_refuse").asLong()).isEqualTo(10);
            });
        }
        put("shade/*", "{\"capacity\":11}");
        assertThat(json(get(withToken, policyPath("shade/*"))).has("shadow"))
                .as("another policy begins anew")
                .isFalse();
    }

    @Test
    void historyIsNewestFirst() {
        put("past", "{\"capacity\":5,\"refill_rate\":0,\"note\":\"first\"}");
        put("past", "{\"capacity\":6}");
        send(policy("past").DELETE());

        var answer = get(withoutToken, policyPath("past") + "/history");

        conforms("PolicyHistory", answer.body());
        var changes = json(answer).path("changes");
        assertThat(changes.findValuesAsText("change")).containsExactly("deleted", "set", "set");
        assertThat(changes.findValuesAsText("changed_by")).containsOnly("api:127.0.0.1");
        assertThat(changes.at("/1/document/capacity").asInt()).isEqualTo(6);
        assertThat(changes.at("/2/document/note").asText()).isEqualTo("first");
        var never = get(withToken, policyPath("never-written") + "/history");
        assertThat(json(never).path("changes")).isEmpty();
    }

    @Test
    void unseenAgentIsUnknown() {
        assertThat(json(get(withToken, agent("never-seen"))).path("known")).isEqualTo(JSON.valueToTree(false));
        assertThat(json(get(withToken, agent("never-seen"))).path("known"))
                .as("and looking does not make it known")
                .isEqualTo(JSON.valueToTree(false));

        requests.send("seen", 0, 1);
        await().atMost(Duration.ofSeconds(30))
                .until(() -> json(get(withToken, agent("seen"))).path("known").asBoolean());
    }

    private static HttpRequest.Builder policy(String key) {
        return request(withToken, policyPath(key)).header("Authorization", "Bearer " + TOKEN);
    }

    private static String policyPath(String key) {
        return "/api/policies/" + AgentPath.encode(key);
    }

    private static HttpResponse<String> put(String key, String json, String... headers) {
        var request =
                policy(key).header("Content-Type", "application/json").PUT(HttpRequest.BodyPublishers.ofString(json));
        return send(headers.length == 0 ? request : request.headers(headers));
    }

    private static HttpResponse<String> reset(ApplicationProcess instance, String agentId) {
        return send(request(instance, agent(agentId) + "/reset")
                .header("Authorization", "Bearer " + TOKEN)
                .POST(HttpRequest.BodyPublishers.noBody()));
    }

    private static String readFrom(String agentId) {
        return json(get(withToken, agent(agentId)))
                .path("bucket")
                .path("read_from")
                .asText();
    }

    private static void awaitTokens(ApplicationProcess instance, String agentId, double tokens) {
        await(agentId + " has " + tokens)
                .atMost(Duration.ofSeconds(30))
                .until(() -> json(get(instance, agent(agentId)))
                                .path("bucket")
                                .path("tokens")
                                .asDouble(-1)
                        == tokens);
    }

    // ---- the command

    @Test
    void commandShowsAndResetsBuckets() {
        requests.send("of-the-command", 30, 1);
        awaitTokens(withToken, "of-the-command", CAPACITY - 30);
        var url = withToken.http().toString();

        var shown = command(TOKEN, "show", "of-the-command", "--url", url);
        assertThat(shown).startsWith("0 ").contains("tokens        20", "capacity      50", "read from     redis");
        conforms(
                "Agent",
                command(TOKEN, "show", "of-the-command", "--json", "--url", url).substring(2));
        requests.send("nearly-empty", CAPACITY - 1e-7, 2);
        await().atMost(Duration.ofSeconds(30))
                .untilAsserted(() -> assertThat(command(TOKEN, "show", "nearly-empty", "--url", url))
                        .containsPattern("tokens +0\\.000000"));
        assertThat(command("wrong", "reset", "of-the-command", "--url", url))
                .startsWith("1 ")
                .contains("refuses: the token is not that of TOLLGATE_HTTP_TOKEN")
                .doesNotContain("\tat ");
        assertThat(command(
                        TOKEN,
                        "reset",
                        "of-the-command",
                        "--url",
                        withoutToken.http().toString()))
                .startsWith("0 ")
                .contains("tokens        50");
        assertThat(command(TOKEN, "show", "x", "--url", "http://127.0.0.1:1"))
                .startsWith("1 ")
                .contains("does not answer at");
        assertThat(command(TOKEN, "show", "x".repeat(257))).startsWith("2 ").contains("at most 256 bytes");
        assertThat(command(TOKEN, "show", "x", "--url", "nonsense"))
                .startsWith("2 ")
                .contains("--url must be");
    }

    /** Returns the exit code, a blank, and what was printed. */
    private static String command(String token, String... arguments) {
        var all = Stream.concat(Stream.of("bucket"), Stream.of(arguments)).toArray(String[]::new);
        var ended =
                TestCluster.on("127.0.0.1:1").with("TOLLGATE_HTTP_TOKEN", token).command(all);
        return ended.exitCode() + " " + ended.output();
    }

    // ---- plumbing

    private static String agent(String agentId) {
        return "/api/agents/" + AgentPath.encode(agentId);
    }

    private static void isProblem(HttpResponse<String> answer, int status) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(status);
        assertThat(answer.headers().firstValue("Content-Type").orElse("")).startsWith("application/problem+json");
        conforms("Problem", answer.body());
        assertThat(json(answer).path("status").asInt()).isEqualTo(status);
    }

    /** Compares an answer with the schema of this name in the pipeline's own OpenAPI document. */
    private static void conforms(String schema, String body) {
        try {
            var document = JSON.readTree(get(withToken, "/api/openapi.json").body());
            var root = JSON.createObjectNode();
            root.put("$schema", "https://json-schema.org/draft/2020-12/schema");
            root.put("$ref", "#/components/schemas/" + schema);
            root.set("components", document.path("components"));
            var errors = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                    .getSchema(root.toString(), InputFormat.JSON)
                    .validate(body, InputFormat.JSON);
            assertThat(errors).as(body).isEmpty();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static HttpRequest.Builder request(ApplicationProcess application, String path) {
        return HttpRequest.newBuilder(URI.create(application.http() + path)).timeout(Duration.ofSeconds(20));
    }

    private static HttpResponse<String> get(ApplicationProcess application, String path) {
        return send(request(application, path));
    }

    private static HttpResponse<String> send(HttpRequest.Builder request) {
        var call = request.build();
        try {
            var answer = CLIENT.send(call, HttpResponse.BodyHandlers.ofString());
            isDescribed(call, answer);
            return answer;
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** The status and type of an answer must be in the document if the call is. */
    private static void isDescribed(HttpRequest call, HttpResponse<String> answer)
            throws IOException, InterruptedException {
        var document = JSON.readTree(
                CLIENT.send(request(withToken, "/api/openapi.json").build(), HttpResponse.BodyHandlers.ofString())
                        .body());
        document.path("paths").properties().forEach(path -> {
            var operation = path.getValue().get(call.method().toLowerCase(Locale.ROOT));
            if (operation == null
                    || !call.uri().getRawPath().matches(path.getKey().replace("{id}", "[^/]+"))) return;
            var described = operation.path("responses").path(Integer.toString(answer.statusCode()));
            var shared = described.path("$ref").asText("").replaceFirst("^#", "");
            var types = (shared.isEmpty() ? described : document.at(shared)).path("content");
            var type = answer.headers().firstValue("Content-Type").map(text -> text.replaceFirst(";.*", ""));
            assertThat(described.isMissingNode())
                    .as("%s %s: %s is not described", call.method(), path.getKey(), answer.statusCode())
                    .isFalse();
            if (answer.body().isEmpty()) return;
            assertThat(types.properties().stream().map(each -> each.getKey()).toList())
                    .as("%s %s: %s", call.method(), path.getKey(), answer.statusCode())
                    .isEqualTo(type.stream().toList());
        });
    }

    private static JsonNode json(HttpResponse<String> answer) {
        try {
            return JSON.readTree(answer.body());
        } catch (IOException e) {
            throw new AssertionError(answer.body(), e);
        }
    }

    private static Socket socket(ApplicationProcess application) throws IOException {
        return new Socket("127.0.0.1", application.http().getPort());
    }

    private static String raw(ApplicationProcess application, String request) throws IOException {
        try (var socket = socket(application)) {
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write(request.getBytes(UTF_8));
            return new String(socket.getInputStream().readAllBytes(), UTF_8);
        }
    }
}
