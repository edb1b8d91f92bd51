package io.tollgate.benchmarks.run;

/** Scripts of peers, in our own words. */
final class Scripts {
    /** The shared layout, one agent, decimal text: the script of a program that asks Redis for each request. */
    static final String PLAIN_BUCKET = """
            local capacity, rate, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
            local time = redis.call('TIME')
            local now = time[1] + time[2] / 1e6
            local stored = redis.call('HMGET', KEYS[1], 'tokens', 'last_refill')
            local tokens = tonumber(stored[1]) or capacity
            local last = tonumber(stored[2]) or now
            tokens = math.min(capacity, tokens + math.max(0, now - last) * rate)
            local approved = cost <= tokens
            if approved then tokens = tokens - cost end
            redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'last_refill', string.format('%.17g', now))
            redis.call('EXPIRE', KEYS[1], 3600)
            return {approved and 1 or 0, tostring(tokens)}
            """;

    /**
     * Spring Cloud Gateway's call pattern: two plain keys for each agent, whole seconds, both written with a time to live of
     * twice the time to fill.
     *
     * @see <a href="https://docs.spring.io/spring-cloud-gateway/reference/">Redis RateLimiter</a>
     */
    static final String GATEWAY = """
            local refill, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
            local second = tonumber(redis.call('TIME')[1])
            local left = tonumber(redis.call('GET', KEYS[1])) or burst
            local since = tonumber(redis.call('GET', KEYS[2])) or 0
            left = math.min(burst, left + math.max(0, second - since) * refill)
            local granted = 0
            if left >= wanted then
              left = left - wanted
              granted = 1
            end
            local ttl = math.floor(burst / refill * 2)
            if ttl > 0 then
              redis.call('SETEX', KEYS[1], ttl, left)
              redis.call('SETEX', KEYS[2], ttl, second)
            end
            return {granted, left}
            """;

    private Scripts() {}
}
