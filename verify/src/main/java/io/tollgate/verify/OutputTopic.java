package io.tollgate.verify;

/** The topic of a decided record. */
enum OutputTopic {
    APPROVED,
    REJECTED
}
