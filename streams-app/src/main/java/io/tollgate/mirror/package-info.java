/**
 * The state of one task in RocksDB: our copies of its agents' buckets, its open holds, and its
 * progress in its topics.
 *
 * <p>First stage of the flow: it knows whether a record was processed before. One instance serves one task on
 * one thread.
 */
@NullMarked
package io.tollgate.mirror;

import org.jspecify.annotations.NullMarked;
