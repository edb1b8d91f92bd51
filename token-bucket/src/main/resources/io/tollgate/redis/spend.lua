-- Decides requests against token buckets, atomically. One key and one argument per agent.
--
--   KEYS[i]   quota:<agent>:tokens, a hash: tokens, last_refill (shared with other programs), fence (ours)
--   ARGV[i]   little-endian: operation B, capacity d, refill per second d,
--             source c8 (zeros: none), committed offset d,
--             copy B (0 none, 1 follows Redis, 2 holds decisions that Redis has not seen, 3 supersedes Redis), its tokens d, last refill d,
--             fence offset d, size of its groups I4, groups;
--             number of requests I4, and for each: offset d, cost d
--   returns   now in microseconds d; then for each key: status B, and
--             status 255: size of a text I4, text; nothing of this key was written
--             else: tokens d, last refill d, and for each request: verdict B, tokens left d, decided at d, retry after ms d
--
-- Packed arguments, because parsing decimal text costs Redis more than deciding does. TokenBucket.java holds the same steps
-- in the same order, so that both give the same double to the last bit.
--
-- The fence makes a request that is processed again get the answer it got before and be charged once. It is a list of
-- entries (source c8, size of groups I4, groups); an entry's groups stand newest first, one for each call that decided:
--   last offset d, first offset d, decided at d, tokens after d, approved I4 (0 none, 4294967295 all, else a count, and each
--   I4: last - offset); a group whose first is above its last answers for nothing, and remembers how far decisions went
-- Groups at or below the committed offset are dropped: they can only be asked for again on an operator's wish, and then the
-- requests are decided afresh.

local SPEND, RESET = 0, 2 -- 1 looks, and writes nothing
local APPROVED, QUOTA_EXCEEDED, COST_EXCEEDS_CAPACITY, REPLAYED = 1, 2, 3, 16
local FINE, REPAIRED, RECONCILED, FAILED = 0, 1, 2, 255
local ALL = 4294967295
local NO_SOURCE = '\0\0\0\0\0\0\0\0'
local LARGEST = 1e12
local LARGEST_OFFSET = 9007199254740992 -- above it doubles skip whole numbers
local FIXED_BYTES, CHARGE_BYTES = 66, 16
local MAX_SOURCES = 4
local MAX_AHEAD_SECONDS = 86400
local SHORTEST_TTL_SECONDS, LONGEST_TTL_SECONDS = 3600, 3153600000

local pack, unpack_, sub, floor, format, find = struct.pack, struct.unpack, string.sub, math.floor, string.format, string.find

local time = redis.call('TIME')
local clock_micros = time[1] * 1000000 + time[2]
local clock = time[1] + time[2] / 1e6

local function finite(n) return n > -math.huge and n < math.huge end -- false for NaN

-- tonumber alone takes nan, inf and 0x10: a stored NaN would approve for ever.
local function number(text)
  local n = tonumber(text)
  if n and finite(n) and not find(text, '[xX]') then return n end
end

local function legal(n, largest) return n >= 0 and n <= largest end -- false for NaN

local function group_size(approved) return 36 + (approved == ALL and 0 or approved * 4) end

-- Fails on groups that are cut off or hold no numbers: here, rather than after a write.
local function check_groups(groups)
  local pos = 1
  while pos <= #groups do
    local last, first, at, tokens, approved = unpack_('<ddddI4', groups, pos)
    if not (legal(last, LARGEST_OFFSET) and legal(first, LARGEST_OFFSET) and finite(at) and finite(tokens)) then
      error('groups hold no numbers')
    end
    pos = pos + group_size(approved)
  end
  if pos ~= #groups + 1 then error('groups are cut off') end
end

-- Returns our groups, where ours begins and ends in the fence, and how many other sources there are.
local function open_fence(fence, source)
  local pos, groups, from, to, others = 1, '', 1, 0, 0
  while pos <= #fence do
    local id, size, body = unpack_('<c8I4', fence, pos)
    if body + size > #fence + 1 then error('fence is cut off') end
    if id == source then groups, from, to = sub(fence, body, body + size - 1), pos, body + size - 1 else others = others + 1 end
    pos = body + size
  end
  check_groups(groups)
  return groups, from, to, others
end

-- Drops what a replay can never ask for. Almost always everything: one look at the newest group is enough.
local function uncommitted(groups, committed)
  local pos = 1
  while pos <= #groups do
    local last, _, _, _, approved = unpack_('<ddddI4', groups, pos)
    if last <= committed then return sub(groups, 1, pos - 1) end
    pos = pos + group_size(approved)
  end
  return groups
end

-- Returns whether the offset was approved, the tokens left and the time of its decision; nothing if no group covers it.
local function recall(groups, offset)
  local pos = 1
  while pos <= #groups do
    local last, first, at, tokens, approved, list = unpack_('<ddddI4', groups, pos)
    if last < offset then return end
    if first <= offset then
      if approved == ALL then return true, tokens, at end
      for i = 1, approved do
        if last - unpack_('<I4', groups, list + (i - 1) * 4) == offset then return true, tokens, at end
      end
      return false, tokens, at
    end
    pos = pos + group_size(approved)
  end
