package io.tollgate.bucket;

class LocalBucketsContractTest extends BucketsContract {
    @Override
    protected Buckets open() {
        return new LocalBuckets(new BucketClock());
    }
}
