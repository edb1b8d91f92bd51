package io.tollgate.http;

import io.tollgate.bucket.AgentId;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Agents' ids in paths, percent-encoded. An id is data; none of its characters has a meaning. */
public final class AgentPath {
    private AgentPath() {}

    /**
     * Returns the agent's id in a segment of a path.
     *
     * @param segment as it stood in the request, still encoded; ends at a semicolon, which browsers need after an id of
     *     dots alone
     * @throws Problem if it is not well encoded, or not a legal id
     */
    static String decode(String segment) {
        var bytes = new ByteArrayOutputStream(segment.length());
        for (int i = 0; i < segment.length(); i++) {
            char c = segment.charAt(i);
            if (c > 0x7F) throw new Problem(400, "the agent's id must be percent-encoded UTF-8");
            if (c == ';') break;
            if (c != '%') {
                bytes.write(c);
                continue;
            }
            int high = i + 2 < segment.length() ? Character.digit(segment.charAt(i + 1), 16) : -1;
            int low = i + 2 < segment.length() ? Character.digit(segment.charAt(i + 2), 16) : -1;
            if (high < 0 || low < 0) throw new Problem(400, "the agent's id holds a broken percent-encoding");
            bytes.write(high << 4 | low);
            i += 2;
        }
        try {
            var agentId = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes.toByteArray()))
                    .toString();
            AgentId.brokenRule(agentId).ifPresent(rule -> {
                throw new Problem(400, "the agent's id " + rule);
            });
            return agentId;
        } catch (CharacterCodingException e) {
            throw new Problem(400, "the agent's id must be UTF-8");
        }
    }

    /**
     * Returns the id as a segment of a path: everything but letters, digits, dash and underscore encoded, dots as well.
     */
    public static String encode(String agentId) {
        var segment = new StringBuilder();
        for (byte b : agentId.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xFF);
            boolean plain =
                    c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_';
            if (plain) segment.append(c);
            else segment.append(String.format(Locale.ROOT, "%%%02X", (int) c));
        }
        return segment.toString();
    }
}