end

-- What was decided on the copy went out to the consumers: for the offsets of its groups it stands before what a lost answer
-- may have said. What Redis decided before them stays, and what it decided after (an old copy came back), unless the caller has
-- given those calls up.
local function merged(groups, copy_groups, copy_last, supersedes)
  local newer, older = {}, {}
  local copy_first = math.huge
  local pos = 1
  while pos <= #copy_groups do
    local _, first, _, _, approved = unpack_('<ddddI4', copy_groups, pos)
    if first < copy_first then copy_first = first end
    pos = pos + group_size(approved)
  end
  pos = 1
  while pos <= #groups do
    local last, first, _, _, approved = unpack_('<ddddI4', groups, pos)
    local size = group_size(approved)
    if last > copy_last then
      if not supersedes then
        if first <= copy_last then first = copy_last + 1 end
        newer[#newer + 1] = sub(groups, pos, pos + 7) .. pack('<d', first) .. sub(groups, pos + 16, pos + size - 1)
      end
    elseif first < copy_first then older[#older + 1] = sub(groups, pos, pos + size - 1) end
    pos = pos + size
  end
  return table.concat(newer) .. copy_groups .. table.concat(older)
end

local function retry_after_millis(missing, rate)
  local millis = floor(missing / rate * 1000 + 0.001) + 1 -- + 1 us: doubles of seconds are 0.24 us apart
  if millis < 9e15 then return millis end
  return -1 -- a bucket that does not refill
end

local function fail(text) return pack('<BI4', FAILED, #text) .. text end

local function decide(key, argument)
  if #argument < FIXED_BYTES then return fail('the argument is cut off') end
  local operation, capacity, rate, source, committed, copy, copy_tokens, copy_last, copy_fence, copy_size, pos =
    unpack_('<Bddc8dBdddI4', argument)
  local copy_groups = sub(argument, pos, pos + copy_size - 1)
  if copy_size > #argument - FIXED_BYTES then return fail('the argument is cut off') end
  local count
  count, pos = unpack_('<I4', argument, pos + copy_size)
  if #argument ~= FIXED_BYTES + copy_size + CHARGE_BYTES * count then return fail('the argument is cut off') end
  local first = pos

  -- Everything is checked before the first write: Redis does not roll back.
  if not (capacity > 0 and capacity <= LARGEST) then return fail('capacity must be above 0 and at most 1e12') end
  if not legal(rate, LARGEST) then return fail('refill rate must be from 0 to 1e12') end
  for _ = 1, count do
    local offset, cost
    offset, cost, pos = unpack_('<dd', argument, pos)
    if not (offset >= -1 and offset <= LARGEST_OFFSET and offset == floor(offset)) then return fail('offset must be a whole number') end
    if not legal(cost, LARGEST) then return fail('cost must be from 0 to 1e12') end
  end
  if committed ~= committed or copy_fence ~= copy_fence then return fail('offsets must be numbers') end
  if copy > 0 and not (finite(copy_tokens) and finite(copy_last)) then
    return fail('the copy must hold finite numbers')
  end
  if copy_size > 0 and not pcall(check_groups, copy_groups) then return fail('the groups of the copy are cut off') end

  local stored = redis.pcall('HMGET', key, 'tokens', 'last_refill', 'fence')
  if stored.err then return fail(stored.err) end -- WRONGTYPE: this agent's key alone

  local status = FINE
  local tokens_text, last_text, fence = stored[1], stored[2], stored[3] or ''
  local gone = not tokens_text and not last_text
  local tokens, last, stored_last
  if gone then
    tokens, last = capacity, clock
  else
    tokens, last = tokens_text and number(tokens_text), last_text and number(last_text)
    stored_last = last
    if not tokens or not last or last > clock + MAX_AHEAD_SECONDS then
      -- Unreadable: nobody knows what was left. Empty unless our copy says more; it refills.
      tokens, last, status, gone = 0, clock, REPAIRED, copy > 0
    end
  end

  local fenced = source ~= NO_SOURCE
  local groups, from, to, others = '', 1, 0, 0
  if fenced and #fence > 0 then
    local ok
    ok, groups, from, to, others = pcall(open_fence, fence, source)
    if not ok then fence, groups, from, to, others, status = '', '', 1, 0, 0, REPAIRED end
  end
  local fence_offset = -1
  local written_micros = 0
  if #groups > 0 then
    local _
    fence_offset, _, written_micros = unpack_('<ddd', groups)
  end

  local reconciled = copy > 0 and (gone or copy >= 2 or fence_offset < copy_fence)
  local now = clock
  if last > now then now = last end
  if reconciled and copy_last > now then now = copy_last end
  local now_micros = now == clock and clock_micros or floor(now * 1e6 + 0.5)

  local elapsed = now - last
  if elapsed > 0 then tokens = tokens + elapsed * rate end
  if tokens > capacity then tokens = capacity end
  if reconciled then
    local ours = copy_tokens
    elapsed = now - copy_last
    if elapsed > 0 then ours = ours + elapsed * rate end
    if ours > capacity then ours = capacity end
    if gone or ours < tokens then tokens = ours end
    if status == FINE then status = RECONCILED end
  end
  last = now

  if operation == RESET then tokens = capacity end

  local kept = groups
  if fenced then
    local supersedes = copy == 3
    if reconciled and (copy_size > 0 or supersedes) then kept = merged(groups, copy_groups, copy_fence, supersedes) end
    kept = uncommitted(kept, committed)
    if reconciled and (supersedes or copy_fence > fence_offset) then fence_offset = copy_fence end
  end

  local answers = {}
  local approved_offsets, decided, oldest, newest = {}, 0, -1, fence_offset
  pos = first
  for i = 1, count do
    local offset, cost
    offset, cost, pos = unpack_('<dd', argument, pos)
    local again, was_approved, was_tokens, was_at = false, nil, nil, nil
    if fenced and offset <= fence_offset then
      was_approved, was_tokens, was_at = recall(kept, offset)
      again = was_approved ~= nil -- not covered: committed long ago, and read again on an operator's wish
    end
    if again then
      if was_approved then answers[i] = pack('<Bddd', REPLAYED + APPROVED, was_tokens, was_at, 0)
      elseif cost > capacity then answers[i] = pack('<Bddd', REPLAYED + COST_EXCEEDS_CAPACITY, was_tokens, was_at, 0)
      else answers[i] = pack('<Bddd', REPLAYED + QUOTA_EXCEEDED, was_tokens, was_at, retry_after_millis(cost - was_tokens, rate)) end
    else
      local fresh = offset > fence_offset
      if fresh then
        if decided == 0 then oldest = offset end
        decided, newest = decided + 1, offset
      end
      if cost == 0 or cost <= tokens then
        if cost > 0 then tokens = tokens - cost end
        if fresh then approved_offsets[#approved_offsets + 1] = offset end
        answers[i] = pack('<Bddd', APPROVED, tokens, now_micros, 0)
      elseif cost > capacity then answers[i] = pack('<Bddd', COST_EXCEEDS_CAPACITY, tokens, now_micros, 0)
      else answers[i] = pack('<Bddd', QUOTA_EXCEEDED, tokens, now_micros, retry_after_millis(cost - tokens, rate)) end
    end
  end

  if operation == RESET or operation == SPEND and count > 0 then
    local tokens_out, last_out = format('%.17g', tokens), format('%.17g', last)
    if fenced then
      if decided > 0 then
        local approved = #approved_offsets
        local group
        if approved == decided then group = pack('<ddddI4', newest, oldest, now_micros, tokens, ALL)
        else
          local parts = {pack('<ddddI4', newest, oldest, now_micros, tokens, approved)}
          for i = 1, approved do parts[i + 1] = pack('<I4', newest - approved_offsets[i]) end
          group = table.concat(parts)
        end
        kept = group .. kept
      elseif #kept == 0 and fence_offset >= 0 then
        kept = pack('<ddddI4', fence_offset, fence_offset + 1, now_micros, tokens, 0)
      end
      local rest = sub(fence, 1, from - 1) .. sub(fence, to + 1)
      if others >= MAX_SOURCES then -- the oldest stands last: topics recreated, partitions moved
        local at, n = 1, 0
        while n < MAX_SOURCES - 1 do
          local _, size, body = unpack_('<c8I4', rest, at)
          at, n = body + size, n + 1
        end
        rest = sub(rest, 1, at - 1)
      end
      if #kept > 0 then fence = pack('<c8I4', source, #kept) .. kept .. rest else fence = rest end
      redis.call('HSET', key, 'tokens', tokens_out, 'last_refill', last_out, 'fence', fence)
    else
      redis.call('HSET', key, 'tokens', tokens_out, 'last_refill', last_out)
    end

    -- Never shorter than the bucket needs to fill: expiry must not give tokens away. Once a minute is enough where the last
    -- write was ours (another program's EXPIRE may have shortened it) and the bucket fills within the shortest time to live.
    -- A bucket ahead of the clock stands still, and its minute with it.
    local fills = math.ceil((tokens < 0 and capacity - tokens or capacity) / rate)
    local ours = stored_last and written_micros > 0 and math.abs(stored_last - written_micros / 1e6) < 1e-5
    if not ours or now ~= clock or fills > SHORTEST_TTL_SECONDS or floor(written_micros / 6e7) ~= floor(now_micros / 6e7) then
      local ttl = math.max(SHORTEST_TTL_SECONDS, math.min(fills, LONGEST_TTL_SECONDS)) + 60
      redis.call('EXPIRE', key, format('%.0f', ttl))
    end
  end

  return pack('<Bdd', status, tokens, last) .. table.concat(answers)
end

local replies = {pack('<d', clock_micros)}
for i = 1, #KEYS do
  replies[i + 1] = decide(KEYS[i], ARGV[i])
end
return table.concat(replies)
