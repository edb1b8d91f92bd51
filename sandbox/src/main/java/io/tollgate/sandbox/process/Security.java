package io.tollgate.sandbox.process;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Certificates and passwords of one sandbox, made when it starts, for its broker and its Redis. Not fit for use
 * elsewhere. Immutable, once made.
 */
public final class Security {
    /** May do everything. */
    public static final String ADMIN = "admin";
    /** The pipeline; has the least rights that suffice. */
    public static final String APPLICATION = "tollgate";
    /** Write requests. */
    public static final String AGENTS = "agents";
    /** Read approved requests. */
    public static final String WORKERS = "workers";
    /** Read everything, as the checker does. */
    public static final String AUDITORS = "auditors";

    public static final List<String> USERS = List.of(ADMIN, APPLICATION, AGENTS, WORKERS, AUDITORS);

    private static final String BROKER = "broker";
    private static final String AUTHORITY = "ca";
    private static final String STORE_TYPE = "PKCS12";
    private static final char[] NO_PASSWORD =
            "not-secret".toCharArray(); // PKCS12 needs one; the mode of the files protects them

    private final Path dir;
    private final Map<String, String> passwords = new HashMap<>();
    private final SSLContext trusting;

    private Security(Path dir) throws IOException, GeneralSecurityException {
        this.dir = dir;
        var random = new SecureRandom();
        for (String user : USERS) passwords.put(user, password(random));
        passwords.put("redis", password(random));
        var all = dir.resolve("all.p12");
        Files.deleteIfExists(all);
        keytool(all, AUTHORITY, "-ext", "bc:c", "-ext", "ku=keyCertSign");
        keytool(all, BROKER, "-signer", AUTHORITY, "-ext", "san=ip:127.0.0.1,dns:localhost");
        keytool(all, APPLICATION, "-signer", AUTHORITY);
        var store = KeyStore.getInstance(STORE_TYPE);
        try (InputStream file = Files.newInputStream(all)) {
            store.load(file, NO_PASSWORD);
        }
        Files.delete(all); // the authority's key is no longer needed
        var trust = empty();
        trust.setCertificateEntry(AUTHORITY, store.getCertificate(AUTHORITY));
        write(trust, trustStore());
        pem(
                dir.resolve("ca.pem"),
                "CERTIFICATE",
                store.getCertificate(AUTHORITY).getEncoded());
        for (String owner : List.of(BROKER, APPLICATION)) {
            var own = empty();
            var key = store.getKey(owner, NO_PASSWORD);
            Certificate[] chain = store.getCertificateChain(owner);
            own.setKeyEntry(owner, key, NO_PASSWORD, chain);
            write(own, keyStore(owner));
            if (!owner.equals(BROKER)) continue;
            pem(dir.resolve("redis.key.pem"), "PRIVATE KEY", key.getEncoded());
            pem(dir.resolve("redis.pem"), "CERTIFICATE", chain[0].getEncoded());
        }
        trusting = trusting(trust);
        for (String user : USERS) writeProperties(user);
        for (String user : List.of(APPLICATION, ADMIN)) {
            Files.writeString(ownersOnly(jaasFile(user)), clientProperties(user).get("sasl.jaas.config") + "\n");
        }
        Files.writeString(ownersOnly(dir.resolve("redis.password")), redisPassword() + "\n");
    }

    /**
     * Makes new certificates and passwords in this folder, which only its owner may enter.
     *
     * @throws IllegalStateException if the JDK's keytool fails
     */
    public static Security create(Path dir) {
        try {
            Files.createDirectories(dir);
            Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwx------"));
            return new Security(dir);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write certificates to " + dir, e);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("cannot make certificates: " + e.getMessage(), e);
        }
    }

