import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Element;

/**
 * Checks what release/release has built, by the rules of Maven Central and by ours, and prints each mistake: {@code CheckRelease FOLDER VERSION
 * [--signed]}. Exit code 1 if there is any.
 */
final class CheckRelease {
    /** Everything else is for tests and for builds. */
    private static final Map<String, List<String>> ARTIFACTS = Map.of(
            "tollgate", List.of(".pom"),
            "token-bucket", List.of(".pom", ".jar", "-sources.jar", "-javadoc.jar"),
            "verify", List.of(".pom", ".jar", "-sources.jar", "-javadoc.jar"),
            "tollgate-spring-boot-starter", List.of(".pom", ".jar", "-sources.jar", "-javadoc.jar"),
            "streams-app", List.of(".pom", ".jar", "-sources.jar", "-javadoc.jar"));

    private final List<String> mistakes = new ArrayList<>();
    private final Path dir;
    private final String version;
    private final boolean signed;

    private CheckRelease(Path dir, String version, boolean signed) {
        this.dir = dir;
        this.version = version;
        this.signed = signed;
    }

    public static void main(String[] args) throws Exception {
        var check = new CheckRelease(Path.of(args[0]), args[1], List.of(args).contains("--signed"));
        check.central();
        check.archive();
        check.partsList();
        check.chart();
        check.sums();
        check.mistakes.forEach(mistake -> System.err.println("release: " + mistake));
        if (!check.mistakes.isEmpty()) System.exit(1);
        System.out.println("checked: " + ARTIFACTS.size() + " artifacts, archive, list of parts, chart, checksums");
    }

    private void expect(boolean right, String mistake) {
        if (!right) mistakes.add(mistake);
    }

    private void central() throws Exception {
        var files = new TreeMap<String, byte[]>();
        try (var zip = FileSystems.newFileSystem(dir.resolve("tollgate-" + version + "-central.zip"));
                var walk = Files.walk(zip.getPath("/"))) {
            for (Path file : (Iterable<Path>) walk.filter(Files::isRegularFile)::iterator)
                files.put(file.toString().substring(1), Files.readAllBytes(file));
        }
        var expected = new TreeSet<String>();
        for (var artifact : ARTIFACTS.entrySet()) {
            for (String ending : artifact.getValue()) {
                expected.add("io/tollgate/" + artifact.getKey() + "/" + version + "/" + artifact.getKey() + "-" + version
                        + ending);
            }
        }
        var without = files.keySet().stream()
                .filter(file -> !file.matches(".*\\.(md5|sha1|sha256|sha512|asc)"))
                .collect(Collectors.toCollection(TreeSet::new));
        expect(without.equals(expected), "the bundle for Maven Central holds " + without + " rather than " + expected);
        for (String file : without) {
            for (var digest : Map.of(".md5", "MD5", ".sha1", "SHA-1").entrySet()) {
                var sum = files.get(file + digest.getKey());
                var right = HexFormat.of().formatHex(MessageDigest.getInstance(digest.getValue()).digest(files.get(file)));
                expect(
                        sum != null && new String(sum, StandardCharsets.US_ASCII).strip().equals(right),
                        file + digest.getKey() + " is missing or wrong");
            }
            expect(!signed || files.containsKey(file + ".asc"), file + " is not signed");
            if (file.endsWith(".pom")) pom(file, files);
            if (file.endsWith("-sources.jar")) holds(file, files.get(file), ".java");
            if (file.endsWith("-javadoc.jar")) holds(file, files.get(file), "index.html");
        }
    }

    private void pom(String file, Map<String, byte[]> files) throws Exception {
        var own = parse(files.get(file));
        var parents = files.get("io/tollgate/tollgate/" + version + "/tollgate-" + version + ".pom");
        var parent = parents == null ? own : parse(parents);
        expect(child(own, "name") != null && child(own, "description") != null, file + " lacks name or description");
        for (String element : List.of("url", "licenses", "developers", "scm")) {
            expect(
                    child(own, element) != null || child(parent, element) != null,
                    file + " and its parent lack " + element);
        }
        expect(
                !new String(files.get(file), StandardCharsets.UTF_8).contains("-SNAPSHOT"),
                file + " names a version that is no release");
    }

