/**
 * Policies: what each agent was promised.
 *
 * <p>Third stage of the flow.
 */
@NullMarked
package io.tollgate.policy;

import org.jspecify.annotations.NullMarked;