    private static String password(SecureRandom random) {
        var bytes = new byte[18];
        random.nextBytes(bytes);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    /**
     * The JDK has an API for keys and certificates, but none that signs them. Its keytool does, and is always there.
     */
    private static void keytool(Path store, String alias, String... more) throws IOException {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(), "-J-XX:TieredStopAtLevel=1"));
        command.addAll(List.of("-genkeypair", "-alias", alias, "-dname", "CN=" + alias, "-keyalg", "EC"));
        command.addAll(List.of("-groupname", "secp256r1", "-validity", "30", "-storetype", STORE_TYPE));
        command.addAll(List.of("-keystore", store.toString(), "-storepass", new String(NO_PASSWORD)));
        command.addAll(List.of(more));
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            if (!process.waitFor(30, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new IllegalStateException("keytool fails: " + said);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    private static KeyStore empty() throws IOException, GeneralSecurityException {
        var store = KeyStore.getInstance(STORE_TYPE);
        store.load(null, null);
        return store;
    }

    private static void write(KeyStore store, Path file) throws IOException, GeneralSecurityException {
        try (OutputStream out = Files.newOutputStream(ownersOnly(file))) {
            store.store(out, NO_PASSWORD);
        }
    }

    private static void pem(Path file, String kind, byte[] content) throws IOException {
        var body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
        Files.writeString(ownersOnly(file), "-----BEGIN " + kind + "-----\n" + body + "\n-----END " + kind + "-----\n");
    }

    private static Path ownersOnly(Path file) throws IOException {
        Files.deleteIfExists(file);
        return Files.createFile(
                file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }

    private static SSLContext trusting(KeyStore trust) throws GeneralSecurityException {
        var trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trusted.init(trust);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trusted.getTrustManagers(), null);
        return context;
    }

    /**
     * Returns the application's environment, without addresses: secrets are named by file, so that nobody reads them
     * from the process' environment.
     */
    public Map<String, String> applicationEnvironment() {
        return environment(APPLICATION);
    }

    /**
     * Returns the environment in which every command of {@code tollgate} has the rights it needs, without addresses.
     */
    public Map<String, String> operatorEnvironment() {
        return environment(ADMIN);
    }

    private Map<String, String> environment(String user) {
        var environment = new LinkedHashMap<String, String>();
        clientProperties(user).forEach((name, value) -> {
            var variable = "KAFKA_" + name.toUpperCase(Locale.ROOT).replace('.', '_');
            if (name.equals("sasl.jaas.config"))
                environment.put(variable + "_FILE", jaasFile(user).toString());
            else environment.put(variable, value);
        });
        environment.put("REDIS_USERNAME", APPLICATION);
        environment.put("REDIS_PASSWORD_FILE", dir.resolve("redis.password").toString());
        return environment;
    }

    private Path jaasFile(String user) {
        return dir.resolve(user + ".jaas");
    }

    private void writeProperties(String user) throws IOException {
        var properties = new Properties();
        properties.putAll(clientProperties(user));
        try (var file = Files.newOutputStream(ownersOnly(dir.resolve(user + ".properties")))) {
            properties.store(file, null);
        }
        // In librdkafka's own names and format.
        Files.write(
                ownersOnly(dir.resolve(user + ".kcat")),
                List.of(
                        "security.protocol=SASL_SSL",
                        "sasl.mechanism=SCRAM-SHA-512",
                        "sasl.username=" + user,
                        "sasl.password=" + passwords.get(user),
                        "ssl.ca.location=" + dir.resolve("ca.pem")));
    }

    /** Returns how this user logs in with a password over TLS, without the address. */
    public Map<String, String> clientProperties(String user) {
        var properties = new LinkedHashMap<>(tls());
        properties.put("security.protocol", "SASL_SSL");
        properties.put("sasl.mechanism", "SCRAM-SHA-512");
        properties.put(
                "sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"" + user + "\" password=\""
                        + password(user) + "\";");
        return properties;
    }

    /** Returns how the application logs in with a certificate instead, on {@link KafkaBroker#mutualTlsServers}. */
    public Map<String, String> certificateProperties() {
        return certificate(APPLICATION);
    }

    Map<String, String> brokerCertificate() {
        return certificate(BROKER);
    }

    private Map<String, String> certificate(String owner) {
        var properties = new LinkedHashMap<>(tls());
        properties.put("security.protocol", "SSL");
        properties.put("ssl.keystore.type", STORE_TYPE);
        properties.put("ssl.keystore.location", keyStore(owner).toString());
        properties.put("ssl.keystore.password", new String(NO_PASSWORD));
        return properties;
    }

    private Map<String, String> tls() {
        var properties = new LinkedHashMap<String, String>();
        properties.put("ssl.truststore.type", STORE_TYPE);
        properties.put("ssl.truststore.location", trustStore().toString());
        properties.put("ssl.truststore.password", new String(NO_PASSWORD));
        return properties;
    }

    /**
     * Returns the broker's properties: clients log in with a password on the listener CLIENT, or with a certificate on
     * MUTUAL. The broker's own connections use its certificate. All other connections are refused.
     */
    Map<String, String> brokerProperties() {
        var properties = new LinkedHashMap<>(brokerCertificate());
        properties.remove("security.protocol");
        properties.put("ssl.client.auth", "required");
        properties.put("listener.name.client.ssl.client.auth", "none");
        properties.put("ssl.principal.mapping.rules", "RULE:^CN=([^,]+).*$/$1/");
        properties.put("sasl.enabled.mechanisms", "SCRAM-SHA-512");
        properties.put(
                "listener.name.client.scram-sha-512.sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required;");
        properties.put("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
        properties.put("super.users", "User:" + ADMIN + ";User:" + BROKER);
        return properties;
    }

    /** Returns the lines of redis.conf for a Redis that speaks TLS only, to the one user that the pipeline needs. */
    List<String> redisConfig(int port) {
        return List.of(
                "port 0",
                "tls-port " + port,
                "tls-cert-file " + RedisServer.quoted(dir.resolve("redis.pem").toString()),
                "tls-key-file "
                        + RedisServer.quoted(dir.resolve("redis.key.pem").toString()),
                "tls-ca-cert-file " + RedisServer.quoted(dir.resolve("ca.pem").toString()),
                "tls-auth-clients no",
                "user default off",
                "user " + APPLICATION + " on >" + redisPassword() + " " + Rights.REDIS);
    }

    String password(String user) {
        return passwords.getOrDefault(user, "");
    }

    /** Returns the password of the Redis user {@link #APPLICATION}. */
    public String redisPassword() {
        return password("redis");
    }

    /** Returns JVM arguments that make a program without a setting of its own trust our certificates. */
    public List<String> trustArguments() {
        return List.of(
                "-Djavax.net.ssl.trustStore=" + trustStore(),
                "-Djavax.net.ssl.trustStoreType=" + STORE_TYPE,
                "-Djavax.net.ssl.trustStorePassword=" + new String(NO_PASSWORD));
    }

    SSLContext trusting() {
        return trusting;
    }

    Path trustStore() {
        return dir.resolve("truststore.p12");
    }

    /**
     * Returns the folder: for each user a {@code .properties} for Kafka's own tools and a {@code .kcat};
     * {@code ca.pem}.
     */
    public Path dir() {
        return dir;
    }

    private Path keyStore(String owner) {
        return dir.resolve(owner + ".p12");
    }
}
