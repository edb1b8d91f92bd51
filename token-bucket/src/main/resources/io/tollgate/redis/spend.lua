-- Decides requests against token buckets, atomically. One key and one argument per agent.
--
--   KEYS[i]   quota:<agent>:tokens, a hash: tokens, last_refill (shared with other programs); ours: fence, terms, and for each
--             limit after the first tokens:<name>, last_refill:<name>
--   ARGV[i]   little-endian: operation B (0 spend, 1 look, 2 reset, 3 spend under exactly-once), source c8 (zeros: none), committed
--             offset d, relation of the caller's copy B (see below), its first limit's tokens d, last refill d, the last foreign write
--             that it knows of d (-1: it may lack more than that), fence offset d, moment from which the terms count d; sizes I4 of: terms, history, rest, groups, refused, sources;
--             number of requests I4; then those parts, and for each request: offset d, cost d
--   relation  0 no copy; 1 the copy is what Redis said last; 2 it holds decisions that Redis has not seen; 3 the same, and what
--             Redis decided beyond it went nowhere; 4 calls are under way that the copy does not know: the offsets are those sent
--   terms     number of the policy c8, and for each limit: capacity d, refill per second d, length of its name B, name
--   history   for each earlier promise, oldest first: moment from which it counted d, size of its terms I4, terms
--   rest      empty where the copy has one limit, and the terms of this call; else: size of its terms I4 (0 unknown), its terms, and
--             for each limit after the first: tokens d, last refill d
--   groups    the copy's own, of this source; refused: groups of what the caller refused alone since the last call
--   sources   of the copy's other sources: source c8, fence offset d (3: what was ever sent), size of its groups I4, groups
--   returns   now in microseconds d; then for each key: status B, and
--             status 255: size of a text I4, text; nothing of this key was written
--             else: last refill d, last foreign write d, for each limit tokens d; status 3: nothing more, and nothing was written; else
--             for each request: verdict B, limit B (counted from 0), tokens left d, decided at d, retry after ms d; after a verdict
--             from the fence: size I4 of the terms it was decided by (0: those of this call), terms
--
-- Packed arguments, because parsing decimal text costs Redis more than deciding does. TokenBucket.java holds the same steps
-- in the same order, so that both give the same double to the last bit.
--
-- The field terms says by which terms the tokens were left: what a change of limits means for the time before depends on them.
-- Callers without a source and with one nameless limit are other programs: they neither read nor write it.
--
-- The fence makes a request that is processed again get the answer it got before and be charged once. It begins with what this
-- script wrote last: tokens d, last refill d, and when it last met another program's write d (0 never). Then follow entries, one for each
-- source (source c8, size of groups I4, groups); an entry's groups stand newest first, one for each call that decided:
--   last offset d, first offset d, decided at d, tokens after d, size of its terms I4, size of more I4,
--   approved I4 (0 none, 4294967295 all, else a count); terms; more: where there are several limits, the tokens after d of those after
--   the first, and for each refused request: last - offset I4, limit B; and for each of the approved: last - offset I4
-- A group whose first is above its last answers for nothing, and remembers how far decisions went.
-- Groups at or below the committed offset are dropped: they are never asked for again.

local LOOK, RESET, ONCE = 1, 2, 3
local DECIDED_ALONE, SUPERSEDES, UNDER_WAY = 2, 3, 4
local APPROVED, QUOTA_EXCEEDED, COST_EXCEEDS_CAPACITY, REPLAYED = 1, 2, 3, 16
local FINE, REPAIRED, RECONCILED, DISAGREES, FAILED = 0, 1, 2, 3, 255
local ALL = 4294967295
local NO_SOURCE = '\0\0\0\0\0\0\0\0'
local LARGEST = 1e12
local LARGEST_OFFSET = 9007199254740992 -- above it doubles skip whole numbers
local FIXED_BYTES, CHARGE_BYTES, GROUP_BYTES, HEADER_BYTES = 86, 16, 44, 24
local MAX_SOURCES = 4
local MAX_AHEAD_SECONDS = 86400
local SHORTEST_TTL_SECONDS, LONGEST_TTL_SECONDS = 3600, 3153600000

