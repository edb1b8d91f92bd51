/** Tests of the pages that people read: links lead somewhere, commands exist, tables are complete, and no page is too long. */
@NullMarked
package io.tollgate.pages;

import org.jspecify.annotations.NullMarked;
