-- Decides requests against token buckets, atomically. One key and one argument per agent.
--
--   KEYS[i]   quota:<agent>:tokens, a hash: tokens, last_refill (shared with other programs); ours: fence, terms, and for each
--             limit after the first tokens:<name>, last_refill:<name>
--   ARGV[i]   little-endian: operation B, source c8 (zeros: none), committed offset d,
--             copy B (0 none, 1 follows Redis, 2 holds decisions that Redis has not seen, 3 supersedes Redis), its first limit's
--             tokens d, last refill d, fence offset d, size of the terms I4, size of the copy's rest I4, size of its groups I4, size of
--             the groups of those that were refused without asking since the last call I4;
--             terms; rest; groups; those groups; number of requests I4, and for each: offset d, cost d
--   terms     number of the policy c8, and for each limit: capacity d, refill per second d, length of its name B, name
--   rest      empty where the copy has one limit, and the terms of this call; else: size of its terms I4 (0 unknown), its terms, and
--             for each limit after the first: tokens d, last refill d
--   returns   now in microseconds d; then for each key: status B, and
--             status 255: size of a text I4, text; nothing of this key was written
--             else: last refill d, for each limit tokens d, and for each request: verdict B, limit B (counted from 0), tokens left d,
--             decided at d, retry after ms d; after a verdict from the fence: size I4 of the terms it was decided by (0: those of
--             this call), terms
--
-- Packed arguments, because parsing decimal text costs Redis more than deciding does. TokenBucket.java holds the same steps
-- in the same order, so that both give the same double to the last bit.
--
-- The field terms says by which terms the tokens were left: what a change of limits means for the time before depends on them. It is
-- written when it changes. Callers without a source and with one nameless limit are other programs: they neither read nor write it.
--
-- The fence makes a request that is processed again get the answer it got before and be charged once. It is a list of
-- entries (source c8, size of groups I4, groups); an entry's groups stand newest first, one for each call that decided:
--   last offset d, first offset d, decided at d, tokens after d, size of its terms I4, size of more I4,
--   approved I4 (0 none, 4294967295 all, else a count); terms; more: where there are several limits, the tokens after d of those after
--   the first, and for each refused request: last - offset I4, limit B; and for each of the approved: last - offset I4
-- A group whose first is above its last answers for nothing, and remembers how far decisions went.
-- Groups at or below the committed offset are dropped: they can only be asked for again on an operator's wish, and then the
-- requests are decided afresh.

local SPEND, RESET = 0, 2 -- 1 looks, and writes nothing
local APPROVED, QUOTA_EXCEEDED, COST_EXCEEDS_CAPACITY, REPLAYED = 1, 2, 3, 16
local FINE, REPAIRED, RECONCILED, FAILED = 0, 1, 2, 255
local ALL = 4294967295
local NO_SOURCE = '\0\0\0\0\0\0\0\0'
local LARGEST = 1e12
local LARGEST_OFFSET = 9007199254740992 -- above it doubles skip whole numbers
local FIXED_BYTES, CHARGE_BYTES = 62, 16
local GROUP_BYTES = 44
local ONE_NAMELESS = 25 -- the size of such terms
local MAX_SOURCES = 4
local MAX_AHEAD_SECONDS = 86400
local SHORTEST_TTL_SECONDS, LONGEST_TTL_SECONDS = 3600, 3153600000

local pack, unpack_, sub, floor, format, find = struct.pack, struct.unpack, string.sub, math.floor, string.format, string.find

local time = redis.call('TIME')
local clock_micros = time[1] * 1000000 + time[2]
local clock = time[1] + time[2] / 1e6
local clock_text = string.format('%.17g', clock) -- most buckets are written at this moment

local function finite(n) return n > -math.huge and n < math.huge end -- false for NaN