    private static Element parse(byte[] pom) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new java.io.ByteArrayInputStream(pom))
                .getDocumentElement();
    }

    private static Element child(Element of, String name) {
        for (var node = of.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node.getNodeName().equals(name) && !node.getTextContent().isBlank()) return (Element) node;
        }
        return null;
    }

    private void holds(String file, byte[] jar, String ending) throws IOException {
        try (var in = new java.util.zip.ZipInputStream(new java.io.ByteArrayInputStream(jar))) {
            for (var entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                if (entry.getName().endsWith(ending)) return;
            }
        }
        mistakes.add(file + " holds no " + ending);
    }

    private void archive() throws Exception {
        var unpacked = unpack("tollgate-" + version + ".tar.gz").resolve("tollgate-" + version);
        for (String file : List.of(
                "LICENSE", "README.md", "CHANGELOG.md", "THIRD-PARTY.txt", "sbom.cdx.json", "tollgate", "tollgate.jar")) {
            expect(Files.isRegularFile(unpacked.resolve(file)), "the archive lacks " + file);
        }
        try (var jar = new JarFile(unpacked.resolve("tollgate.jar").toFile())) {
            var named = jar.getManifest().getMainAttributes().getValue("Implementation-Version");
            expect(version.equals(named), "tollgate.jar says that it is " + named);
        }
        var changes = Files.readString(unpacked.resolve("CHANGELOG.md"));
        expect(
                changes.matches("(?s).*\\n## \\[" + version.replace(".", "\\.") + "] - \\d{4}-\\d\\d-\\d\\d\\n\\n###? .*"),
                "the changelog has no dated section of " + version);
        expect(
                Files.readString(unpacked.resolve("deploy/kubernetes/kustomization.yaml")).contains("newTag: " + version),
                "deploy/kubernetes names another image");
        var process = new ProcessBuilder(unpacked.resolve("tollgate").toString(), "version").start();
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        expect(said.startsWith("tollgate " + version + "\n"), "`tollgate version` says " + said);
    }

    private void partsList() throws IOException {
        var file = dir.resolve("tollgate-" + version + ".sbom.cdx.json");
        if (!Files.exists(file)) {
            mistakes.add("there is no list of parts: it is made only where Maven is online");
            return;
        }
        var list = new ObjectMapper().readTree(file.toFile());
        expect(list.path("bomFormat").asText().equals("CycloneDX"), file + " is not of CycloneDX");
        expect(list.at("/metadata/component/version").asText().equals(version), file + " is of another version");
        expect(list.path("components").size() > 30, file + " lists next to nothing");
        for (var part : list.path("components")) {
            expect(!part.path("version").asText().endsWith("-SNAPSHOT"), "a part is no release: " + part.path("purl"));
            expect(!part.path("licenses").isEmpty(), "nobody says under which license it is: " + part.path("purl"));
        }
    }

    private void chart() throws Exception {
        var unpacked = unpack("tollgate-" + version + ".tgz").resolve("tollgate");
        var chart = Files.readString(unpacked.resolve("Chart.yaml"));
        expect(
                chart.contains("\nversion: " + version + "\n") && chart.contains("\nappVersion: " + version + "\n"),
                "the chart is of another version");
        expect(Files.exists(unpacked.resolve("values.schema.json")), "the chart lacks values.schema.json");
        expect(!Files.exists(unpacked.resolve("ci")), "the chart holds what is for tests");
    }

    private void sums() throws Exception {
        Set<String> named = new TreeSet<>();
        for (String line : Files.readAllLines(dir.resolve("SHA256SUMS"))) {
            var words = line.split("  ");
            named.add(words[1]);
            var digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(dir.resolve(words[1])));
            expect(HexFormat.of().formatHex(digest).equals(words[0]), "the checksum of " + words[1] + " is wrong");
        }
        expect(
                named.equals(Set.of(
                        "tollgate-" + version + ".tar.gz",
                        "tollgate-" + version + ".tgz",
                        "tollgate-" + version + ".sbom.cdx.json")),
                "SHA256SUMS has " + named);
    }

    private Path unpack(String file) throws IOException, InterruptedException {
        var into = Files.createTempDirectory("tollgate-check-");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(into)));
        var tar = new ProcessBuilder("tar", "-xzf", dir.resolve(file).toAbsolutePath().toString(), "-C", into.toString())
                .inheritIO()
                .start();
        expect(tar.waitFor() == 0, file + " cannot be unpacked");
        return into;
    }

    private static void delete(Path root) {
        try (var files = Files.walk(root)) {
            for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) Files.delete(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
