package io.tollgate;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The application's own logback.xml, with text that agents may write. */
class LogFormatTest {
    private static final String NASTY =
            "evil\n2026-01-01 INFO all is well\r\t\u001b[31mred\u0007\u0000\u009b\u2028\u202e\u007f";

    @Test
    void textKeepsToOneLine() throws Exception {
        var lines =
                log("text", context -> context.getLogger("io.tollgate.quota").warn("agent \"{}\"", NASTY));

        assertThat(lines).hasSize(1);
        assertThat(lines.get(0)).endsWith("agent \"evil?2026-01-01 INFO all is well???[31mred??????\"");
    }

    @Test
    void jsonEscapesControlCharacters() throws Exception {
        var lines =
                log("json", context -> context.getLogger("io.tollgate.quota").warn("agent \"{}\"", NASTY));

        assertThat(lines).hasSize(1);
        assertThat(lines.get(0).chars()).allMatch(c -> c >= ' ');
        JsonNode line = new ObjectMapper().readTree(lines.get(0));
        assertThat(line.get("formattedMessage").asText()).isEqualTo("agent \"" + NASTY + "\"");
        assertThat(line.get("level").asText()).isEqualTo("WARN");
        assertThat(line.get("loggerName").asText()).isEqualTo("io.tollgate.quota");
        assertThat(line.has("timestamp")).isTrue();
    }

    @Test
    void jsonKeepsACauseOnOneLine() throws Exception {
        var lines = log(
                "json", context -> context.getLogger("io.tollgate").error("ended", new IllegalStateException("a\nb")));

        assertThat(lines).hasSize(1);
        assertThat(new ObjectMapper()
                        .readTree(lines.get(0))
                        .at("/throwable/message")
                        .asText())
                .isEqualTo("a\nb");
    }

    @ParameterizedTest
    @ValueSource(strings = {"text", "json"})
    void repetitionsAreLoggedOnceAMinute(String format) throws Exception {
        var lines = log(format, context -> {
            var kafka = context.getLogger("org.apache.kafka.clients.NetworkClient");
            for (int i = 0; i < 500; i++) kafka.warn("[Consumer a] Connection to node {} could not be established", i);
            for (int i = 0; i < 500; i++) kafka.warn("[Producer a] error response with correlation id " + i);
            for (int i = 0; i < 3; i++)
                context.getLogger("io.tollgate.pipeline.Pipeline").info("deciding requests");
        });

        assertThat(lines).hasSize(5);
    }

    private static List<String> log(String format, Consumer<LoggerContext> write) throws Exception {
        var output = new ByteArrayOutputStream();
        var before = System.err;
        var context = new LoggerContext();
        context.setMDCAdapter(new LogbackMDCAdapter()); // SLF4J sets it, where it makes the context
        context.putProperty("TOLLGATE_LOG_FORMAT", format);
        try {
            System.setErr(new PrintStream(output, true, StandardCharsets.UTF_8));
            var configurator = new JoranConfigurator();
            configurator.setContext(context);
            configurator.doConfigure(
                    Path.of("src", "main", "resources", "logback.xml").toFile());
            write.accept(context);
        } finally {
            context.stop();
            System.setErr(before);
        }
        return output.toString(StandardCharsets.UTF_8).lines().toList();
    }
}
