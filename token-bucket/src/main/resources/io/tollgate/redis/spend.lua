-- Decides requests against token buckets, atomically. One key and one argument per agent.
--   KEYS[i]   quota:<agent>:tokens, a hash: tokens, last_refill (shared with other programs); ours: fence, terms, and
--             for each limit after the first tokens:<name>, last_refill:<name>
--   ARGV[i]   little-endian, sizes I4 before texts: operation B (0 spend, 1 look, 2 reset, 3 spend under exactly-once),
--             source c8 (zeros: none), committed offset d; the caller's copy: relation B, its first limit's tokens d,
--             last refill d, last foreign write that it knows of d (-1: it may lack more), fence offset d; moment from
--             which the terms count d; terms; history; rest; groups of the copy's fence; groups that the caller refused
--             alone since the last call; sources; number of requests I4; for each request: offset d, cost d
--   relation  0 no copy; 1 it is what Redis said last; 2 it does not know calls under way, its offsets are those sent;
--             3 it holds decisions that Redis has not seen; 4 the same, and what Redis decided beyond went nowhere
--   terms     number of the policy c8; for each limit: capacity, refill per second dd, size of its name B, name, and if
--             the rate is negative size of zone B, zone; then for each of those: start of its period, the next two ddd
--   history   for each earlier promise, oldest first: moment from which it counted d, terms
--   rest      empty: one limit, by the terms of this call; else its terms, and of each further limit tokens, refill dd
--   sources   for each other source of the copy: source c8, fence offset d (4: what was ever sent), groups; before them
--             the adjustments, where there are any: zeros c8, what settlements had given back by the copy d, group
--   returns   now in us d; for each key: status B (255: a text, nothing written), last refill, last foreign write dd,
--             for each limit tokens d; unless status is 3 (nothing was written), for each request: verdict, limit BB
--             (from 0), tokens left, decided at, retry after ms ddd; or 16 B and its group (empty: as the one before)
-- TokenBucket.java holds the same steps in the same order, so that both give the same double to the last bit. The field
-- terms says by which terms the tokens were left; callers without a source and with one nameless limit leave it alone.
-- The fence makes a request that is processed again get its answer again and be charged once. It begins with what this
-- script wrote last: tokens d, last refill d, and when it last met another program's write d (0 never). Then an entry
-- for each source (source c8, groups); its groups stand newest first, one for each call that decided:
--   last offset d, first offset d, decided at d, tokens after d, size of its terms I4, size of more I4, approved I4 (0
--   none, 4294967295 all, else a count); terms; more: where there are several limits, the tokens after d of those after
--   the first, and for each refused request: last - offset I4, limit B; and for each of the approved: last - offset I4
-- A group whose first is above its last says how far decisions went, no more. Committed ones go. That of source zeros
-- holds the adjustments: since when (last offset, us), by a reset (decided at, else 0), tokens given back (after).

local ARGUMENT = '<Bc8dBdddddI4c0I4c0I4c0I4c0I4c0I4c0I4' -- what is captured costs each call: others stand inside
local parsed = {} -- many agents have the same terms
-- Returns the limits; fails on terms that are cut off or hold no limits.
local function limits_of(terms)
  if parsed[terms] then return parsed[terms] end
  local limits, count, starts, at = {nil, same = ''}, 0, 0, 9
  repeat
    local capacity, rate, name
    capacity, rate, name, at = struct.unpack('<ddBc0', terms, at)
    local legal = capacity > 0 and capacity <= 1e12 and rate >= -5 and rate <= 1e12
    if not legal then error('capacity and refill rate must be at most 1e12, and not negative', 0) end
    count, limits[count + 1] = count + 1, {capacity = capacity, rate = rate, name = name}
    if rate < 0 then starts, at = starts + 24, select(2, struct.unpack('<Bc0', terms, at)) end
  until at + starts > #terms
  limits.same = terms:sub(1, at - 1) -- whatever the time
  for i = 1, count do
    if limits[i].rate < 0 then limits[i].starts, at = {struct.unpack('<ddd', terms, at)}, at + 24 end
  end
  parsed[terms] = limits
  return limits
end

