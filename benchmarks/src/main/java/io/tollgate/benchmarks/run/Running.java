package io.tollgate.benchmarks.run;

import io.tollgate.sandbox.process.ApplicationProcess;
import io.tollgate.sandbox.process.ServerHome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/** A contestant that runs, and the names that are its own. */
final class Running implements AutoCloseable {
    private final TestBed testBed;
    private final String applicationId;
    private final String requestsTopic;
    private final String approvedTopic;
    private final String rejectedTopic;
    private final Path stateDir;
    private final ApplicationProcess.AppOptions options;
    private final List<ApplicationProcess> others = new ArrayList<>();
    private ApplicationProcess process;

    /** Starts the contestant; returns when its tasks run. */
    Running(
            TestBed testBed,
            Contestant contestant,
            String applicationId,
            String requestsTopic,
            Map<String, String> environment,
            int instances) {
        this.testBed = testBed;
        this.applicationId = applicationId;
        this.requestsTopic = requestsTopic;
        approvedTopic = "approved-by-" + applicationId;
        rejectedTopic = "rejected-by-" + applicationId;
        stateDir = testBed.dir().resolve(applicationId);
        testBed.createTopics(List.of(
                TestBed.plain(approvedTopic, testBed.partitions()),
                TestBed.plain(rejectedTopic, testBed.partitions())));
        var options = ApplicationProcess.AppOptions.defaults()
                .withoutClassArchive() // else figures would depend on the tests that ran before
                .withJvmArguments(testBed.jvm(contestant, environment).toArray(String[]::new))
                .withEnvironment("KAFKA_BOOTSTRAP_SERVERS", testBed.broker().bootstrapServers())
                .withEnvironment("TOLLGATE_APPLICATION_ID", applicationId)
                .withEnvironment("TOLLGATE_STATE_DIR", stateDir.toString())
                .withEnvironment("TOLLGATE_REQUESTS_TOPIC", requestsTopic)
                .withEnvironment("TOLLGATE_APPROVED_TOPIC", approvedTopic)
                .withEnvironment("TOLLGATE_REJECTED_TOPIC", rejectedTopic);
        if (contestant == Contestant.TOLLGATE_OFF) {
            options = options.withEnvironment("TOLLGATE_POLICIES_TOPIC", TestBed.EVERYBODY_OFF);
        }
        if (contestant.usesRedis)
            options = options.withEnvironment("REDIS_URL", testBed.redis().uri());
        for (var setting : environment.entrySet()) {
            options = options.withEnvironment(setting.getKey(), setting.getValue());
        }
        this.options = options;
        process = ApplicationProcess.start(options);
        try {
            for (int other = 1; other < instances; other++) {
                var state = testBed.dir().resolve(applicationId + "-" + other);
                others.add(ApplicationProcess.start(options.withEnvironment("TOLLGATE_STATE_DIR", state.toString())));
            }
            process.awaitReady(Duration.ofSeconds(180));
            for (var other : others) other.awaitReady(Duration.ofSeconds(180));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    ApplicationProcess process() {
        return process;
    }

    /** Returns the process ids of all instances, by a name for each. */
    Map<String, Long> pids() {
        var pids = new LinkedHashMap<String, Long>();
        pids.put("instance 1", process.pid());
        for (int i = 0; i < others.size(); i++)
            pids.put("instance " + (i + 2), others.get(i).pid());
        return pids;
    }

    /**
     * Ends it, deletes its state folder if asked to, and starts it again; returns the seconds until it is ready.
     */
    double restart(boolean emptied) {
        process.terminate();
        process.awaitExit(Duration.ofSeconds(30));
        process.close();
        if (emptied) ServerHome.deleteTree(stateDir);
        long start = System.nanoTime();
        process = ApplicationProcess.start(options);
        process.awaitReady(Duration.ofSeconds(180));
        return (System.nanoTime() - start) / 1e9;
    }

    String approvedTopic() {
        return approvedTopic;
    }

    /** Returns the answer of the first instance's HTTP server. */
    String get(String path) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(process.http().resolve(path)).build();
        return HttpClient.newHttpClient()
                .send(request, HttpResponse.BodyHandlers.ofString())
                .body();
    }

    /** Ends it cleanly; returns the seconds that this takes. */
    double end() {
        long start = System.nanoTime();
        process.terminate();
        if (process.awaitExit(Duration.ofSeconds(120)).isEmpty())
            throw new IllegalStateException(applicationId + " does not end");
        return (System.nanoTime() - start) / 1e9;
    }

    /** Returns how many requests are decided and committed. */
    long committed() {
        var group = testBed.admin().listConsumerGroupOffsets(applicationId);
        return TestBed.await("read offsets", group.partitionsToOffsetAndMetadata()).entrySet().stream()
                .filter(partition -> partition.getKey().topic().startsWith("requests"))
                .filter(partition -> partition.getValue() != null)
                .mapToLong(partition -> partition.getValue().offset())
                .sum();
    }

    /**
     * Returns when everything published so far is decided and committed.
     *
     * @throws IllegalStateException if it takes longer
     */
    void awaitCommitted(Duration timeout) {
        awaitCommitted(testBed.end(List.of(requestsTopic)), timeout);
    }

    /** As {@link #awaitCommitted(Duration)}, for so many requests. */
    void awaitCommitted(long wanted, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (committed() < wanted) {
            if (System.nanoTime() > deadline || !process.isAlive()) {
                throw new IllegalStateException(
                        applicationId + " did not keep up: give a lower rate\n" + process.output());
            }
            LockSupport.parkNanos(50_000_000);
        }
    }

    /** Returns the bytes of the first instance's stores in table files. */
    long tableBytes() throws IOException {
        try (var files = Files.walk(stateDir)) {
            return files.filter(file -> file.toString().endsWith(".sst"))
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        }
    }

    /** Returns the share of the approvals among the records on the decided topics, transaction markers included. */
    double approvedShare() {
        return (double) testBed.end(List.of(approvedTopic)) / Math.max(1, written());
    }

    /** Returns the number of records on the decided topics, transaction markers included. */
    long written() {
        return testBed.end(List.of(approvedTopic, rejectedTopic));
    }

    /** Writes what JFR has recorded; only with {@link TestBed#profile}. */
    void dump(Path file) {
        jcmd("JFR.dump", "filename=" + file.toAbsolutePath());
    }

    /** Runs the first instance's garbage collector. */
    void collectGarbage() {
        jcmd("GC.run");
    }

    private void jcmd(String... arguments) {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "jcmd").toString());
        command.add(Long.toString(process.pid()));
        command.addAll(List.of(arguments));
        try {
            new ProcessBuilder(command)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Kills it, since its uncommitted work is not needed, and deletes its topics and its state. */
    @Override
    public void close() {
        process.kill();
        process.close();
        for (var other : others) {
            other.kill();
            other.close();
        }
        var mine = TestBed.await("list topics", testBed.admin().listTopics().names()).stream()
                .filter(name -> name.startsWith(applicationId + "-")
                        || name.equals(approvedTopic)
                        || name.equals(rejectedTopic))
                .toList();
        TestBed.await("delete topics", testBed.admin().deleteTopics(mine).all());
        ServerHome.deleteTree(stateDir);
    }
}
