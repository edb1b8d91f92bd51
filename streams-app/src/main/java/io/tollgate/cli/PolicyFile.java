package io.tollgate.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import com.fasterxml.jackson.dataformat.yaml.util.StringQuotingChecker;
import io.tollgate.bucket.AgentId;
import io.tollgate.policy.InvalidPolicyException;
import io.tollgate.policy.PolicyDocument;
import io.tollgate.policy.PolicyJson;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.error.MarkedYAMLException;

/**
 * Policies of many agents in one file: YAML or JSON, a map from the agent's id or {@code *} to
 * its policy. Not thread-safe.
 */
final class PolicyFile {
    /** The most that a file may have. */
    static final int MAX_BYTES = 256_000_000;

    private static final JsonFactory JSON = JsonFactory.builder()
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .build();
    private static final JsonFactory YAML = YAMLFactory.builder()
            .loaderOptions(yamlOptions())
            // Or "mode: off" says false.
            .enable(YAMLParser.Feature.PARSE_BOOLEAN_LIKE_WORDS_AS_STRINGS)
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .build();

    private static final JsonMapper MAPPER = new JsonMapper();
    private static final YAMLMapper WRITER = new YAMLMapper(YAMLFactory.builder()
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .disable(YAMLGenerator.Feature.SPLIT_LINES)
            .enable(YAMLGenerator.Feature.ALLOW_LONG_KEYS)
            .stringQuotingChecker(new QuotedIds())
            .build());

    private static final String VIEW_AGENT = "agent_id";

    private static final Pattern NUMBER = Pattern.compile("-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?");

    /** Quotes every id but the plainest: 42, no and 1e3 are names here for any reader. */
    private static final class QuotedIds extends StringQuotingChecker.Default {
        private static final long serialVersionUID = 1;

        @Override
        public boolean needToQuoteName(String name) {
            return super.needToQuoteName(name) || !name.matches("[a-z][a-z_]*");
        }
    }

    private final String text;
    private final List<String> mistakes = new ArrayList<>();
    private final Map<String, PolicyDocument> policies = new LinkedHashMap<>();

    private PolicyFile(String text) {
        this.text = text;
    }

    private static LoaderOptions yamlOptions() {
        var options = new LoaderOptions();
        options.setCodePointLimit(MAX_BYTES); // 3 MiB by default, which some ten thousand policies exceed
        return options;
    }

    /**
     * Returns the policies in the order of the file.
     *
     * @throws CommandFailure with every mistake, one line each, with the line in the file
     */
    static Map<String, PolicyDocument> parse(byte[] bytes) {
        var file = new PolicyFile(decode(bytes));
        file.read();
        if (!file.mistakes.isEmpty()) throw new CommandFailure(String.join(System.lineSeparator(), file.mistakes));
        return file.policies;
    }

    private static String decode(byte[] bytes) {
        var text = new String(bytes, StandardCharsets.UTF_8); // a strict decoder needs twice the memory
        if (text.indexOf('\uFFFD') >= 0) requireUtf8(bytes);
        return text.startsWith("\uFEFF") ? text.substring(1) : text;
    }

