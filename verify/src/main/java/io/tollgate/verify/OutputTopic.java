package io.tollgate.verify;

/** Which of the two topics a decided record stands on. */
enum OutputTopic {
    APPROVED,
    REJECTED
}
