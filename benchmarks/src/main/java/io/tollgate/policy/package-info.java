/** Looks into the pipeline's policies. */
@NullMarked
package io.tollgate.policy;

import org.jspecify.annotations.NullMarked;
