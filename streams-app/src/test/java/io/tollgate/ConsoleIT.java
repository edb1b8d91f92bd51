package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.http.AgentPath;
import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.OwnThread;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.interactions.Actions;

/** The console in a real browser, over a real pipeline with traffic. Skipped where there is no Chromium with its driver. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Order(1) // long, and one after the other
class ConsoleIT {
    private static final String TOKEN = "let-me-in";
    private static final String HOSTILE = "<img src=x onerror=document.title='hacked'>";
    private static final Duration SOON = Duration.ofSeconds(30);

    private static RedisServer redis;
    private static TestCluster cluster;
    private static ApplicationProcess application;
    private static Requests requests;
    private static ChromeDriver browser;
    private static Future<?> traffic;
    private static final AtomicBoolean more = new AtomicBoolean(true);

    @BeforeAll
    static void start() {
        browser = ConsoleBrowser.start();
        redis = RedisServer.start(RedisServer.RedisOptions.defaults().withAppendOnly(true));
        cluster = TestCluster.onSharedBroker()
                .withLimit(200, 20)
                .with("REDIS_URL", redis.uri())
                .with("TOLLGATE_HTTP_TOKEN", TOKEN);
        application = cluster.start();
        requests = new Requests(cluster);
        traffic = OwnThread.run(ConsoleIT::sendOn);
        browser.get(application.http() + "/");
    }

    /** Two that ask for too much, some that do not, and one whose name is an attack. */
    private static void sendOn() {
        for (long round = 0; more.get(); round++) {
            requests.send("greedy-1", 10, round);
            if (round % 2 == 0) requests.send("greedy-2", 10, round);
            if (round % 5 == 0) requests.send(HOSTILE, 90, round);
            for (int i = 0; i < 3; i++) requests.send("calm-" + (round * 3 + i) % 60, 3, round);
            LockSupport.parkNanos(100_000_000);
        }
    }

    @AfterAll
    static void stop() throws Exception {
        more.set(false);
        if (traffic != null) traffic.get();
        if (browser != null) browser.quit();
        for (AutoCloseable each : new AutoCloseable[] {requests, application, cluster, redis}) {
            if (each != null) each.close();
        }
    }

    @Test
    @Order(1)
    void overviewShowsTraffic() {
        await("Redis in use").atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));
        await("approvals and refusals")
                .atMost(Duration.ofSeconds(60))
                .until(() -> number("approved") > 0 && number("rejected") > 0);
        assertThat(text("redis-since")).contains("since");
        assertThat(text("connection-text")).isEqualTo("live");
        assertThat(text("share-text")).contains("Redis", "local");
        await("the share of refusals")
                .atMost(SOON)
                .until(() -> text("rejected-share").matches("[0-9.]+ % of all"));
        await("percentiles").atMost(SOON).until(() -> number("latency") > 0);
        assertThat(text("latency-p99")).matches("p99 [0-9.,]+ ms, lately at most [0-9.,]+ ms");
        assertThat(text("facts"))
                .matches("Tollgate \\d.* · application .* · Kafka cluster .*")
                .contains(cluster.settings().streams().applicationId())
                .doesNotContain("not known");
        await("the chart")
                .atMost(SOON)
                .until(() ->
                        !browser.findElements(By.cssSelector("#chart canvas")).isEmpty());
        await("the greedy ones").atMost(SOON).until(() -> text("throttled").contains("greedy-1"));
        assertThat(text("instances")).contains("127.0.0.1", "running");
        assertThat((Long) browser.executeScript("""
                        return [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]
                            .reduce((sum, one) => sum + one.encodedBodySize, 0)"""))
                .as("bytes of the whole console, compressed")
                .isBetween(30_000L, 65_536L);
    }

    @Test
    @Order(2)
    void chartTellsItsValues() {
        await("a value")
                .atMost(SOON)
                .until(() -> text("chart-readout").matches("(?s).*: approved .*/s, rejected .*/s.*locally .*"));
        var chart = browser.findElement(By.cssSelector("#chart .u-over"));
        int half = chart.getSize().getWidth() / 2;

        new Actions(browser).moveToElement(chart, 20 - half, 0).perform();
        await("before the start").atMost(SOON).until(() -> text("chart-readout").endsWith(": no figures"));
        new Actions(browser).moveToElement(chart, half - 3, 0).perform();
        await("now").atMost(SOON).until(() -> text("chart-readout").contains("/s"));

        browser.executeScript("document.getElementById('chart').focus()");
        browser.switchTo().activeElement().sendKeys(Keys.HOME);
        await("before the start").atMost(SOON).until(() -> text("chart-readout").endsWith(": no figures"));
        browser.switchTo().activeElement().sendKeys(Keys.END);
        await("now").atMost(SOON).until(() -> text("chart-readout").contains("/s"));
    }

    @Test
    @Order(3)
    void hostileIdIsShownAsText() {
        await("it is refused")
                .atMost(Duration.ofSeconds(60))
                .until(() -> text("throttled").contains(HOSTILE));
        search(HOSTILE);
        await("it is shown").atMost(SOON).until(() -> text("agent-name").equals(HOSTILE));
        await("its decisions").atMost(SOON).until(() -> !text("decisions").isEmpty());
        assertThat(browser.getTitle()).isEqualTo(HOSTILE + " · Tollgate");
        open("#/policies/" + AgentPath.encode(HOSTILE));
        await("its policy").atMost(SOON).until(() -> text("policy-error").contains("has no policy of its own"));
        assertThat(text("policy-commands")).contains("policy set --capacity 200 --refill-rate 20 --mode enforce '<img");
        assertThat(browser.getTitle()).startsWith(HOSTILE);
        assertThat(browser.findElements(By.cssSelector("main img"))).isEmpty();
    }

    @Test
    @Order(4)
    void keyboardFindsAnAgentThatRefills() {
        browser.executeScript("document.activeElement.blur()");
        for (int i = 0;
                i < 60 && !"agent-id".equals(browser.switchTo().activeElement().getAttribute("id"));
                i++) {
            browser.switchTo().activeElement().sendKeys(Keys.TAB);
        }
        var field = browser.switchTo().activeElement();
        assertThat(field.getAttribute("id")).as("reached by the tab key").isEqualTo("agent-id");
        field.clear();
        field.sendKeys("greedy-1", Keys.ENTER);
        await("it is shown").atMost(SOON).until(() -> text("agent-name").equals("greedy-1"));
        await("its bucket").atMost(SOON).until(() -> text("capacity").equals("200"));
        assertThat(browser.switchTo().activeElement().getAttribute("id"))
                .as("the reader goes on there")
                .isEqualTo("agent-name");
        assertThat(text("refill")).isEqualTo("20 per second");
        await("its decisions").atMost(SOON).until(() -> text("decisions").contains("quota exceeded"));
        var before = text("tokens");
        await("the gauge moves between two answers")
                .atMost(SOON)
                .until(() -> !text("tokens").equals(before));
    }

    @Test
    @Order(5)
    void addressOpensAndBackReturns() {
        browser.get(application.http() + "/#/agents/greedy-1");
        await("the agent").atMost(SOON).until(() -> text("capacity").equals("200"));
        assertThat(browser.getTitle()).isEqualTo("greedy-1 · Tollgate");
        open("#/policies");
        await("the policies").atMost(SOON).until(() -> text("policies-count").contains("Read at"));
        browser.navigate().back();
        await("the agent again").atMost(SOON).until(() -> isShown("agents"));
        open("#/agents/a%2Fb%2525");
        await("an id that is encoded")
                .atMost(SOON)
                .until(() -> text("agent-name").equals("a/b%25"));
        open("#/nothing-of-the-kind");
        await("the overview").atMost(SOON).until(() -> isShown("overview"));
    }

    @Test
    @Order(6)
    void unseenAgentIsUnknown() {
        search("never-seen");
        await("unknown").atMost(SOON).until(() -> isShown("agent-unknown"));
        assertThat(text("policy")).isEqualTo("default (enforce)");
        assertThat(List.of("bucket", "agent-decisions", "reset", "time-to-full"))
                .noneMatch(ConsoleIT::isShown);
        assertThat(text("agent-commands")).doesNotContain("reset");
        search("greedy-1");
        await("known").atMost(SOON).until(() -> isShown("bucket"));
        assertThat(isShown("agent-unknown")).isFalse();
    }

    @Test
    @Order(7)
    void shadowTellsWhatItWouldRefuse() throws Exception {
        put("calm-*", "{\"capacity\":1,\"refill_rate\":0,\"mode\":\"shadow\",\"note\":\"a trial for Ana\"}");
        put("off-1", "{\"capacity\":1,\"refill_rate\":0,\"mode\":\"off\"}");
        open("#/policies");
        await("the score").atMost(SOON).until(() -> {
            click("policies-again");
            return text("policy-rows")
                    .matches("(?s).*calm-\\*shadow1 at once, never refills[0-9,]+ of [0-9,]+ \\(100 %\\).*");
        });
        assertThat(text("policy-rows")).contains("a trial for Ana", "api:127.0.0.1", "none: mode off");
        browser.findElement(By.id("filter")).sendKeys("ana");
        await("filtered").atMost(SOON).until(() -> !text("policy-rows").contains("off-1"));
        browser.findElement(By.id("filter")).clear();

        open("#/policies/calm-*");
        await("its page").atMost(SOON).until(() -> text("shadow").startsWith("Would have refused "));
        assertThat(text("policy-note")).isEqualTo("a trial for Ana");
        assertThat(text("history")).contains("1 at once, never refills, shadow", "api:127.0.0.1", "calm-*@0/");
        assertThat(isShown("try-policy")).as("nobody is called so").isFalse();
    }

    @Test
    @Order(8)
    void axeFindsNothingInAnyTheme() throws IOException {
        for (var page : List.of("#/", "#/agents/greedy-1", "#/agents/never-seen", "#/policies", "#/policies/calm-*")) {
            open(page);
            await(page)
                    .atMost(SOON)
                    .until(() -> isShown("overview")
                            || isShown("agent")
                            || text("policies-count").contains("Read at") && isShown("policies")
                            || isShown("policy-facts"));
            for (var picture : List.of("light", "dark", "phone")) {
                boolean phone = picture.equals("phone");
                colours(picture.equals("dark") ? "dark" : "light");
                size(phone ? 390 : 1280, phone);
                assertThat(violations()).as(page + " " + picture).isEmpty();
                assertThat((Boolean) browser.executeScript(
                                "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
                        .as("no sideways scrolling, " + page + " " + picture)
                        .isTrue();
                if (page.equals("#/")) photograph("console-" + picture);
            }
        }
        colours("light");
        size(1280, false);
    }

    @Test
    @Order(9)
    void resetAsksFirstAndThenTellsTheTruth() throws IOException {
        more.set(false);
        search("greedy-2");
        await().atMost(SOON).until(() -> text("agent-name").equals("greedy-2") && isShown("reset"));

        click("reset");
        assertThat(browser.findElement(By.id("confirm")).isDisplayed()).isTrue();
        assertThat(text("confirm-title")).isEqualTo("Fill the bucket of greedy-2?");
        assertThat(text("confirm-command")).contains("./tollgate bucket reset greedy-2");
        assertThat(violations()).isEmpty();
        browser.switchTo().activeElement().sendKeys(Keys.ENTER); // on Cancel
        await("closed").atMost(SOON).until(() -> !isShown("confirm"));
        assertThat(text("changed")).isEmpty();

        click("reset");
        click("confirm-yes");
        await("refused without the token")
                .atMost(SOON)
                .until(() -> text("changed").contains("TOLLGATE_HTTP_TOKEN"));
        assertThat(browser.switchTo().activeElement().getAttribute("id")).isEqualTo("token");

        browser.findElement(By.id("token")).sendKeys(TOKEN);
        click("reset");
        click("confirm-yes");
        await("filled")
                .atMost(SOON)
                .until(() -> text("changed").matches("Filled at .*; [0-9.]+ of 200 tokens were there then\\."));
        await("full").atMost(SOON).until(() -> text("full").equals("now"));
    }

    @Test
    @Order(10)
    void policyKeepsItsNoteUntilDeleted() throws Exception {
        search("greedy-2");
        await().atMost(SOON).until(() -> isShown("own-policy"));
        click("own-policy");
        await("what applies now").atMost(SOON).until(() -> value("new-capacity").equals("200"));
        type("new-capacity", "77");
        type("new-note", "asked for by Ana's team");
        assertThat(text("policy-commands"))
                .contains(
                        "./tollgate policy set --capacity 77 --refill-rate 20 --mode enforce --note 'asked for by Ana'\\''s team' greedy-2");
        click("try-policy");
        await("tried")
                .atMost(SOON)
                .until(() -> text("policy-result").matches("Of .* would have been refused, .* Nothing was changed\\."));
        submit();
        await("set")
                .atMost(SOON)
                .until(() -> text("policy-result")
                        .matches("Written as greedy-2@0/\\d+\\. The policy has been set, and decisions follow it\\."));

        type("new-capacity", "78");
        submit();
        await("set again").atMost(SOON).until(() -> text("history").contains("78 at once"));
        await("with its note").atMost(SOON).until(() -> text("policy-note").equals("asked for by Ana's team"));
        await("followed").atMost(SOON).until(() -> text("policy-result").contains("decisions follow it"));

        put("greedy-2", "{\"capacity\":79}");
        type("new-capacity", "80");
        submit();
        await("not over somebody else's")
                .atMost(SOON)
                .until(() -> text("policy-result").startsWith("Somebody has changed this policy meanwhile"));
        await("read again").atMost(SOON).until(() -> text("policy-limits").startsWith("79 at once"));

        click("delete-policy");
        assertThat(text("confirm-command")).contains("./tollgate policy delete greedy-2");
        click("confirm-yes");
        await("deleted")
                .atMost(SOON)
                .until(() -> text("policy-result")
                        .matches("greedy-2@0/\\d+ has been deleted: greedy-2 follows default now\\."));
        await("and there is nothing to delete").atMost(SOON).until(() -> !isShown("delete-policy"));
    }

    @Test
    @Order(11)
    void copiedCommandIsOnTheClipboard() {
        browser.executeCdpCommand(
                "Browser.grantPermissions",
                Map.of("permissions", List.of("clipboardReadWrite", "clipboardSanitizedWrite")));
        open("#/agents/-odd%20'id");
        await().atMost(SOON).until(() -> text("agent-commands").contains("./tollgate bucket show -- '-odd '\\''id'"));
        var copy = browser.findElement(By.cssSelector("#agent-commands button"));
        copy.click();
        await("copied").atMost(SOON).until(() -> copy.getText().equals("copied"));
        assertThat(browser.executeAsyncScript(
                        "const done = arguments[0]; navigator.clipboard.readText().then(done, done)"))
                .isEqualTo("./tollgate bucket show -- '-odd '\\''id'");
    }

    @Test
    @Order(12)
    void everyLimitHasAGauge() throws Exception {
        put("several", """
                {"limits":[{"name":"burst","capacity":100,"refill_rate":50},
                           {"name":"day","capacity":500,"refill_rate":0}]}""");
        requests.send("several", 60, 1);
        search("several");
        await("charged on both")
                .atMost(SOON)
                .until(() -> text("limits").startsWith("440.0 of 500 tokens under the limit day")
                        && text("full").equals("never"));
        assertThat(text("limit-name")).isEqualTo("under the limit burst");
        assertThat(violations()).isEmpty();

        click("own-policy");
        await("which limit it changes").atMost(SOON).until(() -> text("several").contains("change the first, burst"));
        type("new-capacity", "90");
        submit();
        await("the other stays")
                .atMost(SOON)
                .until(() -> text("policy-limits")
                        .equals("burst: 90 at once, 50 per second; day: 500 at once, never refills"));
        assertThat(text("policy-commands")).contains("| ./tollgate policy load -");

        search("greedy-2");
        await().atMost(SOON).until(() -> isShown("bucket") && text("limits").isEmpty());
    }

    @Test
    @Order(13)
    void redisOutageShowsAtOnce() throws IOException {
        open("#/");
        await("nobody asks it")
                .atMost(SOON)
                .until(() -> text("redis-state").equals("Redis was in use when it was last asked"));
        more.set(true);
        traffic = OwnThread.run(ConsoleIT::sendOn);
        await().atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));

        redis.freeze();
        long frozen = System.nanoTime();
        await("away")
                .atMost(SOON)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> text("redis-state").startsWith("Redis is away"));
        // Usually a second or two; a busy machine may need more.
        assertThat(Duration.ofNanos(System.nanoTime() - frozen)).isLessThan(Duration.ofSeconds(10));
        assertThat(browser.findElement(By.id("redis")).getAttribute("data-state"))
                .isEqualTo("bad");
        await("decided locally").atMost(SOON).until(() -> text("share-text").contains("local 100"));
        assertThat(isShown("share-local")).isTrue();
        await("on the chart").atMost(SOON).until(() -> text("chart-readout").endsWith(", Redis away"));
        photograph("console-redis-away");

        redis.thaw();
        await("back").atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));
        redis.kill();
        await("away").atMost(SOON).until(() -> text("redis-state").startsWith("Redis is away"));
        redis.restart();
        await("back").atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));
    }

    @Test
    @Order(14)
    void frozenPipelineDoesNotLookAlive() throws IOException {
        search("greedy-1");
        await().atMost(SOON)
                .until(() -> isShown("bucket") && text("connection-text").equals("live"));
        var lively = colour();

        application.freeze();
        try {
            await("no news").atMost(SOON).until(() -> text("notices").startsWith("No news from the pipeline for "));
            await("of when").atMost(SOON).until(() -> text("agent-as-of").startsWith("As of "));
            assertThat(text("connection-text")).startsWith("no news for");
            assertThat(colour()).as("dim").isNotEqualTo(lively);
            var tokens = text("tokens");
            await("time goes on").atMost(SOON).until(() -> text("notices").matches(".* for ([8-9]|[1-9][0-9]) s\\..*"));
            assertThat(text("tokens")).as("no bucket refills that nobody sees").isEqualTo(tokens);
            assertThat(violations()).isEmpty();
            open("#/");
            assertThat(text("notices")).contains("What you see is of ");
            await("a gap").atMost(SOON).until(() -> text("chart-readout").endsWith(": no figures"));
            assertThat(violations()).isEmpty();
            photograph("console-frozen");
        } finally {
            application.thaw();
        }

        await("live")
                .atMost(SOON)
                .until(() -> text("connection-text").equals("live")
                        && text("notices").isEmpty());
        browser.executeScript("document.getElementById('chart').focus()");
        await("the gap stays").atMost(SOON).until(() -> {
            browser.switchTo().activeElement().sendKeys(Keys.ARROW_LEFT);
            return text("chart-readout").endsWith(": no figures");
        });
    }

    @Test
    @Order(15)
    void endedPipelineSendsNoNews() {
        more.set(false);
        application.terminate();
        await("no news").atMost(SOON).until(() -> text("notices").startsWith("No news from the pipeline"));
    }

    /** Returns the colour of the gauge. */
    private static String colour() {
        return browser.findElement(By.id("gauge-fill")).getCssValue("background-color");
    }

    private static void open(String hash) {
        browser.executeScript("location.hash = arguments[0]", hash);
    }

    private static boolean isShown(String id) {
        return browser.findElement(By.id(id)).isDisplayed();
    }

    private static String value(String id) {
        return String.valueOf(browser.findElement(By.id(id)).getDomProperty("value"));
    }

    private static void type(String id, String value) {
        var field = browser.findElement(By.id(id));
        field.clear();
        field.sendKeys(value);
    }

    private static void submit() {
        browser.executeScript("document.getElementById('policy-form').requestSubmit()");
    }

    private static void put(String key, String policy) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(application.http() + "/api/policies/" + AgentPath.encode(key)))
                .header("Authorization", "Bearer " + TOKEN)
                .header("Content-Type", "application/json")
                .PUT(HttpRequest.BodyPublishers.ofString(policy))
                .build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    }

    private static String text(String id) {
        return ConsoleBrowser.text(browser, id);
    }

    private static double number(String id) {
        var text = text(id).replace(",", "");
        return text.matches("[0-9.]+") ? Double.parseDouble(text) : 0;
    }

    private static void search(String agentId) {
        var field = browser.findElement(By.id("agent-id"));
        field.clear();
        field.sendKeys(agentId, Keys.ENTER);
    }

    private static void click(String id) {
        browser.executeScript("document.getElementById(arguments[0]).click()", id);
    }

    private static void colours(String scheme) {
        browser.executeCdpCommand(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", scheme))));
    }

    private static void size(int width, boolean phone) {
        browser.executeCdpCommand(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", 1000, "deviceScaleFactor", phone ? 2 : 1, "mobile", phone));
        await("the chart fits")
                .atMost(SOON)
                .until(
                        () -> (Boolean)
                                browser.executeScript(
                                        "return document.querySelector('#chart canvas').clientWidth <= document.getElementById('chart').clientWidth"));
    }

    /** Returns what axe-core finds. */
    @SuppressWarnings("unchecked")
    private static List<String> violations() throws IOException {
        try (var axe = ConsoleIT.class.getResourceAsStream("/META-INF/resources/webjars/axe-core/4.6.3/axe.min.js")) {
            browser.executeScript(new String(axe.readAllBytes(), UTF_8));
        }
        return (List<String>) browser.executeAsyncScript("""
                const done = arguments[arguments.length - 1];
                axe.run().then(found => done(found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | '))));
                """);
    }

    /** Keeps a picture of the whole page in target, to explain failures. */
    private static void photograph(String name) throws IOException {
        var picture = browser.executeCdpCommand(
                "Page.captureScreenshot", Map.of("format", "png", "captureBeyondViewport", true));
        var folder = Path.of("target/images");
        Files.createDirectories(folder);
        Files.write(folder.resolve(name + ".png"), Base64.getDecoder().decode((String) picture.get("data")));
    }
}
