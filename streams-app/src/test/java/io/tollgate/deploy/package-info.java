/** Holds the files of {@code deploy/}, the Dockerfile and docker-compose.yml against the application. */
@NullMarked
package io.tollgate.deploy;

import org.jspecify.annotations.NullMarked;