-- Returns what is left of a limit by now, after how many seconds it would hold so much, and when its period began.
local function refill(limit, tokens, left, now, wanted)
  local starts, wait, began = limit.starts, nil, 0
  if starts then
    local k = now < starts[1] and 0 or now < starts[2] and 1 or now < starts[3] and 2 or 3
    began, wait = starts[k] or -math.huge, (k < 3 and starts[k + 1] or now + starts[3] - starts[2]) - now
    if left < began then tokens = limit.capacity end
  elseif now > left then tokens = tokens + (now - left) * limit.rate end
  if tokens > limit.capacity then tokens = limit.capacity end
  return tokens, wait or (wanted - tokens) / limit.rate, began
end

-- Iterates over groups, newest first: end, start, last, first, whether all were approved, else where. Fails on damage.
local function next_group(groups, before)
  if before == #groups then return end
  local last, first, at, tokens, size, more, approved, body = struct.unpack('<ddddI4I4I4', groups, before + 1)
  local list, all = body + size + more, approved == 4294967295
  local stop = list - 1 + (all and 0 or approved * 4)
  local legal = last >= 0 and last <= 9007199254740992 and first >= 0 and first <= 9007199254740992
  if not legal or (at + tokens) * 0 ~= 0 or stop > #groups then error('groups are cut off', 0) end
  local refused = more - (size > 0 and 8 * (#limits_of(groups:sub(body, body + size - 1)) - 1) or 0)
  if refused < 0 or refused % 5 ~= 0 or size == 0 and more > 0 then error('groups hold no limits', 0) end
  return stop, before + 1, last, first, all, list
end

-- Returns the groups without those that are committed.
local function uncommitted(groups, committed)
  for _, start, last in next_group, groups, 0 do
    if last <= committed then return groups:sub(1, start - 1) end
  end
  return groups
end

-- Returns which limit refuses, if any: one that no wait helps, else the one of the longest wait, and its seconds.
local function refusing(limits, left, cost, now)
  local by, longest
  for i = 1, #limits do
    if cost > left[i] then
      if cost > limits[i].capacity then return i end
      local _, seconds = refill(limits[i], left[i], now, now, cost)
      if not by or seconds > longest then by, longest = i, seconds end
    end
  end
  return by, longest
end

-- Returns the group that decided this offset, and whether it was approved; nothing if no group covers it.
local function recall(groups, offset)
  for stop, start, last, first, was_approved, list in next_group, groups, 0 do
    if first <= offset and offset <= last then
      for k = list, stop, 4 do was_approved = was_approved or last - struct.unpack('<I4', groups, k) == offset end
      return groups:sub(start, stop), was_approved
    end
  end
end

-- Merges what Redis holds, what the caller knows, and what was promised; returns what decide() reads off a plain fence.
local function merged(key, argument, stored, ours, clock)
  local RESET, UNDER_WAY, DECIDED_ALONE, SUPERSEDES, FINE, REPAIRED, RECONCILED, DISAGREES = 2, 2, 3, 4, 0, 1, 2, 3
  local pack, unpack_, sub, NOBODY, NONE = struct.pack, struct.unpack, string.sub, ('\0'):rep(8), ('\0'):rep(32)
  local operation, source, committed, relation, copy_tokens, copy_last, copy_foreign, copy_fence, since, terms, history,
    rest, copy_groups, refused_alone, sources, count, first = unpack_(ARGUMENT, argument)
  local limits, fenced = limits_of(terms), source ~= NOBODY
  -- Returns the values of each record from this position on; fails where the last one is cut off.
  local function records(format, text, at)
    local all = {}
    while at <= #text do
      local one = {unpack_(format, text, at)}
      all[#all + 1], at = one, table.remove(one)
    end
    return all
  end
  local promises = records('<dI4c0', history .. pack('<dI4', since, #terms) .. terms, 1) -- oldest first
  for i = 1, #promises do promises[i][2] = limits_of(promises[i][2]) end
  local by = rest ~= '' and unpack_('<I4c0', rest) or terms
  local copies = records('<dd', pack('<dd', copy_tokens, copy_last) .. sub(rest, 5 + #by), 1)
  for i = 1, #copies do if (copies[i][1] + copies[i][2]) * 0 ~= 0 then error('the copy holds no numbers', 0) end end
  local in_copy, told, known = 0, '', pack('<c8dI4', source, copy_fence, #copy_groups) .. copy_groups .. sources
  known = records('<c8dI4c0', known, 1) -- of each source, by the copy: the last offset and the groups
  if sub(sources, 1, 8) == NOBODY then in_copy, told = unpack(table.remove(known, 2), 2) end
  -- Returns the same by the fence, the call's own source first (last offset -1: none), and what we wrote last.
  local function entries_of(fence)
    local tokens, last, foreign = unpack_('<ddd', fence)
    if (last + foreign) * 0 ~= 0 then error('the fence holds no numbers', 0) end
    local entries, held = {{source, -1, ''}}, fenced and records('<c8I4c0', fence, 25) or {}
    for i = 1, #held do
      local id, groups = unpack(held[i])
      local newest = groups ~= '' and unpack_('<d', groups) or -1
      if id == source and newest <= committed then groups = '' end -- almost always committed, and not looked into
      entries[id] = {id, newest, uncommitted(groups, -1)}
      if id ~= NOBODY then entries[id == source and 1 or #entries + 1] = entries[id] end
    end
    return entries, tokens, last, foreign
  end
  local status, now, gone, fence, unreadable = FINE, clock, not stored[1] and not stored[2], stored[3] or '', false
  local readable, entries, was_tokens, was_last, foreign = pcall(entries_of, fence)
  if not readable then status, entries, foreign = fence == '' and FINE or REPAIRED, {{source, -1, ''}}, 0 end
  -- Returns what is held of one limit: tokens, last refill, and whether nobody knows; nothing where there is nothing.
  local function level_of(tokens_text, last_text)
    if not tokens_text and not last_text then return end
    local tokens, last = tonumber(tokens_text), tonumber(last_text) -- which take nan, inf and 0x10
    local known = tokens and last and (tokens + last) * 0 == 0 and not string.find(tokens_text .. last_text, '[xX]')
    if known and last <= clock + 86400 then return {tokens, last} end
    unreadable = true
    return {0, clock, relation > 0} -- empty unless our copy says more; it refills
  end
  local old, levels = limits, {level_of(stored[1], stored[2])}
  if levels[1] and not unreadable then
    if levels[1][1] ~= was_tokens or levels[1][2] ~= was_last then foreign, was_tokens = clock, nil end
    if was_last and levels[1][2] < was_last then levels[1][2] = was_last end -- no time is credited twice, whoever wrote
  end
  local known_terms, before = pcall(limits_of, ours and stored[4] or terms)
  if known_terms then old = before end -- else the time before counts as what is promised now
  for i = 1, #old do
    local name = old[i].name
    if i > 1 then levels[i] = level_of(unpack(redis.call('HMGET', key, 'tokens:' .. name, 'last_refill:' .. name))) end
    if levels[i] then now = math.max(now, levels[i][2]) end
  end
  if unreadable then status, gone = REPAIRED, gone or relation > 0 end
  if gone and relation > 0 then entries = {{source, -1, ''}} end -- what was charged is gone, and what was decided
  -- What Redis lacks of the adjustments. What is said of an earlier beginning comes late.
  local own, kept = entries[1], entries[NOBODY] and entries[NOBODY][3] or ''
  local began, _, reset, settled = unpack_('<dddd', told .. NONE)
  local kept_began, _, _, kept_settled = unpack_('<dddd', kept .. NONE)
  local later, filled = began > kept_began, operation == RESET or began > kept_began and reset > 0
  local given = began >= kept_began and was_last and settled - (later and 0 or kept_settled) or 0
  -- Redis is the truth, unless it lacks what the caller knows, or the caller decided without it.
  local ahead, once, elsewhere, lost = relation >= DECIDED_ALONE, operation == 3, false, false
  local writer = (was_last or 0) > copy_last and sub(fence, 25, 32) or source -- the source of what we wrote since
  local lacks = gone or filled or fenced and (was_last or 0) < copy_last -- taken back, or another program began anew
  local written = relation < UNDER_WAY and was_last and was_last > copy_last -- since the copy
  local said = refused_alone ~= '' and recall(own[3], (unpack_('<d', refused_alone)))
  local other = said and sub(said, 17, 24) ~= sub(refused_alone, 17, 24) -- somebody else has decided that
  for i = 1, #known do
    local entry = entries[known[i][1]] or {'', -1, ''}
    if known[i][1] == writer then writer = source end
    lost, elsewhere = lost or known[i][2] > entry[2], elsewhere or i > 1 and known[i][2] < entry[2] -- Redis ahead
    local said = written and known[i][3] ~= '' and recall(entry[3], known[i][2])
    other = other or said and sub(said, 17, 24) ~= sub(known[i][3], 17, 24) -- when it was decided
  end -- Or it had lost what the copy knows, and a call that came late has decided the same requests once more:
  lacks = lacks or lost or written and not elsewhere and own[2] == copy_fence and kept == '' and foreign == copy_foreign
  local beyond = relation == SUPERSEDES and own[2] > copy_fence -- Redis decided what went nowhere
  local disagrees = other or relation == UNDER_WAY and lacks -- the copy does not know what was lost
    or once and count > 0 and (relation == SUPERSEDES and (elsewhere or writer ~= source) -- somebody else decided
      or relation < UNDER_WAY and lost and (elsewhere or own[2] > copy_fence)) -- each lacks what the other knows
  local reconciled = relation > 0 and relation ~= UNDER_WAY and (lacks or ahead)
  if reconciled then for i = 1, #copies do now = math.max(now, copies[i][2]) end end
  -- Returns the levels under the last promise, now. The time before a promise is credited by the one before it, then a
  -- smaller capacity cuts, a larger one gives nothing. A limit continues that of its name, the first also one now gone.
  local function place_of(name, all) for i = 1, #all do if all[i].name == name then return i end end end
  local function brought(held, by)
    local left_at = held[1] and held[1][2] or now
    for k = 1, #promises + 1 do
      local since, next = unpack(promises[k] or {now, limits})
      local at, over = math.min(since, now), promises[k + 1] and promises[k + 1][1] <= left_at -- when left
      local same = next.same == by.same
      if same then by = next end -- whose starts are those about now
      if k > #promises or not same and not over then
        local moved = {}
        for i = 1, #next do
          local place = place_of(next[i].name, by) or i == 1 and not place_of(by[1].name, next) and 1
          local level = place and held[place]
          local tokens = level and refill(by[place], level[1], level[2], at, 0)
          moved[i] = level and {math.min(tokens, next[i].capacity), math.max(at, level[2]), level[3]}
            or {next[i].capacity, now, true}
        end
        held, by = moved, next
      end
    end
    return held
  end
  local left, nowhere = {}, {} -- what Redis charged for what went nowhere is given back
  for i = 1, beyond and count or 0 do
    local at, cost = unpack_('<dd', argument, first + 16 * (i - 1))
    local group, approved = recall(at > copy_fence and own[3] or '', at)
    disagrees = disagrees or at < own[2] and i == count or once and not group and copy_fence < at and at <= own[2]
    if approved then nowhere[#nowhere + 1] = {select(3, unpack_('<ddd', group)) / 1e6, cost} end
  end
  -- Where nobody else has written, and it has not come late, the copy is what follows. Otherwise the smaller goes on.
  local follows = ahead and foreign == copy_foreign and (relation ~= DECIDED_ALONE or (was_last or 0) <= copy_last)
  local held, copied = brought(levels, old), reconciled and brought(copies, limits_of(by)) or {}
  for i = 1, #limits do
    local back, _, _, from = 0, refill(limits[i], 0, now, now, 0)
    for k = 1, disagrees and 0 or #nowhere do back = back + (nowhere[k][1] >= from and nowhere[k][2] or 0) end
    local copy, absent, most, over = copied[i], held[i][3], limits[i].capacity, from > began / 1e6 -- the period it was
    -- A call that did not know of it has written since the copy: what time gave until then, there may be no room for.
    local grew = given > 0 and copies[i] and not limits[i].starts and (was_last - copies[i][2]) * limits[i].rate or 0
    local void = grew > 0 and math.max(0, math.min(given, grew, copies[i][1] + settled - in_copy + grew - most)) or 0
    local tokens = filled and most or math.min(held[i][1] + back + ((absent or over) and 0 or given - void), most)
    local by_copy = copy and not copy[3] and math.min(copy[1] + (over and 0 or settled - in_copy), most)
    if by_copy and (absent or follows or by_copy < tokens) then tokens = by_copy end
    left[i] = disagrees and absent and most or tokens
  end
  if reconciled then status, foreign = status == FINE and RECONCILED or status, math.max(foreign, copy_foreign) end
  if disagrees then return DISAGREES, now, foreign, left, entries end
  -- What was decided on the copy went out: for the offsets of its groups it stands before what a lost answer has said.
  local went_nowhere, copy_first, newer, older = relation == SUPERSEDES, math.huge, '', ''
  if reconciled and fenced and (went_nowhere or copy_groups ~= '' or copy_fence > own[2]) then
    for _, _, _, from in next_group, copy_groups, 0 do copy_first = math.min(copy_first, from) end
    for stop, start, last, from in next_group, own[3], 0 do
      if last > copy_fence and not went_nowhere then
        newer = newer .. pack('<dd', last, math.max(from, copy_fence + 1)) .. sub(own[3], start + 16, stop)
      elseif last <= copy_fence and from < copy_first then older = older .. sub(own[3], start, stop) end
    end
    own[3], own[2] = newer .. copy_groups .. older, went_nowhere and copy_fence or math.max(copy_fence, own[2])
  end
  for i = 2, reconciled and fenced and #known or 0 do
    local id, through, groups = unpack(known[i])
    local entry = entries[id] or {id, -1, ''}
    if not entries[id] then table.insert(entries, 2, entry) end
    if through > entry[2] or went_nowhere and once then entry[2], entry[3] = -1, uncommitted(groups, -1) end
  end
  own[3] = uncommitted(own[3], committed)
  if refused_alone ~= '' and select(2, unpack_('<dd', refused_alone)) > own[2] then -- they lie below the fence
    own[2], own[3] = unpack_('<d', refused_alone), uncommitted(refused_alone, -1) .. own[3]
  end
  table.insert(entries, 2, {NOBODY, -1, (later or given ~= 0) and told or kept})
  local news = (later or given ~= 0 or filled or reconciled) and not gone
  return status, now, foreign, left, entries, was_tokens and was_last - was_last % 60, news
end

-- Returns the reply; and the fields and the time to live where something is to be written. If it fails, then before.
local function decide(key, argument, clock, now_micros, now_text, approved_at)
  local LOOK, RESET, ONCE, FOLLOWS, DECIDED_ALONE = 1, 2, 3, 1, 3
  local APPROVED, QUOTA_EXCEEDED, COST_EXCEEDS_CAPACITY, REPLAYED, FINE, DISAGREES = 1, 2, 3, 16, 0, 3
  local pack, unpack_, floor, NOBODY = struct.pack, struct.unpack, math.floor, '\0\0\0\0\0\0\0\0'
  local operation, source, committed, relation, copy_tokens, copy_last, copy_foreign, copy_fence, since, terms, history,
    rest, copy_groups, refused_alone, sources, count, first = unpack_(ARGUMENT, argument)
  local numbers = (committed + copy_tokens + copy_last + copy_foreign + copy_fence) * 0 == 0 and since == since
  if not numbers or #argument ~= first - 1 + 16 * count then error('the argument is cut off or no numbers', 0) end
  local limits, fenced = limits_of(terms), source ~= NOBODY
  local one, ours = #limits == 1, fenced or #limits > 1 or limits[1].name ~= ''
  local stored = redis.pcall('HMGET', key, 'tokens', 'last_refill', 'fence', 'terms')
  if stored.err then error(stored.err, 0) end -- WRONGTYPE: this agent's key alone
  -- Almost always: the limits are as before; the last write was ours, of this source, and has all that the copy knows.
  local status, now, fence, foreign, left, entries, minute, news = FINE, clock, stored[3] or ''
  local told = sources:sub(1, 8) == NOBODY and NOBODY .. sources:sub(17) or sources -- as the fence has it, at its end
  local plain = fenced and #fence > 48 and stored[4] == terms and operation ~= RESET and relation < DECIDED_ALONE
    and history == '' and refused_alone == '' and (told == '' or #told == 56 and limits.same == terms)
  if plain then
    local to, tokens, last, id, size, through, kept = #fence - #told
    tokens, last, foreign, id, size, through = unpack_('<dddc8I4d', fence)
    plain = id == source and size == to - 36 and tonumber(stored[1]) == tokens and tonumber(stored[2]) == last
      and (tokens + foreign + through) * 0 == 0 and last <= clock and copy_fence <= through
      and (copy_last == last or copy_last < last and relation ~= FOLLOWS) and told:sub(1, 36) == fence:sub(to + 1, -21)
    if plain and through > committed then plain, kept = pcall(uncommitted, fence:sub(37, to), committed) end
    local given = plain and told ~= '' and unpack_('<d', told, 37) - unpack_('<d', fence, to + 37) or 0
    plain = plain and (given <= 0 or copy_last == last)
    left, minute, news = {(refill(limits[1], tokens, last, clock, 0))}, last - last % 60, given ~= 0
    for i = 2, plain and #limits or 0 do
      local text, at = unpack(redis.call('HMGET', key, 'tokens:' .. limits[i].name, 'last_refill:' .. limits[i].name))
      tokens, last = tonumber(text), tonumber(at)
      plain = plain and tokens and last and (tokens + last) * 0 == 0 and last <= clock and not (text .. at):find('[xX]')
      left[i] = plain and refill(limits[i], tokens, last, clock, 0)
    end
    for i = 1, news and plain and #limits or 0 do left[i] = math.min(left[i] + given, limits[i].capacity) end
    entries = {{source, through, kept or ''}, told ~= '' and {NOBODY, -1, told:sub(13)} or nil}
  end
  if not plain then status, now, foreign, left, entries, minute, news = merged(key, argument, stored, ours, clock) end
  local own, others, format = entries[1], '', string.format
  if now ~= clock then now_micros, now_text, approved_at = floor(now * 1e6 + 0.5), format('%.17g', now), nil end
  local answers, oldest, newest, refused, said = {'', ''}, nil, own[2], false, nil -- the reply's head, and made for one
  for i = 1, status == DISAGREES and 0 or count do
    local offset, cost = unpack_('<dd', argument, first + 16 * (i - 1))
    local legal = offset >= -2 and offset <= 2^53 and offset % 1 == 0 and cost <= 1e12 and (cost >= 0 or offset == -2)
    if not legal then error('an offset must be a whole number, and a cost from 0 to 1e12', 0) end
    local fresh = offset > own[2] or not fenced
    local group = not fresh and recall(own[3], offset)
    if not fresh and not group and operation == ONCE then status = DISAGREES break end -- committed: who asks is late
    if group then
      local again = group == said and '' or group
      answers[i + 1], said = pack('<BI4', REPLAYED, #again) .. again, group
    else
      local by, seconds
      if offset ~= -2 then by, seconds = refusing(limits, left, cost, now) end -- else a settlement, whatever is left
      local verdict, tokens, millis = COST_EXCEEDS_CAPACITY, by and left[by] or math.huge, 0
      if seconds then -- 1 us more: doubles of seconds are 0.24 us apart
        millis = floor((seconds + (now - clock)) * 1000 + 0.001) + 1
        verdict, millis = QUOTA_EXCEEDED, millis < 9e15 and millis or -1 -- a bucket that does not refill
      end
      for k = 1, by and 0 or #left do
        left[k] = cost < 0 and math.min(left[k] - cost, limits[k].capacity) or left[k] - cost
        if left[k] < tokens then tokens = left[k] end
      end
      answers[i + 1] = by and pack('<BBddd', verdict, by - 1, tokens, now_micros, millis)
        or '\1\0' .. pack('<d', tokens) .. (approved_at or pack('<dd', now_micros, 0))
      if fresh then oldest, newest, refused = oldest or offset, offset, refused or by end
    end
  end
  for i = 2, #left do others = others .. pack('<d', left[i]) end
  answers[1] = pack('<Bddd', status, now, foreign, left[1]) .. others
  local reply, fields = status == DISAGREES and answers[1] or table.concat(answers), {'', '', '', ''}
  if status == DISAGREES or operation == LOOK or count == 0 and not news then return reply end
  if fenced then
    if oldest then
      local more, list = others, ''
      for i = 1, refused and count or 0 do
        local offset, verdict, by = unpack_('<d', argument, first + 16 * (i - 1)), answers[i + 1]:byte(1, 2)
        if offset > own[2] and verdict == APPROVED then list = list .. pack('<I4', newest - offset)
        elseif offset > own[2] and not one then more = more .. pack('<I4B', newest - offset, by) end
      end
      local approved = refused and #list / 4 or 4294967295
      own[3] = pack('<ddddI4I4I4', newest, oldest, now_micros, left[1], #terms, #more, approved)
        .. terms .. more .. list .. own[3]
    end
    -- Ours first: what stands last is dropped where there are too many, of topics that are gone.
    local text = pack('<ddd', left[1], now, foreign)
    for i = 1, math.min(5, #entries) do
      local id, last, groups = unpack(entries[i])
      if groups == '' and last >= 0 then groups = pack('<ddddI4I4I4', last, last + 1, now_micros, left[1], 0, 0, 0) end
      if groups ~= '' then text = text .. pack('<c8I4', id, #groups) .. groups end
    end
    fields = {'fence', text, '', '', '', ''} -- made as large as it will be
  end
  for i = 1, #limits do
    local at, name = 4 * i + (fenced and -1 or -3), i > 1 and ':' .. limits[i].name or ''
    local text = format('%.17g', left[i])
    if text:find('e-', 1, true) then text = format('%.99f', left[i]):gsub('0+$', '') end -- not all read exponents
    fields[at], fields[at + 1] = 'tokens' .. name, text
    fields[at + 2], fields[at + 3] = 'last_refill' .. name, now_text
  end
  if ours and stored[4] ~= terms then fields[#fields + 1], fields[#fields + 2] = 'terms', terms end
  -- Expiry must not give tokens away. Once a minute is enough where the last write was ours and it fills in an hour.
  local fills, readable, theirs = 0, not ours and stored[4]
  if readable then readable, theirs = pcall(limits_of, stored[4]) end -- what the pipeline keeps takes its time
  for i = 1, #limits + (readable and #theirs or 0) do
    local limit, debt = limits[i] or theirs[i - #limits], left[i] and left[i] < 0 and left[i] or 0
    local _, seconds = refill(limit, debt, now, now, limit.capacity)
    if seconds > fills then fills = seconds end
  end
  fills = now - clock + math.ceil(fills)
  local renew = now ~= clock or fills > 3600 or minute ~= now - now % 60 or stored[4] ~= terms
  return reply, fields, renew and math.max(3600, fills) + 60
end

local time = redis.call('TIME')
local clock, micros = time[1] + time[2] / 1e6, time[1] * 1000000 + time[2]
local text = time[1] .. '.' .. ('00000' .. time[2]):sub(-6) -- of the clock: the same double as 17 digits give
local replies, approved_at = {struct.pack('<d', micros), ''}, struct.pack('<dd', micros, 0)
for i = 1, #KEYS do
  local ok, reply, fields, seconds = pcall(decide, KEYS[i], ARGV[i], clock, micros, text, approved_at)
  replies[i + 1] = ok and reply or struct.pack('<BI4', 255, #reply) .. reply
  if ok and fields then redis.call('HSET', KEYS[i], unpack(fields)) end
  -- What is not full within 95 years never expires, unless the user has no right to say so.
  local ever = ok and seconds and seconds > 3e9 and type(redis.pcall('PERSIST', KEYS[i])) == 'number'
  if ok and seconds and not ever then redis.call('EXPIRE', KEYS[i], ('%.0f'):format(math.min(seconds, 3e9))) end
end
return table.concat(replies)
