package io.tollgate.quota;

import io.tollgate.bucket.Decision;
import io.tollgate.ingest.Request;
import io.tollgate.policy.Policy;

/** A request and its answer. */
public record Decided(Request request, Policy policy, Decision decision) {}