local pack, unpack_, sub, floor, format, find = struct.pack, struct.unpack, string.sub, math.floor, string.format, string.find

local time = redis.call('TIME')
local clock_micros = time[1] * 1000000 + time[2]
local clock = time[1] + time[2] / 1e6
local clock_text = format('%.17g', clock) -- most buckets are written at this moment

local function finite(n) return n > -math.huge and n < math.huge end -- false for NaN

local function legal(n, largest) return n >= 0 and n <= largest end -- false for NaN

-- tonumber alone takes nan, inf and 0x10: a stored NaN would approve for ever.
local function number(text)
  local n = tonumber(text)
  if n and finite(n) and not find(text, 'x', 1, true) and not find(text, 'X', 1, true) then return n end
end

-- Returns a plain decimal: not every program that shares the bucket reads exponents.
local function decimal(n)
  if n == 0 or n >= 1e-4 or n <= -1e-4 then return format('%.17g', n) end
  return (string.gsub(format('%.99f', n), '0+$', ''))
end

local function fail(text) return pack('<BI4', FAILED, #text) .. text end

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
  if old == new then return i end
  local place = old.places[new[i].name]
  if place then return place end
  if i == 1 and not new.places[old[1].name] then return 1 end
end

local function refill(tokens, elapsed, limit)
  if elapsed > 0 then tokens = tokens + elapsed * limit.rate end
  if tokens > limit.capacity then tokens = limit.capacity end
  return tokens
end

-- Returns the tokens under the last of these promises at a moment. Each promise counts from its own moment on: the time before is
-- credited by the one before it, then a smaller capacity cuts, and a larger one gives nothing. A limit that is new starts full.
local function brought(levels, limits, promises, now)
  local left_at = levels[1] and levels[1][2] or now
  for k = 1, #promises do
    local next, at = promises[k].limits, promises[k].since
    local over = k < #promises and promises[k + 1].since <= left_at -- when the tokens were left
    if next ~= limits and not over then
      if at > now then at = now end
      local moved = {}
      for i = 1, #next do
        local place = predecessor(limits, next, i)
        local level = place and levels[place]
        if level then
          local tokens, last = refill(level[1], at - level[2], limits[place]), level[2]
          if tokens > next[i].capacity then tokens = next[i].capacity end
          moved[i] = {tokens, at > last and at or last, level[3]}
        else moved[i] = {next[i].capacity, now, true} end
      end
      levels, limits = moved, next
    end
  end
  local tokens, absent = {}, {}
  for i = 1, #limits do
    local level = levels[i]
    if level then tokens[i] = refill(level[1], now - level[2], limits[i]) else tokens[i] = limits[i].capacity end
    absent[i] = not level or level[3]
  end
  return tokens, absent
end

local function group_size(terms, more, approved)
  return GROUP_BYTES + terms + more + (approved == ALL and 0 or approved * 4)
end

-- Fails on groups that are cut off or hold no numbers: here, rather than after a write.
local function check_groups(groups)
  local pos = 1
  while pos <= #groups do
    local last, first, at, tokens, terms, more, approved, body = unpack_('<ddddI4I4I4', groups, pos)
    if not (legal(last, LARGEST_OFFSET) and legal(first, LARGEST_OFFSET) and finite(at) and finite(tokens)) then
      error('groups hold no numbers', 0)
    end
    pos = pos + group_size(terms, more, approved)
    local size = terms > 0 and 8 * (#limits_of(sub(groups, body, body + terms - 1)) - 1) or 0
    if more < size or size == 0 and more > 0 or (more - size) % 5 ~= 0 then error('groups hold no limits', 0) end
  end
  if pos ~= #groups + 1 then error('groups are cut off', 0) end
end

-- Returns the entries of a fence after its first bytes: each one's source, last offset (-1 if none) and groups, and their places by
-- source. The groups of sources other than the caller's are not looked into.
local function entries_of(fence, source, committed)
  local entries, places, pos = {}, {}, HEADER_BYTES + 1
  while pos <= #fence do
    local id, size, body = unpack_('<c8I4', fence, pos)
    pos = body + size
    if pos > #fence + 1 then error('fence is cut off', 0) end
    local last = size > 0 and unpack_('<d', fence, body) or -1
    if size > 0 and not legal(last, LARGEST_OFFSET) then error('fence holds no offsets', 0) end
    local groups = sub(fence, body, pos - 1)
    if id == source then
      if last <= committed then groups = '' else check_groups(groups) end -- almost always committed, and not looked into
    end
    entries[#entries + 1] = {id, last, groups}
    places[id] = entries[#entries]
  end
  return entries, places
end

local function uncommitted(groups, committed)
  local pos = 1
  while pos <= #groups do
    local last, _, _, _, terms, more, approved = unpack_('<ddddI4I4I4', groups, pos)
    if last <= committed then return sub(groups, 1, pos - 1) end
    pos = pos + group_size(terms, more, approved)
  end
  return groups
end

-- Returns a group that answers for nothing, and remembers how far decisions went.
local function up_to(offset, micros, tokens) return pack('<ddddI4I4I4', offset, offset + 1, micros, tokens, 0, 0, 0) end

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
      local list, was_approved = others + more, approved == ALL
      for i = 1, was_approved and 0 or approved do
        if last - unpack_('<I4', groups, list + (i - 1) * 4) == offset then was_approved = true end
      end
      if was_approved then
        for k = others, others + tokens_size - 8, 8 do
          local left = unpack_('<d', groups, k)
          if left < tokens then tokens = left end
        end
        return true, tokens, at, by
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
-- may have said. What Redis decided before them stays, and what it decided after, unless that went nowhere.
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

local function retry_after_millis(missing, rate, ahead)
  if missing < 0 then missing = 0 end -- refused before what was left was left
  local millis = floor((missing / rate + ahead) * 1000 + 0.001) + 1 -- + 1 us: doubles of seconds are 0.24 us apart
  if millis < 9e15 then return millis end
  return -1 -- a bucket that does not refill
end

-- Returns which limit refuses (counted from 1); nothing if all cover the cost. Where several refuse: one that no wait helps, else the
-- one with the longest wait.
local function refusing(limits, left, cost)
  if cost == 0 then return end
  local by, longest
  for i = 1, #limits do
    if cost > left[i] then
      if cost > limits[i].capacity then return i end
      local wait = (cost - left[i]) / limits[i].rate
      if not by or wait > longest then by, longest = i, wait end
    end
  end
  return by
end

-- Returns the copy's limits and levels.
local function copy_of(rest, limits, tokens, last)
  local levels = {{tokens, last}}
  if #rest == 0 then return limits, levels end
  local size, pos = unpack_('<I4', rest)
  local old = size == 0 and limits or limits_of(sub(rest, pos, pos + size - 1))
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

-- Returns the promises, oldest first, the one of this call last.
local function promises_of(history, limits, since)
  local promises, pos = {}, 1
  while pos <= #history do
    local at, size, terms = unpack_('<dI4', history, pos)
    pos = terms + size
    promises[#promises + 1] = {since = at, limits = limits_of(sub(history, terms, pos - 1))}
  end
  promises[#promises + 1] = {since = since, limits = limits}
  return promises
end

-- Returns the other sources of the copy, as the entries of a fence.
local function sources_of(text)
  local sources, pos = {}, 1
  while pos <= #text do
    local id, last, size, body = unpack_('<c8dI4', text, pos)
    pos = body + size
    if pos > #text + 1 then error('the sources are cut off', 0) end
    local groups = sub(text, body, pos - 1)
    check_groups(groups)
    sources[#sources + 1] = {id, last, groups}
  end
  return sources
end

local function levels_text(status, last, foreign, left)
  local text = pack('<Bddd', status, last, foreign, left[1])
  for i = 2, #left do text = text .. pack('<d', left[i]) end
  return text
end

local function cut(text, pos, size)
  if size == 0 then return '', pos end
  return sub(text, pos, pos + size - 1), pos + size
end

-- Returns what is held of one limit, as {tokens, last refill}, and whether it was unreadable; nothing where there is nothing.
local function level_of(tokens_text, last_text, has_copy)
  if not tokens_text and not last_text then return end
  local tokens, last = tokens_text and number(tokens_text), last_text and number(last_text)
  if tokens and last and last <= clock + MAX_AHEAD_SECONDS then return {tokens, last} end
  return {0, clock, has_copy}, true -- nobody knows what was left: empty unless our copy says more; it refills
end

local function decide(key, argument)
  if #argument < FIXED_BYTES then return fail('the argument is cut off') end
  local operation, source, committed, relation, copy_tokens, copy_last, copy_foreign, copy_fence, since,
    terms_size, history_size, rest_size, groups_size, refused_size, sources_size, count, pos =
    unpack_('<Bc8dBdddddI4I4I4I4I4I4I4', argument)
  local first = pos + terms_size + history_size + rest_size + groups_size + refused_size + sources_size
  if #argument ~= first - 1 + CHARGE_BYTES * count then return fail('the argument is cut off') end
  local terms, history, rest, copy_groups, refused_alone, sources
  terms, pos = cut(argument, pos, terms_size)
  history, pos = cut(argument, pos, history_size)
  rest, pos = cut(argument, pos, rest_size)
  copy_groups, pos = cut(argument, pos, groups_size)
  refused_alone, pos = cut(argument, pos, refused_size)
  sources = cut(argument, pos, sources_size)

  -- Everything is checked before the first write: Redis does not roll back.
  if not (committed == committed and copy_fence == copy_fence and copy_foreign == copy_foreign and since == since) then return fail('offsets must be numbers') end
  if not (finite(copy_tokens) and finite(copy_last)) then return fail('the copy must hold finite numbers') end
  local ok, limits = pcall(limits_of, terms)
  if not ok then return fail(limits) end
  local one = #limits == 1
  local old, copy_limits, copies, promises
  ok, promises = pcall(promises_of, history, limits, since)
  if not ok then return fail(promises) end
  ok, copy_limits, copies = pcall(copy_of, rest, limits, copy_tokens, copy_last)
  if not ok then return fail(copy_limits) end
  ok, sources = pcall(sources_of, sources)
  if not ok then return fail(sources) end
  if not (pcall(check_groups, copy_groups) and pcall(check_groups, refused_alone)) then return fail('groups are cut off') end

  -- Beside the shared fields, those of each limit of a name that was promised: the first limit of today may have been another's second.
  local stored, field_of = nil, {}
  if one and #limits[1].name == 0 and #promises == 1 then
    stored = redis.pcall('HMGET', key, 'tokens', 'last_refill', 'fence', 'terms')
  else
    local fields = {}
    for k = 1, #promises do
      for i = 1, #promises[k].limits do
        local name = promises[k].limits[i].name
        if not field_of[name] then
          field_of[name] = #fields + 5
          fields[#fields + 1], fields[#fields + 2] = 'tokens:' .. name, 'last_refill:' .. name
        end
      end
    end
    stored = redis.pcall('HMGET', key, 'tokens', 'last_refill', 'fence', 'terms', unpack(fields))
  end
  if stored.err then return fail(stored.err) end -- WRONGTYPE: this agent's key alone

  local status, now, gone = FINE, clock, not stored[1] and not stored[2]
  local fenced = source ~= NO_SOURCE
  local ours = fenced or not one or #limits[1].name > 0
  local stored_terms = ours and stored[4]
  old = limits
  if stored_terms and stored_terms ~= terms then
    local known, before = pcall(limits_of, stored_terms)
    if known then old = before end -- else the time before counts as what is promised now
  end

  -- What we wrote last, and whether anybody has written since.
  local fence = stored[3] or ''
  local was_tokens, was_last, foreign, entries, places = nil, nil, 0, {}, {}
  if #fence >= HEADER_BYTES then
    was_tokens, was_last, foreign = unpack_('<ddd', fence)
    if fenced then ok, entries, places = pcall(entries_of, fence, source, committed) end
    if not (finite(was_last) and finite(foreign)) then ok = false end
    if not ok then was_tokens, was_last, foreign, entries, places, status = nil, nil, 0, {}, {}, REPAIRED end
  elseif #fence > 0 then status = REPAIRED end

  local levels = {}
  local level, unreadable = level_of(stored[1], stored[2], relation > 0)
  if level and not unreadable then
    if level[1] ~= was_tokens or level[2] ~= was_last then foreign, was_tokens = clock, nil end
    if was_last and level[2] < was_last then level[2] = was_last end -- no time is credited twice, whoever wrote
  end
  levels[1] = level
  for i = 2, #old do
    local field = field_of[old[i].name]
    if field then
      local bad
      levels[i], bad = level_of(stored[field], stored[field + 1], relation > 0)
      unreadable = unreadable or bad
    end
  end
  for i = 1, #old do if levels[i] and levels[i][2] > now then now = levels[i][2] end end
  if unreadable then status, gone = REPAIRED, gone or relation > 0 end
  if gone and relation > 0 then entries, places = {}, {} end -- what was charged is gone, and with it what was decided

  local mine = places[source] or {source, -1, ''}
  local groups, fence_offset, newest = mine[3], mine[2], -1
  if count > 0 then newest = unpack_('<d', argument, first + CHARGE_BYTES * (count - 1)) end

  -- Redis is the truth, unless it lacks what the caller knows, or the caller decided without it.
  local lacks = gone or fence_offset < copy_fence
  -- Taken back to a state of the same offsets, whose decisions were superseded since: what we wrote last is older than the copy.
  if relation > 0 and relation ~= DECIDED_ALONE and relation ~= SUPERSEDES and was_last and was_last < copy_last then lacks = true end
  for i = 1, #sources do
    local entry = places[sources[i][1]]
    if sources[i][2] > (entry and entry[2] or -1) then lacks = true end
  end
  local ahead = relation == DECIDED_ALONE or relation == SUPERSEDES
  local reconciled = relation > 0 and relation ~= UNDER_WAY and (lacks or ahead)
  local disagrees = relation == UNDER_WAY and lacks -- the copy does not know what was lost
    or relation == SUPERSEDES and fence_offset > copy_fence and fence_offset > newest and count > 0 -- somebody else decided
  if relation == SUPERSEDES and operation == ONCE and count > 0 then -- or did so in another source
    for i = 1, #sources do
      local entry = places[sources[i][1]]
      if entry and entry[2] > sources[i][2] then disagrees = true end
    end
  end

  if reconciled then for i = 1, #copies do if copies[i][2] > now then now = copies[i][2] end end end
  local left, absent = brought(levels, old, promises, now)
  if relation == SUPERSEDES and fence_offset > copy_fence and not disagrees then
    -- What Redis decided beyond the copy went nowhere: what it charged for that is given back.
    local back, at = 0, first
    for _ = 1, count do
      local offset, cost
      offset, cost, at = unpack_('<dd', argument, at)
      if offset > copy_fence and offset <= fence_offset and recall(groups, offset) then back = back + cost end
    end
    for i = 1, #left do left[i] = math.min(left[i] + back, limits[i].capacity) end
  end
  if reconciled then
    -- Where nobody else has written, the copy is what follows. Otherwise the smaller of the two goes on.
    local follows = ahead and foreign == copy_foreign
    if relation == DECIDED_ALONE and was_last and was_last > copy_last then follows = false end -- it has come late
    local known, unknown = brought(copies, copy_limits, promises, now)
    for i = 1, #left do
      if not unknown[i] and (absent[i] or follows or known[i] < left[i]) then left[i] = known[i] end
    end
    if status == FINE then status = RECONCILED end
    if foreign < copy_foreign then foreign = copy_foreign end
  end
  if operation == RESET then for i = 1, #left do left[i] = limits[i].capacity end end
  if disagrees then
    for i = 1, #left do if absent[i] then left[i] = limits[i].capacity end end -- nothing is known
    return levels_text(DISAGREES, now, foreign, left)
  end

  local kept = groups
  if fenced then
    local supersedes = relation == SUPERSEDES
    if reconciled and (groups_size > 0 or supersedes) then kept = merged(groups, copy_groups, copy_fence, supersedes) end
    kept = uncommitted(kept, committed)
    if reconciled and (supersedes or copy_fence > fence_offset) then fence_offset = copy_fence end
    if refused_size > 0 then -- processed again, they must be refused again, although they lie below the fence
      local through, from_offset = unpack_('<dd', refused_alone)
      if from_offset > fence_offset then kept, fence_offset = refused_alone .. kept, through end
    end
  end

  local now_micros = now == clock and clock_micros or floor(now * 1e6 + 0.5)
  local answers, approved_offsets, refused, decided, oldest = {}, {}, {}, 0, -1
  newest = fence_offset
  pos = first
  for i = 1, count do
    local offset, cost
    offset, cost, pos = unpack_('<dd', argument, pos)
    if not (offset >= -1 and offset <= LARGEST_OFFSET and offset == floor(offset)) then return fail('offset must be a whole number') end
    if not legal(cost, LARGEST) then return fail('cost must be from 0 to 1e12') end
    local fresh = not fenced or offset > fence_offset
    local was_approved, was_left, was_at, was_terms, was_limit
    if not fresh then
      was_approved, was_left, was_at, was_terms, was_limit = recall(kept, offset)
      -- Decided once, and forgotten because that was committed: whoever asks is late, or Redis is not what it was.
      if was_approved == nil and operation == ONCE then return levels_text(DISAGREES, now, foreign, left) end
    end
    if was_approved ~= nil then
      local by = was_terms
      if by == terms or #by == 0 then by, was_terms = '', terms end
      local verdict, millis = REPLAYED + APPROVED, 0
      if not was_approved then
        local was = limits_of(was_terms)[was_limit]
        if cost > was.capacity then verdict = REPLAYED + COST_EXCEEDS_CAPACITY
        else verdict, millis = REPLAYED + QUOTA_EXCEEDED, retry_after_millis(cost - was_left, was.rate, 0) end
      end
      answers[i] = pack('<BBdddI4', verdict, (was_limit or 1) - 1, was_left, was_at, millis, #by) .. by
    else
      if fresh then
        if decided == 0 then oldest = offset end
        decided, newest = decided + 1, offset
      end
      local by = refusing(limits, left, cost)
      if not by then
        local least = math.huge
        for k = 1, #left do
          if cost > 0 then left[k] = left[k] - cost end
          if left[k] < least then least = left[k] end
        end
        if fresh then approved_offsets[#approved_offsets + 1] = offset end
        answers[i] = pack('<BBddd', APPROVED, 0, least, now_micros, 0)
      else
        if fresh then refused[#refused + 1] = {offset, by - 1} end
        local limit = limits[by]
        if cost > limit.capacity then answers[i] = pack('<BBddd', COST_EXCEEDS_CAPACITY, by - 1, left[by], now_micros, 0)
        else
          local millis = retry_after_millis(cost - left[by], limit.rate, now - clock)
          answers[i] = pack('<BBddd', QUOTA_EXCEEDED, by - 1, left[by], now_micros, millis)
        end
      end
    end
  end

  if operation ~= LOOK and (operation == RESET or count > 0) then
    local last_text = now == clock and clock_text or format('%.17g', now)
    local fields = {'tokens', decimal(left[1]), 'last_refill', last_text}
    if fenced then
      if decided > 0 then
        local parts, approved = {}, #approved_offsets
        for i = 2, #left do parts[#parts + 1] = pack('<d', left[i]) end
        for i = 1, one and 0 or #refused do parts[#parts + 1] = pack('<I4B', newest - refused[i][1], refused[i][2]) end
        local more = table.concat(parts)
        if approved == decided then parts, approved = {}, ALL
        else
          parts = {}
          for i = 1, approved do parts[i] = pack('<I4', newest - approved_offsets[i]) end
        end
        kept = pack('<ddddI4I4I4', newest, oldest, now_micros, left[1], #terms, #more, approved)
          .. terms .. more .. table.concat(parts) .. kept
      elseif #kept == 0 and fence_offset >= 0 then kept = up_to(fence_offset, now_micros, left[1]) end
      -- Ours first: what stands last is dropped where there are too many, of topics that are gone.
      local text, sources_kept = pack('<ddd', left[1], now, foreign), 0
      local function keep(id, body)
        if #body == 0 or sources_kept == MAX_SOURCES then return end
        text, sources_kept = text .. pack('<c8I4', id, #body) .. body, sources_kept + 1
      end
      keep(source, kept)
      local restored = {[source] = true}
      for i = 1, reconciled and #sources or 0 do
        local id, offset, body = sources[i][1], sources[i][2], sources[i][3]
        if offset > (places[id] and places[id][2] or -1) or relation == SUPERSEDES and operation == ONCE then
          keep(id, body)
          restored[id] = true
        end
      end
      for i = 1, #entries do if not restored[entries[i][1]] then keep(entries[i][1], entries[i][3]) end end
      fields[5], fields[6] = 'fence', text
    end
    if ours and stored_terms ~= terms then fields[#fields + 1], fields[#fields + 2] = 'terms', terms end
    for i = 2, #limits do
      fields[#fields + 1], fields[#fields + 2] = 'tokens:' .. limits[i].name, decimal(left[i])
      fields[#fields + 1], fields[#fields + 2] = 'last_refill:' .. limits[i].name, last_text
    end
    redis.call('HSET', key, unpack(fields))
    if old ~= limits then
      for i = 1, #old do -- not needed to be right, and a right that a user may lack: what it leaves is never read
        local place = limits.places[old[i].name]
        if #old[i].name > 0 and (not place or place == 1) then
          redis.pcall('HDEL', key, 'tokens:' .. old[i].name, 'last_refill:' .. old[i].name)
        end
      end
    end

    -- Never shorter than the bucket needs to fill: expiry must not give tokens away. Once a minute is enough where the last
    -- write was ours (another program's EXPIRE may have shortened it) and the bucket fills within the shortest time to live.
    local fills = 0
    for i = 1, #limits do
      fills = math.max(fills, now - clock + math.ceil((limits[i].capacity - math.min(0, left[i])) / limits[i].rate))
    end
    if not ours and stored[4] then -- a program of one limit: those that the pipeline keeps here take their time, too
      local known, theirs = pcall(limits_of, stored[4])
      for i = 1, known and #theirs or 0 do fills = math.max(fills, math.ceil(theirs[i].capacity / theirs[i].rate)) end
    end
    if not was_tokens or now ~= clock or fills > SHORTEST_TTL_SECONDS or floor(was_last / 60) ~= floor(now / 60) then
      redis.call('EXPIRE', key, format('%.0f', math.max(SHORTEST_TTL_SECONDS, math.min(fills, LONGEST_TTL_SECONDS)) + 60))
    end
  end
  return levels_text(status, now, foreign, left) .. table.concat(answers)
end

local replies = {pack('<d', clock_micros)}
for i = 1, #KEYS do
  replies[i + 1] = decide(KEYS[i], ARGV[i])
end
return table.concat(replies)
