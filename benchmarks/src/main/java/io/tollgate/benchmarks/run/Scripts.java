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
     * Spring Cloud Gateway's call pattern: two plain keys for each agent, whole seconds, both written with a time to
     * live of twice the time to fill.
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

    /**
     * The least that a script can do which keeps the shared fields of many agents: no fence, no copy, no terms, nothing
     * of what may be wrong. Packed arguments: limits I4, requests I4, for each limit capacity d, rate d and the suffix
     * of its fields, and the cost of each request d.
     */
    static final String MINIMAL = """
            local time = redis.call('TIME')
            local now = time[1] + time[2] / 1e6
            local replies = {}
            for i = 1, #KEYS do
              local key, argument = KEYS[i], ARGV[i]
              local limits, requests, at = struct.unpack('<I4I4', argument)
              local levels, fields, reply = {}, {}, ''
              for k = 1, limits do
                local capacity, rate, suffix
                capacity, rate, suffix, at = struct.unpack('<ddBc0', argument, at)
                local stored = redis.call('HMGET', key, 'tokens' .. suffix, 'last_refill' .. suffix)
                local tokens = tonumber(stored[1]) or capacity
                levels[k] = math.min(capacity, tokens + math.max(0, now - (tonumber(stored[2]) or now)) * rate)
                fields[4 * k - 3], fields[4 * k - 1] = 'tokens' .. suffix, 'last_refill' .. suffix
              end
              for k = 1, requests do
                local cost, approved
                cost, at = struct.unpack('<d', argument, at)
                approved = true
                for l = 1, limits do approved = approved and cost <= levels[l] end
                for l = 1, approved and limits or 0 do levels[l] = levels[l] - cost end
                reply = reply .. struct.pack('<Bd', approved and 1 or 0, levels[1])
              end
              for k = 1, limits do
                fields[4 * k - 2], fields[4 * k] = ('%.17g'):format(levels[k]), ('%.17g'):format(now)
              end
              redis.call('HSET', key, unpack(fields))
              redis.call('EXPIRE', key, 3600)
              replies[i] = reply
            end
            return table.concat(replies)
            """;

    private Scripts() {}
}
