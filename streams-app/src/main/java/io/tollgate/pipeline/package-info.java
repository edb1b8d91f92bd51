/**
 * Puts the stages together, starts and ends them: the topology, Kafka Streams' properties, the process.
 *
 * <p>Sees every package but the entry point, which alone sees it.
 */
@NullMarked
package io.tollgate.pipeline;

import org.jspecify.annotations.NullMarked;
