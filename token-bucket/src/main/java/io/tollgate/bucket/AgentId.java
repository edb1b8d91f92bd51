package io.tollgate.bucket;

import java.util.Optional;

/** The rule for an agent's id: 1 to 256 bytes of UTF-8 without control characters. Anything else is plain data. */
public final class AgentId {
    /** The longest id, in bytes of UTF-8. */
    public static final int MAX_BYTES = 256;

    private AgentId() {}

    /** Returns the rule that the id breaks, as the end of a sentence ("must …"); empty if it is legal. */
    public static Optional<String> brokenRule(String agentId) {
        if (agentId.isEmpty()) return Optional.of("must not be empty");
        int bytes = 0;
        for (int i = 0; i < agentId.length(); i++) {
            char c = agentId.charAt(i);
            if (Character.isISOControl(c)) return Optional.of("must not contain control characters");
            if (Character.isHighSurrogate(c)
                    && i + 1 < agentId.length()
                    && Character.isLowSurrogate(agentId.charAt(i + 1))) {
                bytes += 4;
                i++;
            } else if (Character.isSurrogate(c)) {
                return Optional.of("must not contain a lone surrogate");
            } else {
                bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
            }
            if (bytes > MAX_BYTES) return Optional.of("must be at most " + MAX_BYTES + " bytes of UTF-8");
        }
        return Optional.empty();
    }

    /**
     * Returns the id.
     *
     * @throws IllegalArgumentException if it breaks the rule
     */
    public static String require(String agentId) {
        brokenRule(agentId).ifPresent(rule -> {
            throw new IllegalArgumentException("agent id " + rule);
        });
        return agentId;
    }
}
