package io.tollgate.quota;

import io.tollgate.bucket.Decision;

/** One of an agent's last decisions. */
public record RecentDecision(double costTokens, Decision decision, boolean enforced) {}
