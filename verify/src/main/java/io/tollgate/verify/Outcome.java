package io.tollgate.verify;

/** Which of the two topics a decided record stands on. */
enum Outcome {
    APPROVED,
    REJECTED
}
