package io.tollgate.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lettuce.core.LettuceVersion;
import io.tollgate.config.HttpConfig;
import io.tollgate.config.Settings;
import io.tollgate.config.SettingsException;
import io.tollgate.env.Env;
import io.tollgate.env.Origin;
import io.tollgate.env.Setting;
import io.tollgate.preflight.BrokerVersion;
import io.tollgate.preflight.Finding;
import io.tollgate.preflight.Preflight;
import io.tollgate.preflight.RedisVersion;
import java.io.PrintWriter;
import java.time.zone.ZoneRulesProvider;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.utils.AppInfoParser;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows versions, addresses, settings, and the findings of the preflight check. */
@Command(
        name = "doctor",
        description = {
            "Shows versions, addresses, and each setting in effect with its origin; checks everything that"
                    + " `topics check` checks.",
            "Exits with 1 if something is wrong; each finding is one line with its remedy. Secrets are masked."
        },
        mixinStandardHelpOptions = true)
public final class DoctorCommand extends PrintingCommand implements Callable<Integer> {
    private static final String UNKNOWN = "unknown";
    /** Each question to Redis ends within a second; this leaves room for slow machines. */
    private static final long REDIS_SECONDS = 20;

    @Mixin
    private final KafkaOptions kafka;

    private final Function<Throwable, String> explain;

    @Option(names = "--json", description = "Print one JSON object instead of tables.")
    private boolean json;

    /** @param explain turns an exception of Kafka's clients into one line */
    public DoctorCommand(KafkaOptions kafka, Function<Throwable, String> explain) {
        this.kafka = kafka;
        this.explain = explain;
    }

    /** The version of Redis, and the findings about it. */
    private record RedisState(String version, List<Finding> findings) {}

    /** Everything that is shown. */
    private record Report(
            Map<String, String> versions,
            Map<String, String> addresses,
            List<Setting> settings,
            List<Finding> findings) {
        boolean isOk() {
            return findings.stream().noneMatch(Finding::fatal);
        }
    }

    @Override
    public Integer call() throws SettingsException {
        var env = kafka.env();
        var settings = Settings.from(env, Settings.Use.TOOL);
        var preflight = kafka.preflight(settings);
        // Redis and Kafka at the same time, so that the command knows within five seconds which of them is away.
        var redis = KafkaAnswer.inBackground(() ->
                new RedisState(settings.redis().uri().flatMap(RedisVersion::of).orElse(UNKNOWN), preflight.redis()));
        var findings = new ArrayList<Finding>();
        var brokers = brokers(settings, preflight, findings);
        var redisState = await(redis, settings);
        // Other warnings are about things that work all the same; a finding about Redis makes decisions local.
        redisState.findings.forEach(finding -> findings.add(new Finding(true, finding.text())));
        findings.addAll(TimeZoneCheck.of(settings));
        var report = new Report(versions(brokers, redisState), addresses(settings, env), inEffect(env), findings);
        var out = spec.commandLine().getOut();
        if (json) printJson(out, report);
        else printTables(out, report);
        out.flush();
        return report.isOk() ? 0 : 1;
    }

    private String brokers(Settings settings, Preflight preflight, List<Finding> findings) {
        try {
            var answered = settings.withServer(KafkaAnswer.require(settings, preflight));
            try (var topics = new TopicAdmin(answered)) {
                findings.addAll(preflight.brokers(topics.admin()));
                return BrokerVersion.of(topics.admin());
            }
        } catch (CommandFailure | KafkaException away) {
            explain.apply(away).lines().forEach(line -> findings.add(new Finding(true, line)));
            return UNKNOWN;
        }
    }