    private static void requireUtf8(byte[] bytes) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
        } catch (CharacterCodingException e) {
            throw new CommandFailure("the file is not UTF-8");
        }
    }

    private void read() {
        // The YAML reader accepts most of JSON, but not tabs.
        try (var parser = (text.stripLeading().startsWith("{") ? JSON : YAML).createParser(text)) {
            var first = parser.nextToken();
            if (first == JsonToken.START_OBJECT) {
                while (parser.nextToken() == JsonToken.FIELD_NAME) readPolicy(parser);
            } else if (first == JsonToken.START_ARRAY && readList(parser)) {
                // as `policy list --json` prints it
            } else {
                mistakes.add("line 1: the file must hold a map from agent ids to policies");
                return;
            }
            if (parser.nextToken() != null) {
                mistakes.add("line " + line(parser) + ": the file must end after the map");
            }
        } catch (JsonProcessingException broken) {
            mistakes.add(explained(broken));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
    }

    private void readPolicy(JsonParser parser) throws IOException {
        var agentId = parser.currentName();
        int line = line(parser);
        parser.nextToken();
        take(agentId, line, copy(parser));
    }

    /** Returns whether all elements are objects that name their agent. */
    private boolean readList(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.START_OBJECT) {
            int line = line(parser);
            if (!(MAPPER.readTree(copy(parser)) instanceof ObjectNode view)
                    || !view.path(VIEW_AGENT).isTextual()) {
                return false;
            }
            // An unreadable record is in the list, but holds no policy to write.
            if (view.has("limits") || !view.has("ignored")) {
                take(view.path(VIEW_AGENT).textValue(), line, MAPPER.writeValueAsBytes(document(view)));
            }
        }
        return parser.currentToken() == JsonToken.END_ARRAY;
    }

    /** Returns the policy alone: the list shows its name and source beside it, and its first limit twice. */
    private static ObjectNode document(ObjectNode view) {
        view.remove(List.of(VIEW_AGENT, "policy", "source", "ignored"));
        if (view.path("note").isNull()) view.remove("note");
        if (view.path("limits").path(0) instanceof ObjectNode first) {
            if (first.has("name")) first.fieldNames().forEachRemaining(view::remove);
            else view.remove("limits");
        }
        return view;
    }

    private void take(String agentId, int line, byte[] json) {
        var place = "line " + line + ": " + shown(agentId);
        var broken = AgentId.brokenRule(agentId);
        if (broken.isPresent()) {
            mistakes.add(place + ": an agent's id " + broken.get());
            return;
        }
        try {
            var policy = PolicyJson.parse(json);
            if (policies.putIfAbsent(agentId, policy) != null) mistakes.add(place + " must not appear twice");
        } catch (InvalidPolicyException invalid) {
            mistakes.add(place + ": " + invalid.getMessage());
        }
    }

    /** Returns the value at the parser's position with everything in it, repeated fields too. */
    private static byte[] copy(JsonParser parser) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            copy(parser, json);
        }
        return bytes.toByteArray();
    }

    private static void copy(JsonParser parser, JsonGenerator json) throws IOException {
        int depth = 0;
        var token = parser.currentToken();
        while (token != null) {
            if (parser instanceof YAMLParser yaml && yaml.isCurrentAlias())
                throw new JsonParseException(
                        parser, "the alias *" + yaml.getText() + " is not followed: write out what it stands for");
            if (token.isNumeric()) copyNumber(parser.getText(), json);
            else json.copyCurrentEvent(parser);
            if (token.isStructStart()) depth++;
            if (token.isStructEnd()) depth--;
            if (depth == 0) return;
            token = parser.nextToken();
        }
    }

    /**
     * Takes the number as written: YAML's .nan and 0x10 are not JSON numbers, and 1e999999999 is
     * too large, not infinite.
     */
    private static void copyNumber(String text, JsonGenerator json) throws IOException {
        var digits = text.replace("_", "");
        if (NUMBER.matcher(digits).matches()) json.writeNumber(digits);
        else json.writeString(text);
    }

    /**
     * Returns the policies as one YAML document that {@link #parse} takes. The same policies in the same order give the
     * same bytes.
     */
    static String write(Map<String, PolicyDocument> policies) {
        var all = MAPPER.createObjectNode();
        try {
            for (var policy : policies.entrySet()) {
                all.set(policy.getKey(), MAPPER.readTree(PolicyJson.write(policy.getValue())));
            }
            return WRITER.writeValueAsString(all);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
    }

    private static int line(JsonParser parser) {
        return parser.currentTokenLocation().getLineNr();
    }

    private String explained(JsonProcessingException broken) {
        var location = broken.getLocation();
        int line = location == null ? 1 : Math.max(1, location.getLineNr());
        var problem = broken.getCause() instanceof MarkedYAMLException yaml
                ? yaml.getProblem()
                : String.valueOf(broken.getOriginalMessage())
                        .lines()
                        .findFirst()
                        .orElse("cannot be read");
        boolean star = text.lines().skip(line - 1).limit(1).anyMatch(found -> found.startsWith("*"));
        return "line " + line + ": " + problem + (star ? " (in YAML, \"*\" needs quotes)" : "");
    }

    private static String shown(String agentId) {
        var plain = agentId.replaceAll("\\p{Cntrl}", "?");
        return plain.length() <= 60 ? plain : plain.substring(0, 60) + "…";
    }
}
