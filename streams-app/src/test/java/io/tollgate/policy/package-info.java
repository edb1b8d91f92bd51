@NullMarked
package io.tollgate.policy;

import org.jspecify.annotations.NullMarked;
