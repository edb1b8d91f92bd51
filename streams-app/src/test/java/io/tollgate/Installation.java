package io.tollgate;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.lettuce.core.RedisClient;
import io.lettuce.core.codec.ByteArrayCodec;
import io.tollgate.sandbox.process.KafkaBroker;
import io.tollgate.sandbox.process.RedisServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * Everything that an installation keeps: the broker's folder (topics, committed offsets, changelogs), the state
 * folder of one instance, and the buckets in Redis. An installation of an older version is stored as a zip file.
 * Not thread-safe.
 */
final class Installation implements AutoCloseable {
    /** Where {@code streams-app/src/test/compatibility/record} puts them. */
    static final Path STORED = Path.of("src", "test", "resources", "compatibility");

    private static final String BUCKETS = "redis.tsv";

    private final Path dir;
    private final KafkaBroker broker;
    private final RedisServer redis;
    private final TestCluster cluster;

    private Installation(Path dir) {
        this.dir = dir;
        broker = KafkaBroker.start(KafkaBroker.BrokerOptions.defaults()
                .withDir(dir.resolve("kafka"))
                // Stored records grow old, but must be kept.
                .withProperty("log.retention.ms", "-1")
                .withProperty("offsets.topic.num.partitions", "1")
                .withProperty("transaction.state.log.num.partitions", "1")
                .asShortLived());
        redis = RedisServer.start(RedisServer.RedisOptions.defaults());
        cluster = TestCluster.on(broker.bootstrapServers())
                .with("TOLLGATE_APPLICATION_ID", "upgraded")
                .with("TOLLGATE_REQUESTS_TOPIC", "agent-requests")
                .with("TOLLGATE_APPROVED_TOPIC", "approved-requests")
                .with("TOLLGATE_REJECTED_TOPIC", "rejected-requests")
                .with("TOLLGATE_POLICIES_TOPIC", "agent-quotas")
                .with("TOLLGATE_STATE_DIR", dir.resolve("state").toString())
                .with("REDIS_URL", redis.uri())
                .withPatience()
                .withLimit(10, 0);
    }

    /** Starts an empty one in this folder. */
    static Installation anew(Path dir) {
        var installation = new Installation(dir);
        installation.cluster.createTopics();
        return installation;
    }

    /** Starts brokers and Redis on the stored data, but not the pipeline. */
    static Installation unpacked(Path zip, Path dir) {
        try (var in = new ZipInputStream(Files.newInputStream(zip))) {
            for (var entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                var file = dir.resolve(entry.getName()).normalize();
                if (!file.startsWith(dir)) throw new IllegalArgumentException(zip + " leaves its folder");
                Files.createDirectories(file.getParent());
                Files.copy((InputStream) in, file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(zip.toString(), e);
        }
        var installation = new Installation(dir);
        installation.restoreBuckets();
        return installation;
    }

    TestCluster cluster() {
        return cluster;
    }

    RedisServer redis() {
        return redis;
    }

    /** Stops brokers and Redis, and stores everything; the pipeline must have ended. */
    void store(Path zip) {
        saveBuckets();
        close();
        try (var out = new ZipOutputStream(
                Files.newOutputStream(Files.createDirectories(zip.getParent()).resolve(zip.getFileName())))) {
            out.setLevel(9);
            Files.walkFileTree(dir, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    if (file.getFileName()
                            .toString()
                            .matches("LOG.*|LOCK|\\.lock|.*\\.log\\.txt|broker\\.(log|properties)"))
                        return FileVisitResult.CONTINUE;
                    var entry = new ZipEntry(dir.relativize(file).toString());
                    entry.setLastModifiedTime(FileTime.fromMillis(0));
                    out.putNextEntry(entry);
                    Files.copy(file, out);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void saveBuckets() {
        var lines = new TreeMap<String, String>();
        var client = RedisClient.create(redis.uri());
        try (var connection = client.connect(ByteArrayCodec.INSTANCE)) {
            var commands = connection.sync();
            for (byte[] key : commands.keys("*")) {
                commands.hgetall(key)
                        .forEach((field, value) -> lines.put(
                                new String(key, UTF_8) + "\t" + new String(field, UTF_8),
                                Base64.getEncoder().encodeToString(value)));
            }
            Files.write(
                    dir.resolve(BUCKETS),
                    lines.entrySet().stream()
                            .map(line -> line.getKey() + "\t" + line.getValue())
                            .toList());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }

    private void restoreBuckets() {
        var client = RedisClient.create(redis.uri());
        try (var connection = client.connect(ByteArrayCodec.INSTANCE)) {
            for (String line : Files.readAllLines(dir.resolve(BUCKETS))) {
                List<String> words = Arrays.asList(line.split("\t"));
                connection
                        .sync()
                        .hset(
                                words.get(0).getBytes(UTF_8),
                                words.get(1).getBytes(UTF_8),
                                Base64.getDecoder().decode(words.get(2)));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            client.shutdown(Duration.ZERO, Duration.ofSeconds(1));
        }
    }

    @Override
    public void close() {
        redis.close();
        broker.close();
        cluster.close();
    }
}
