/**
 * A {@link io.tollgate.client.ResourceQuotaManager} as a bean of Spring Boot.
 *
 * <p>Stands on the library alone. Each class that names an optional part of Spring Boot is loaded only where that part
 * is there.
 */
@NullMarked
package io.tollgate.spring;

import org.jspecify.annotations.NullMarked;
