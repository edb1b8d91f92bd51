package io.tollgate.verify;

/**
 * What the checker must know besides the records.
 *
 * @param fromMillis requests with a timestamp before this one need not be decided within what was read
 * @param exclusive no other program spends, no operator fills a bucket, and Redis loses nothing
 */
record CheckerSettings(VerifySettings topics, long fromMillis, boolean exclusive) {}