    private static RedisState await(CompletableFuture<RedisState> redis, Settings settings) {
        if (settings.redis().uri().isEmpty()) return new RedisState("not configured", List.of());
        try {
            return redis.get(REDIS_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException silent) {
            return wrong("does not answer");
        } catch (ExecutionException failed) {
            return wrong("cannot be asked (" + failed.getCause() + ")");
        } catch (InterruptedException e) {
            throw new InterruptException(e);
        }
    }

    private static RedisState wrong(String what) {
        return new RedisState(
                UNKNOWN,
                List.of(new Finding(true, "Redis " + what + ": check REDIS_URL, or unset it to decide locally")));
    }

    private static Map<String, String> versions(String brokers, RedisState redis) {
        var versions = new LinkedHashMap<String, String>();
        versions.put("tollgate", VersionCommand.version());
        versions.put(
                "java", Runtime.version() + ", " + System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        versions.put("kafka_clients", AppInfoParser.getVersion());
        versions.put("kafka_brokers", brokers);
        versions.put("lettuce", LettuceVersion.getVersion().replaceFirst("/.*", ""));
        versions.put("redis", redis.version);
        versions.put("time_zones", ZoneRulesProvider.getVersions("UTC").lastKey());
        return versions;
    }

    private static Map<String, String> addresses(Settings settings, Env env) {
        var addresses = new LinkedHashMap<String, String>();
        addresses.put("kafka", settings.kafka().bootstrapServers());
        addresses.put("redis", redisUrl(env));
        addresses.put(
                "http",
                "http://" + HttpConfig.bracketed(settings.http().host()) + ":"
                        + settings.http().port());
        addresses.put("state_folder", settings.streams().stateDir().toString());
        return addresses;
    }

    private static String redisUrl(Env env) {
        return env.settings().stream()
                .filter(setting -> setting.name().equals("REDIS_URL"))
                .map(Setting::value)
                .filter(url -> !url.isEmpty())
                .findFirst()
                .orElse("none");
    }

    /**
     * A file of a secret is the origin of the secret, not a setting of its own; ignored variables are not in effect.
     */
    private static List<Setting> inEffect(Env env) {
        return env.settings().stream()
                .filter(setting -> !setting.name().endsWith(Env.FILE))
                .filter(setting ->
                        !setting.value().isEmpty() || setting.origin().kind() == Origin.Kind.DEFAULT)
                .toList();
    }

    private static void printTables(PrintWriter out, Report report) {
        section(out, "Versions", rows(report.versions));
        section(out, "Addresses", rows(report.addresses));
        section(
                out,
                "Settings",
                report.settings.stream()
                        .map(setting -> List.of(
                                setting.name(),
                                setting.value().isEmpty() ? "unset" : setting.value(),
                                setting.origin().toString()))
                        .toList());
        if (report.findings.isEmpty()) out.println("Nothing is wrong.");
        report.findings.forEach(finding -> out.println((finding.fatal() ? "wrong: " : "warning: ") + finding.text()));
    }

    private static List<List<String>> rows(Map<String, String> values) {
        return values.entrySet().stream()
                .map(each -> List.of(each.getKey().replace('_', ' '), each.getValue()))
                .toList();
    }

    private static void section(PrintWriter out, String title, List<List<String>> rows) {
        out.println(title);
        Table.of(rows).lines().forEach(line -> out.println("  " + line));
        out.println();
    }

    private static void printJson(PrintWriter out, Report report) {
        var document = new LinkedHashMap<String, Object>();
        document.put("ok", report.isOk());
        document.put("versions", report.versions);
        document.put("addresses", report.addresses);
        document.put(
                "settings", report.settings.stream().map(DoctorCommand::json).toList());
        document.put(
                "findings", report.findings.stream().map(DoctorCommand::json).toList());
        try {
            out.println(JsonMapper.builder()
                    .build()
                    .writerWithDefaultPrettyPrinter()
                    .writeValueAsString(document));
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible); // texts and booleans only
        }
    }

    private static Map<String, Object> json(Setting setting) {
        var json = new LinkedHashMap<String, Object>();
        json.put("name", setting.name());
        json.put("value", setting.value().isEmpty() ? null : setting.value());
        json.put("source", setting.origin().kind().name().toLowerCase(Locale.ROOT));
        if (!setting.origin().name().isEmpty())
            json.put("from", setting.origin().name());
        return json;
    }

    private static Map<String, Object> json(Finding finding) {
        var json = new LinkedHashMap<String, Object>();
        json.put("wrong", finding.fatal());
        json.put("text", finding.text());
        return json;
    }
}