-- tonumber alone takes nan, inf and 0x10: a stored NaN would approve for ever.
local function number(text)
  local n = tonumber(text)
  if n and finite(n) and not find(text, 'x', 1, true) and not find(text, 'X', 1, true) then return n end
end

local function legal(n, largest) return n >= 0 and n <= largest end -- false for NaN

local function group_size(terms, more, approved)
  return GROUP_BYTES + terms + more + (approved == ALL and 0 or approved * 4)
end

local parsed = {} -- many agents have the same terms

-- Returns the limits, and their places by name; fails on terms that are cut off or hold no limits.
local function limits_of(terms)
  local limits = parsed[terms]
  if limits then return limits end
  local at = 9
  limits = {places = {}}
  while at <= #terms do
    local capacity, rate, length, name = unpack_('<ddB', terms, at)
    at = name + length
    limits[#limits + 1] = {capacity = capacity, rate = rate, name = sub(terms, name, at - 1)}
    limits.places[limits[#limits].name] = #limits
    if not (capacity > 0 and capacity <= LARGEST) then error('capacity must be above 0 and at most 1e12', 0) end
    if not legal(rate, LARGEST) then error('refill rate must be from 0 to 1e12', 0) end
  end
  if at ~= #terms + 1 or #limits == 0 then error('the terms are cut off', 0) end
  parsed[terms] = limits
  return limits
end

-- Returns the place of the limit that the new one continues: the one of its name; the first, the shared one, continues the first also
-- where that one's name is gone. Nothing where the limit is new.
local function predecessor(old, new, i)
  local place = old.places[new[i].name]
  if place then return place end
  if i == 1 and not new.places[old[1].name] then return 1 end
end

-- Returns a bucket's tokens and last refill (whose number the caller knows), and whether it was unreadable; nothing where there is none.
local function read(tokens_text, last_text, last)
  if not tokens_text and not last_text then return end
  local tokens = tokens_text and number(tokens_text)
  if tokens and last and last <= clock + MAX_AHEAD_SECONDS then return tokens, last end
  -- Nobody knows what was left. Empty unless our copy says more; it refills.
  return 0, clock, true
end

-- What time gives is counted by the limit that was in force; then a smaller capacity cuts.
local function refill(tokens, elapsed, old, capacity)
  if elapsed > 0 then tokens = tokens + elapsed * old.rate end
  if tokens > old.capacity then tokens = old.capacity end
  if tokens > capacity then tokens = capacity end
  return tokens
end

-- Fails on groups that are cut off or hold no numbers: here, rather than after a write.
local function check_groups(groups)
  local pos = 1
  while pos <= #groups do
    local last, first, at, tokens, terms, more, approved, body = unpack_('<ddddI4I4I4', groups, pos)
    if not (legal(last, LARGEST_OFFSET) and legal(first, LARGEST_OFFSET) and finite(at) and finite(tokens)) then
      error('groups hold no numbers')
    end
    pos = pos + group_size(terms, more, approved)
    if terms > 0 then
      local size = 8 * (#limits_of(sub(groups, body, body + terms - 1)) - 1)
      if more < size or size == 0 and more > 0 or (more - size) % 5 ~= 0 then error('groups hold no limits') end
    elseif more > 0 then error('groups hold no limits') end
  end
  if pos ~= #groups + 1 then error('groups are cut off') end
end

-- Returns our groups, where ours begins and ends in the fence, how many other sources there are, our last offset, and when it was
-- decided. No groups where all are committed: almost always, and then they need not be looked at.
local function open_fence(fence, source, committed)
  local pos, groups, from, to, others, offset, micros = 1, '', 1, 0, 0, -1, 0
  while pos <= #fence do
    local id, size, body = unpack_('<c8I4', fence, pos)
    if body + size > #fence + 1 then error('fence is cut off') end
    if id ~= source then others = others + 1
    else
      from, to = pos, body + size - 1
      if size > 0 then
        local last, first, at = unpack_('<ddd', fence, body)
        offset, micros = last, at
        if not (legal(last, LARGEST_OFFSET) and last <= committed and finite(first) and finite(at)) then
          groups = sub(fence, body, to)
          check_groups(groups)
        end
      end
    end
    pos = body + size
  end
  return groups, from, to, others, offset, micros
end

-- Drops what a replay can never ask for. Almost always everything: one look at the newest group is enough.
local function uncommitted(groups, committed)
  local pos = 1
  while pos <= #groups do
    local last, _, _, _, terms, more, approved = unpack_('<ddddI4I4I4', groups, pos)
    if last <= committed then return sub(groups, 1, pos - 1) end
    pos = pos + group_size(terms, more, approved)
  end
  return groups
end

-- Returns the least that was left in any of the limits' buckets.
local function least(groups, tokens, more, size)
  for at = more, more + size - 8, 8 do
    local left = unpack_('<d', groups, at)
    if left < tokens then tokens = left end
  end
  return tokens
end

-- Returns whether the offset was approved, the tokens left, the time of its decision, its terms, and which limit refused (counted
-- from 1); nothing if no group covers it.
local function recall(groups, offset)
  local pos = 1
  while pos <= #groups do
    local last, first, at, tokens, terms, more, approved, body = unpack_('<ddddI4I4I4', groups, pos)
    if last < offset then return end
    if first <= offset then
      local by, others = sub(groups, body, body + terms - 1), body + terms
      local tokens_size = more > 0 and 8 * (#limits_of(by) - 1) or 0
      local list = others + more
      if approved == ALL then return true, least(groups, tokens, others, tokens_size), at, by end
      for i = 1, approved do
        if last - unpack_('<I4', groups, list + (i - 1) * 4) == offset then
          return true, least(groups, tokens, others, tokens_size), at, by
        end
      end
      for refused = others + tokens_size, list - 5, 5 do
        local back, limit = unpack_('<I4B', groups, refused)
        if last - back == offset then
          if limit > 0 and limit * 8 <= tokens_size then tokens = unpack_('<d', groups, others + (limit - 1) * 8) end
          return false, tokens, at, by, limit + 1
        end
      end
      return false, tokens, at, by, 1
    end
    pos = pos + group_size(terms, more, approved)
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
    local _, first, _, _, terms, more, approved = unpack_('<ddddI4I4I4', copy_groups, pos)
    if first < copy_first then copy_first = first end
    pos = pos + group_size(terms, more, approved)
  end
  pos = 1
  while pos <= #groups do
    local last, first, _, _, terms, more, approved = unpack_('<ddddI4I4I4', groups, pos)
    local size = group_size(terms, more, approved)
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
  if missing < 0 then missing = 0 end -- refused before what was left was left
  local millis = floor(missing / rate * 1000 + 0.001) + 1 -- + 1 us: doubles of seconds are 0.24 us apart
  if millis < 9e15 then return millis end
  return -1 -- a bucket that does not refill
end

local function fail(text) return pack('<BI4', FAILED, #text) .. text end

-- Returns which limit refuses (counted from 1); nothing if all cover the cost. Where several refuse: one that no wait helps, else the
-- one with the longest wait.
local function refusing(limits, tokens, more, cost)
  local by, longest
  for i = 1, #limits do
    local left = i == 1 and tokens or more[i]
    if cost > left then
      if cost > limits[i].capacity then return i end
      local wait = (cost - left) / limits[i].rate
      if not by or wait > longest then by, longest = i, wait end
    end
  end
  return by
end

local function copy_of(rest, terms, tokens, last)
  if #rest == 0 then return limits_of(terms), {{tokens, last}} end
  local size, pos = unpack_('<I4', rest)
  local old = size == 0 and limits_of(terms) or limits_of(sub(rest, pos, pos + size - 1))
  local levels = {{tokens, last}}
  pos = pos + size
  while pos <= #rest do
    local left, at
    left, at, pos = unpack_('<dd', rest, pos)
    if not (finite(left) and finite(at)) then error('the copy must hold finite numbers', 0) end
    levels[#levels + 1] = {left, at}
  end
  if size > 0 and #levels ~= #old then error('the rest of the copy is cut off', 0) end
  return old, levels
end

local function decide(key, argument)
  if #argument < FIXED_BYTES then return fail('the argument is cut off') end
  local operation, source, committed, copy, copy_tokens, copy_last, copy_fence, terms_size, rest_size, copy_size, unasked_size, pos =
    unpack_('<Bc8dBdddI4I4I4I4', argument)
  local sizes = terms_size + rest_size + copy_size + unasked_size
  if sizes > #argument - FIXED_BYTES then return fail('the argument is cut off') end
  local terms = sub(argument, pos, pos + terms_size - 1)
  local unasked = sub(argument, pos + sizes - unasked_size, pos + sizes - 1)
  local count, first = unpack_('<I4', argument, pos + sizes)
  if #argument ~= FIXED_BYTES + sizes + CHARGE_BYTES * count then return fail('the argument is cut off') end

  -- Everything is checked before the first write: Redis does not roll back.
  local capacity, rate, limits -- limits only where there is more to them than one capacity and one rate
  if terms_size == ONE_NAMELESS then
    capacity, rate = unpack_('<dd', terms, 9)
    if not (capacity > 0 and capacity <= LARGEST) then return fail('capacity must be above 0 and at most 1e12') end
    if not legal(rate, LARGEST) then return fail('refill rate must be from 0 to 1e12') end
  else
    local ok
    ok, limits = pcall(limits_of, terms)
    if not ok then return fail(limits) end
    capacity, rate = limits[1].capacity, limits[1].rate
  end
  if committed ~= committed or copy_fence ~= copy_fence then return fail('offsets must be numbers') end
  if copy > 0 and not (finite(copy_tokens) and finite(copy_last)) then
    return fail('the copy must hold finite numbers')
  end
  if unasked_size > 0 and not pcall(check_groups, unasked) then return fail('the groups of the refused are cut off') end
  local copy_limits, copies
  if copy > 0 and (rest_size > 0 or limits) then
    local ok
    ok, copy_limits, copies =
      pcall(copy_of, sub(argument, pos + terms_size, pos + terms_size + rest_size - 1), terms, copy_tokens, copy_last)
    if not ok then return fail(copy_limits) end
  end

  local stored
  if not limits then stored = redis.pcall('HMGET', key, 'tokens', 'last_refill', 'fence', 'terms')
  else
    local fields = {}
    for i = 1, #limits do
      fields[2 * i - 1], fields[2 * i] = 'tokens:' .. limits[i].name, 'last_refill:' .. limits[i].name
    end
    stored = redis.pcall('HMGET', key, 'tokens', 'last_refill', 'fence', 'terms', unpack(fields))
  end
  if stored.err then return fail(stored.err) end -- WRONGTYPE: this agent's key alone

  local fenced = source ~= NO_SOURCE
  local ours = fenced or limits
  local stored_terms = ours and stored[4]
  local old
  if stored_terms and stored_terms ~= terms then
    local ok
    ok, old = pcall(limits_of, stored_terms)
    if not ok then old = nil end -- what was promised before is not known: the time before counts as what is promised now
    limits = limits or limits_of(terms)
  end

  if copy_limits then limits = limits or limits_of(terms) end

  local status = FINE
  local tokens_text, last_text, fence = stored[1], stored[2], stored[3] or ''
  local gone = not tokens_text and not last_text
  local stored_last = last_text and number(last_text)
  local tokens, last, before, unreadable -- of the first limit
  local more, more_before = nil, nil -- tokens of the others, as {tokens, last} at first
  if not old then tokens, last, unreadable = read(tokens_text, last_text, stored_last)
  else
    local place = predecessor(old, limits, 1)
    if place == 1 then tokens, last, unreadable = read(tokens_text, last_text, stored_last)
    elseif place then tokens, last, unreadable = read(stored[5], stored[6], stored[6] and number(stored[6])) end
    before = place and old[place]
  end
  local now = clock
  if unreadable then status, gone = REPAIRED, copy > 0 end
  local first_gone = not tokens or unreadable and copy > 0
  if not tokens then tokens, last, before = capacity, clock, nil
  elseif last > now then now = last end
  if limits and #limits > 1 then
    more, more_before = {}, {}
    for i = 2, #limits do
      local place = old and predecessor(old, limits, i) or not old and i
      local left, since, bad
      if place == 1 then left, since, bad = read(tokens_text, last_text, stored_last)
      elseif place then left, since, bad = read(stored[2 * i + 3], stored[2 * i + 4], stored[2 * i + 4] and number(stored[2 * i + 4])) end
      if bad then status = REPAIRED end
      if left and since > now then now = since end
      more[i] = {left or limits[i].capacity, left and since or clock, not left or bad and copy > 0}
      more_before[i] = left and old and old[place] or limits[i]
    end
  end

  local groups, from, to, others, fence_offset, written_micros = '', 1, 0, 0, -1, 0
  if fenced and #fence > 0 then
    local ok
    ok, groups, from, to, others, fence_offset, written_micros = pcall(open_fence, fence, source, committed)
    if not ok then fence, groups, from, to, others, fence_offset, written_micros, status = '', '', 1, 0, 0, -1, 0, REPAIRED end
  end

  local reconciled = copy > 0 and (gone or copy >= 2 or fence_offset < copy_fence)
  local copy_groups = ''
  if reconciled then
    if copy_size > 0 then
      copy_groups = sub(argument, pos + terms_size + rest_size, pos + sizes - unasked_size - 1)
      if not pcall(check_groups, copy_groups) then return fail('the groups of the copy are cut off') end
    end
    if copies then
      for i = 1, #copies do if copies[i][2] > now then now = copies[i][2] end end
    elseif copy_last > now then now = copy_last end
  end
  local now_micros = now == clock and clock_micros or floor(now * 1e6 + 0.5)

  local elapsed = now - last
  if before then tokens = refill(tokens, elapsed, before, capacity)
  else
    if elapsed > 0 then tokens = tokens + elapsed * rate end
    if tokens > capacity then tokens = capacity end
  end
  if more then
    for i = 2, #limits do
      more[i][1] = refill(more[i][1], now - more[i][2], more_before[i], limits[i].capacity)
    end
  end
  if fenced and copy == 3 and fence_offset > copy_fence then
    -- Calls were given up after Redis had decided: what they charged for requests that come again now is given back first.
    local back = 0
    pos = first
    for _ = 1, count do
      local offset, cost
      offset, cost, pos = unpack_('<dd', argument, pos)
      if offset > copy_fence and offset <= fence_offset and recall(groups, offset) then back = back + cost end
    end
    tokens = math.min(tokens + back, capacity)
    if more then for i = 2, #limits do more[i][1] = math.min(more[i][1] + back, limits[i].capacity) end end
  end
  if reconciled then
    if copy_limits then
      for i = 1, #limits do
        local place = predecessor(copy_limits, limits, i)
        local known = place and copies[place] -- not where the limit is newer than the copy
        if known then
          local left = refill(known[1], now - known[2], copy_limits[place], limits[i].capacity)
          if i == 1 then
            if first_gone or left < tokens then tokens = left end
          elseif more[i][3] or left < more[i][1] then more[i][1] = left end
        end
      end
    else
      local left = copy_tokens
      elapsed = now - copy_last
      if elapsed > 0 then left = left + elapsed * rate end
      if left > capacity then left = capacity end
      if first_gone or left < tokens then tokens = left end
    end
    if status == FINE then status = RECONCILED end
  end
  last = now
  if more then for i = 2, #limits do more[i] = more[i][1] end end

  if operation == RESET then
    tokens = capacity
    if more then for i = 2, #limits do more[i] = limits[i].capacity end end
  end

  local kept = groups
  if fenced then
    local supersedes = copy == 3
    if reconciled and (copy_size > 0 or supersedes) then kept = merged(groups, copy_groups, copy_fence, supersedes) end
    kept = uncommitted(kept, committed)
    if reconciled and (supersedes or copy_fence > fence_offset) then fence_offset = copy_fence end
    if unasked_size > 0 then -- processed again, they must be refused again, although they lie below the fence
      local through, from_offset = unpack_('<dd', unasked)
      if from_offset > fence_offset then kept, fence_offset = unasked .. kept, through end
    end
  end

  local answers = {}
  local approved_offsets, refused, decided, oldest, newest = {}, more and {}, 0, -1, fence_offset
  pos = first
  for i = 1, count do
    local offset, cost
    offset, cost, pos = unpack_('<dd', argument, pos)
    if not (offset >= -1 and offset <= LARGEST_OFFSET and offset == floor(offset)) then return fail('offset must be a whole number') end
    if not legal(cost, LARGEST) then return fail('cost must be from 0 to 1e12') end
    local again, was_approved, was_tokens, was_at, was_terms, was_limit = false, nil, nil, nil, nil, nil
    if fenced and offset <= fence_offset then
      was_approved, was_tokens, was_at, was_terms, was_limit = recall(kept, offset)
      again = was_approved ~= nil -- not covered: committed long ago, and read again on an operator's wish
    end
    if again then
      local by = was_terms
      if by == terms or #by == 0 then by, was_terms = '', terms end
      local verdict, millis = REPLAYED + APPROVED, 0
      if not was_approved then
        local was = limits_of(was_terms)[was_limit]
        if cost > was.capacity then verdict = REPLAYED + COST_EXCEEDS_CAPACITY
        else verdict, millis = REPLAYED + QUOTA_EXCEEDED, retry_after_millis(cost - was_tokens, was.rate) end
      end
      answers[i] = pack('<BBdddI4', verdict, (was_limit or 1) - 1, was_tokens, was_at, millis, #by) .. by
    else
      local fresh = offset > fence_offset
      if fresh then
        if decided == 0 then oldest = offset end
        decided, newest = decided + 1, offset
      end
      local by -- the limit that refuses
      if cost > 0 then
        if more then by = refusing(limits, tokens, more, cost) elseif cost > tokens then by = 1 end
      end
      if not by then
        local left = tokens
        if cost > 0 then
          tokens = tokens - cost
          left = tokens
          if more then for k = 2, #limits do more[k] = more[k] - cost end end
        end
        if more then for k = 2, #limits do if more[k] < left then left = more[k] end end end
        if fresh then approved_offsets[#approved_offsets + 1] = offset end
        answers[i] = pack('<BBddd', APPROVED, 0, left, now_micros, 0)
      else
        local its_capacity, its_rate, left = capacity, rate, tokens
        if by > 1 then its_capacity, its_rate, left = limits[by].capacity, limits[by].rate, more[by] end
        if more and fresh then refused[#refused + 1] = {offset, by - 1} end
        if cost > its_capacity then answers[i] = pack('<BBddd', COST_EXCEEDS_CAPACITY, by - 1, left, now_micros, 0)
        else answers[i] = pack('<BBddd', QUOTA_EXCEEDED, by - 1, left, now_micros, retry_after_millis(cost - left, its_rate)) end
      end
    end
  end

  if operation == RESET or operation == SPEND and count > 0 then
    local tokens_out, last_out = format('%.17g', tokens), last == clock and clock_text or format('%.17g', last)
    if fenced then
      if decided > 0 then
        local after = ''
        if more then
          local parts = {}
          for i = 2, #limits do parts[#parts + 1] = pack('<d', more[i]) end
          for i = 1, #refused do parts[#parts + 1] = pack('<I4B', newest - refused[i][1], refused[i][2]) end
          after = table.concat(parts)
        end
        local approved = #approved_offsets
        local group
        if approved == decided then
          group = pack('<ddddI4I4I4', newest, oldest, now_micros, tokens, terms_size, #after, ALL) .. terms .. after
        else
          local parts = {
            pack('<ddddI4I4I4', newest, oldest, now_micros, tokens, terms_size, #after, approved) .. terms .. after
          }
          for i = 1, approved do parts[i + 1] = pack('<I4', newest - approved_offsets[i]) end
          group = table.concat(parts)
        end
        kept = group .. kept
      elseif #kept == 0 and fence_offset >= 0 then
        kept = pack('<ddddI4I4I4', fence_offset, fence_offset + 1, now_micros, tokens, 0, 0, 0)
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
    end
    if not more and (stored_terms == terms or not ours) then
      if fenced then redis.call('HSET', key, 'tokens', tokens_out, 'last_refill', last_out, 'fence', fence)
      else redis.call('HSET', key, 'tokens', tokens_out, 'last_refill', last_out) end
    else
      local fields = {'tokens', tokens_out, 'last_refill', last_out}
      if fenced then fields[5], fields[6] = 'fence', fence end
      if stored_terms ~= terms then fields[#fields + 1], fields[#fields + 2] = 'terms', terms end
      if more then
        for i = 2, #limits do
          fields[#fields + 1], fields[#fields + 2] = 'tokens:' .. limits[i].name, format('%.17g', more[i])
          fields[#fields + 1], fields[#fields + 2] = 'last_refill:' .. limits[i].name, last_out
        end
      end
      redis.call('HSET', key, unpack(fields))
      if old then
        for i = 1, #old do -- not needed to be right, and a right that a user may lack: what it leaves is never read
          local place = limits.places[old[i].name]
          if #old[i].name > 0 and (not place or place == 1) then
            redis.pcall('HDEL', key, 'tokens:' .. old[i].name, 'last_refill:' .. old[i].name)
          end
        end
      end
    end

    -- Never shorter than the bucket needs to fill: expiry must not give tokens away. Once a minute is enough where the last
    -- write was ours (another program's EXPIRE may have shortened it) and the bucket fills within the shortest time to live.
    -- A bucket ahead of the clock stands still, and its minute with it.
    local fills = math.ceil((tokens < 0 and capacity - tokens or capacity) / rate)
    if more then
      for i = 2, #limits do fills = math.max(fills, math.ceil((limits[i].capacity - math.min(0, more[i])) / limits[i].rate)) end
    end
    if not ours and stored[4] then -- a program of one limit: those that the pipeline keeps here take their time, too
      local ok, theirs = pcall(limits_of, stored[4])
      if ok then
        for i = 1, #theirs do fills = math.max(fills, math.ceil(theirs[i].capacity / theirs[i].rate)) end
      end
    end
    local last_was_ours = stored_last and written_micros > 0 and math.abs(stored_last - written_micros / 1e6) < 1e-5
    if not last_was_ours or now ~= clock or fills > SHORTEST_TTL_SECONDS
      or floor(written_micros / 6e7) ~= floor(now_micros / 6e7) then
      local ttl = math.max(SHORTEST_TTL_SECONDS, math.min(fills, LONGEST_TTL_SECONDS)) + 60
      redis.call('EXPIRE', key, format('%.0f', ttl))
    end
  end

  local levels = pack('<Bdd', status, last, tokens)
  if more then for i = 2, #limits do levels = levels .. pack('<d', more[i]) end end
  return levels .. table.concat(answers)
end

local replies = {pack('<d', clock_micros)}
for i = 1, #KEYS do
  replies[i + 1] = decide(KEYS[i], ARGV[i])
end
return table.concat(replies)
