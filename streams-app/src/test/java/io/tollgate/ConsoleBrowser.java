package io.tollgate;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeOptions;

/** A real browser for tests of the console. */
final class ConsoleBrowser {
    private ConsoleBrowser() {}

    /** Starts it without a window; skips the test where there is no Chromium with its driver. */
    static ChromeDriver start() {
        var chromium = onPath("chromium", "chromium-browser", "google-chrome");
        var driver = onPath("chromedriver");
        Assumptions.assumeTrue(
                chromium.isPresent() && driver.isPresent(), "needs chromium and chromedriver on the PATH");
        var options = new ChromeOptions();
        options.setBinary(chromium.get().toFile());
        options.addArguments(
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000", "--lang=en");
        System.setProperty("webdriver.chrome.driver", driver.get().toString()); // or Selenium would download one
        var browser = new ChromeDriver(options);
        browser.manage().timeouts().scriptTimeout(Duration.ofSeconds(30));
        return browser;
    }

    private static Optional<Path> onPath(String... names) {
        return Stream.of(names)
                .flatMap(name -> Stream.of(System.getenv("PATH").split(File.pathSeparator))
                        .map(folder -> Path.of(folder, name)))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /** Returns the text of the element. */
    static String text(ChromeDriver browser, String id) {
        return String.valueOf(browser.executeScript("return document.getElementById(arguments[0]).textContent", id))
                .strip();
    }
}
