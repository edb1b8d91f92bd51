package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.tollgate.sandbox.ApplicationProcess;
import io.tollgate.sandbox.OwnThread;
import io.tollgate.sandbox.RedisServer;
import java.io.File;
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
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeOptions;

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
        var chromium = onPath("chromium", "chromium-browser", "google-chrome");
        var driver = onPath("chromedriver");
        Assumptions.assumeTrue(
                chromium.isPresent() && driver.isPresent(), "needs chromium and chromedriver on the PATH");
        redis = RedisServer.start(RedisServer.Options.defaults().withAppendOnly(true));
        cluster = TestCluster.onSharedBroker()
                .withLimit(200, 20)
                .with("REDIS_URL", redis.uri())
                .with("TOLLGATE_HTTP_TOKEN", TOKEN);
        application = cluster.start();
        requests = new Requests(cluster);
        traffic = OwnThread.run(ConsoleIT::sendOn);
        var options = new ChromeOptions();
        options.setBinary(chromium.get().toFile());
        options.addArguments(
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000", "--lang=en");
        System.setProperty("webdriver.chrome.driver", driver.get().toString()); // or Selenium would download one
        browser = new ChromeDriver(options);
        browser.manage().timeouts().scriptTimeout(SOON);
        browser.get(application.http() + "/");
    }

    /** Two that ask too much, some that do not, and one whose name is an attack. */
    private static void sendOn() {
        for (long round = 0; more.get(); round++) {
            requests.send("greedy-1", 10, round);
            if (round % 2 == 0) requests.send("greedy-2", 10, round);
            if (round % 5 == 0) requests.send(HOSTILE, 90, round);
            for (int i = 0; i < 3; i++) requests.send("calm-" + (round * 3 + i) % 60, 3, round);
            LockSupport.parkNanos(100_000_000);
        }
    }

    private static Optional<Path> onPath(String... names) {
        return Stream.of(names)
                .flatMap(name -> Stream.of(System.getenv("PATH").split(File.pathSeparator))
                        .map(folder -> Path.of(folder, name)))
                .filter(Files::isExecutable)
                .findFirst();
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
    void givenTraffic_whenThePageIsOpened_thenItShowsWhatHappens() {
        await("Redis in use").atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));
        await("approvals and refusals")
                .atMost(Duration.ofSeconds(60))
                .until(() -> number("approved") > 0 && number("rejected") > 0);
        assertThat(text("redis-since")).contains("since");
        assertThat(text("connection-text")).isEqualTo("live");
        assertThat(text("share-text")).contains("Redis", "local");
        await("the chart")
                .atMost(SOON)
                .until(() ->
                        !browser.findElements(By.cssSelector("#chart canvas")).isEmpty());
        await("the greedy ones").atMost(SOON).until(() -> text("throttled").contains("greedy-1"));
        assertThat(text("instances")).contains("127.0.0.1", "running");
    }

    @Test
    @Order(2)
    void givenAnAgentWithAHostileId_whenItIsChosen_thenItIsShownAsText() {
        await("it is refused")
                .atMost(Duration.ofSeconds(60))
                .until(() -> text("throttled").contains(HOSTILE));
        search(HOSTILE);
        await("it is shown").atMost(SOON).until(() -> text("agent-name").equals(HOSTILE));
        assertThat(browser.getTitle()).isEqualTo("Tollgate");
        assertThat(browser.findElements(By.cssSelector("main img"))).isEmpty();
    }

    @Test
    @Order(3)
    void givenASearchByKeyboardAlone_whenAnAgentIsFound_thenItsBucketRefillsBeforeOnesEyes() {
        browser.executeScript("document.body.focus()");
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
        assertThat(text("capacity")).isEqualTo("200");
        assertThat(text("refill")).isEqualTo("20 per second");
        await("its decisions").atMost(SOON).until(() -> text("decisions").contains("quota exceeded"));
        var before = text("tokens");
        await("the gauge moves between two answers")
                .atMost(SOON)
                .until(() -> !text("tokens").equals(before));
    }

    @Test
    @Order(4)
    void givenLightDarkAndPhone_whenLookedAt_thenNothingSeriousIsFoundAndPicturesAreTaken() throws IOException {
        search("greedy-1");
        await().atMost(SOON).until(() -> text("agent-name").equals("greedy-1"));
        for (var picture : List.of("light", "dark", "phone")) {
            boolean phone = picture.equals("phone");
            colours(picture.equals("dark") ? "dark" : "light");
            size(phone ? 390 : 1280, phone);
            assertThat(violations()).as(picture).isEmpty();
            assertThat((Boolean) browser.executeScript(
                            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
                    .as("no sideways scrolling, " + picture)
                    .isTrue();
            photograph("console-" + picture);
        }
        colours("light");
        size(1280, false);
    }

    @Test
    @Order(5)
    void givenTheToken_whenABucketIsFilledAndAPolicySet_thenThePageSaysSo() {
        more.set(false);
        search("greedy-2");
        await().atMost(SOON).until(() -> text("agent-name").equals("greedy-2"));
        browser.executeScript("document.getElementById('change').open = true");

        click("reset");
        await("refused without the token")
                .atMost(SOON)
                .until(() -> text("changed").contains("TOLLGATE_HTTP_TOKEN"));

        browser.findElement(By.id("token")).sendKeys(TOKEN);
        click("reset");
        await("filled").atMost(SOON).until(() -> text("changed").equals("The bucket has been filled."));
        await("full").atMost(SOON).until(() -> text("full").equals("now"));

        var capacity = browser.findElement(By.id("new-capacity"));
        capacity.clear();
        capacity.sendKeys("77");
        click("try-policy");
        await("tried")
                .atMost(SOON)
                .until(() -> text("changed").matches("Of .* would have been refused, .* Nothing was changed\\."));
        browser.executeScript("document.getElementById('policy-form').requestSubmit()");
        await("set").atMost(SOON).until(() -> text("changed").contains("policy has been set"));
    }

    @Test
    @Order(6)
    void givenAnAgentWithSeveralLimits_whenItIsChosen_thenEachHasAGaugeAndThePolicyFormSaysWhatItReplaces()
            throws Exception {
        var policy = HttpRequest.newBuilder(URI.create(application.http() + "/api/policies/several"))
                .header("Authorization", "Bearer " + TOKEN)
                .header("Content-Type", "application/json")
                .PUT(HttpRequest.BodyPublishers.ofString("""
                        {"limits":[{"name":"burst","capacity":100,"refill_rate":50},
                                   {"name":"day","capacity":500,"refill_rate":0}]}"""))
                .build();
        assertThat(HttpClient.newHttpClient()
                        .send(policy, HttpResponse.BodyHandlers.ofString())
                        .statusCode())
                .isEqualTo(200);
        search("several");
        await("both limits")
                .atMost(SOON)
                .until(() -> text("limits").contains("500.0 of 500 tokens under the limit day"));
        assertThat(text("limit-name")).isEqualTo("under the limit burst");
        assertThat(text("full")).isEqualTo("now");
        requests.send("several", 60, 1);
        await("charged on both")
                .atMost(SOON)
                .until(() -> text("limits").startsWith("440.0") && text("full").equals("never"));
        browser.executeScript("document.getElementById('change').open = true");
        assertThat(browser.findElement(By.id("several")).isDisplayed()).isTrue();
        assertThat(violations()).isEmpty();

        search("greedy-2");
        await().atMost(SOON).until(() -> text("agent-name").equals("greedy-2"));
        assertThat(text("limits")).isEmpty();
        assertThat(browser.findElement(By.id("several")).isDisplayed()).isFalse();
    }

    @Test
    @Order(7)
    void givenRedis_whenItFreezesDiesAndComesBack_thenThePageSaysSoAtOnce() throws IOException {
        more.set(true);
        traffic = OwnThread.run(ConsoleIT::sendOn);
        await().atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));

        redis.freeze();
        long frozen = System.nanoTime();
        await("away")
                .atMost(SOON)
                .pollInterval(Duration.ofMillis(50))
                .until(() -> text("redis-state").startsWith("Redis is away"));
        // A second or two; a busy machine may need more, and nobody is to be misled by a test that fails now and then.
        assertThat(Duration.ofNanos(System.nanoTime() - frozen)).isLessThan(Duration.ofSeconds(10));
        assertThat(browser.findElement(By.id("redis")).getAttribute("data-state"))
                .isEqualTo("bad");
        await("decided locally").atMost(SOON).until(() -> text("share-text").contains("local 100"));
        photograph("console-redis-away");

        redis.thaw();
        await("back").atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));
        redis.kill();
        await("away").atMost(SOON).until(() -> text("redis-state").startsWith("Redis is away"));
        redis.restart();
        await("back").atMost(SOON).until(() -> text("redis-state").equals("Redis is in use"));
    }

    @Test
    @Order(8)
    void givenThePipeline_whenItEnds_thenThePageSaysThatItHasNoNews() {
        more.set(false);
        application.terminate();
        await("no news").atMost(SOON).until(() -> !text("connection-text").equals("live"));
    }

    private static String text(String id) {
        return String.valueOf(browser.executeScript("return document.getElementById(arguments[0]).textContent", id))
                .strip();
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

    /** Returns what axe-core finds that would keep somebody out. */
    @SuppressWarnings("unchecked")
    private static List<String> violations() throws IOException {
        try (var axe = ConsoleIT.class.getResourceAsStream("/META-INF/resources/webjars/axe-core/4.6.3/axe.min.js")) {
            browser.executeScript(new String(axe.readAllBytes(), UTF_8));
        }
        return (List<String>) browser.executeAsyncScript("""
                const done = arguments[arguments.length - 1];
                axe.run().then(found => done(found.violations
                    .filter(one => one.impact === 'serious' || one.impact === 'critical')
                    .map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | '))));
                """);
    }

    /** Keeps a picture of the whole page in target, and where -Dtollgate.pictures is set, in docs/images. */
    private static void photograph(String name) throws IOException {
        var picture = browser.executeCdpCommand(
                "Page.captureScreenshot", Map.of("format", "png", "captureBeyondViewport", true));
        var png = Base64.getDecoder().decode((String) picture.get("data"));
        var folder = Path.of(System.getProperty("tollgate.pictures") == null ? "target/images" : "../docs/images");
        Files.createDirectories(folder);
        Files.write(folder.resolve(name + ".png"), png);
    }
}
