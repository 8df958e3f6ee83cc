-- Asks for a permit: refuses at once what cannot be served in time or may not be spent, else grants it or queues it.
-- Idempotent by request id: a repeated call tells how the first one stands.
-- ARGV: 4 id; 5-7 names of the line, from the most particular override to the tier ('' where there can be none);
-- 8-12 names of the caps: site, project, API key, end user, each end user; 13 tenant; 14 tokens, 15 input tokens and
-- 16 output tokens at most; 17 money at most; 18 longest wait or '' for the line's; 19 lease; 20 event as JSON (what
-- is recorded should the request be refused or orphaned); 21 most waiters; 22 most unread events in the stream.
-- Answer: status unconfigured | no_policy | unloaded | waiting | granted | refused | expired | cancelled | orphaned |
-- settled; wait_ms until this process dispatches; deadline_ms from now; queue_ms of a grant; predicted_ms of a wait;
-- reason, limit and retry_after_ms of a refusal; money (JSON) of what must be loaded; where minutes are windows, left
-- (the part of one that is free) and full_ms (until it has room again), for whoever has to go on without Redis.

-- Where minutes are windows: the part of the scarcest that is free, and milliseconds until all have room again.
local function room_of_windows(cost)
  local left, full_ms, share, varies = 1, 0, state.share or 1, jitter()
  for _, bucket in ipairs(state.buckets) do
    if bucket.kind ~= 'continuous' and is_of_minute(bucket) then
      left = math.min(left, math.max(0, free_in(bucket, share) / limit_of(bucket, share)))
      full_ms = math.max(full_ms, wait_in(bucket, cost and cost[bucket.unit] or 1, 0, share, varies))
    end
  end
  return string.format('%.3f', left), whole(full_ms)
end

local function standing(ticket, wait)
  local left, full_ms
  if state.windowed then
    left, full_ms = room_of_windows(ticket.cost)
  end
  return answer({
    left = left, full_ms = full_ms,
    status = ticket.state, wait_ms = wait, deadline_ms = ticket.deadline and whole(ticket.deadline - NOW) or nil,
    queue_ms = ticket.queue_ms and whole(ticket.queue_ms) or nil,
    predicted_ms = ticket.predicted_ms and whole(ticket.predicted_ms) or nil,
    reason = ticket.reason, limit = ticket.limit,
    retry_after_ms = ticket.retry_after_ms and whole(ticket.retry_after_ms) or nil
  })
end

local BELIEVED_MS = 300000

-- A bucket that never holds the cost, and milliseconds until a call tries all the same: what the provider told lately keeps
-- larger calls out, but one that was told wrong, or holds no longer, is only corrected by the answer to a call.
local function smaller_than(cost, buckets)
  for _, bucket in ipairs(buckets) do
    local need = cost[bucket.unit]
    local left = need > limit_of(bucket, 1) and (bucket.told_at or 0) + BELIEVED_MS - NOW or 0
    if need > bucket.limit or left > 0 then
      return bucket, need <= bucket.limit and left or 0
    end
  end
end

local function too_large(cost, config)
  local bucket, wait = smaller_than(cost, state.buckets)
  if not bucket and account then
    bucket, wait = smaller_than(cost, account.buckets)
  end
  if bucket then
    return 'too_large', wait, 'provider ' .. bucket.name
  end
  local tokens = config.limits.tpm
  if tokens and need_of('tpm', cost) > tokens[1] then
    return 'too_large_for_tier', 0, tokens[2] .. ' tpm'
  end
end

-- Returns reason, milliseconds until another try makes sense, and which limit; nil when the request may go on.
local function refusal(ticket, config, caps)
  if redis.call('XLEN', STREAM) >= tonumber(ARGV[22]) then
    return 'recorder_behind', 5000, 'recorder' -- first, for every other refusal is an event in the stream
  elseif state.circuit then
    return state.circuit, 0, 'provider'
  end
  local reason, wait, limit = too_large(ticket.cost, config)
  if reason then
    return reason, wait, limit
  end
  return cap_refusal(caps, ticket.cost, ticket.nanos)
end

-- Of the scarcest minute bucket: `free`, the quota-seconds that it could grant at once, `rate`, how many come a second, and
-- `name`.
local function room_of_minute()
  local free, rate, share, varies, name = math.huge, 1, state.share or 1, jitter(), nil
  for _, bucket in ipairs(state.buckets) do
    if is_of_minute(bucket) then
      local per_ms = bucket.limit / bucket.window
      local kept = bucket.kind == 'continuous' and per_ms * varies or 0
      local here = (free_in(bucket, share) - kept) / per_ms / 1000
      if here < free then
        free, name = here, bucket.name
      end
      rate = math.min(rate, limit_of(bucket, share) / bucket.limit)
    end
  end
  return { free = free, rate = rate, name = name }
end

-- Milliseconds until the minute buckets have granted so many quota-seconds, and the name of the scarcest.
local function wait_for_quota(total, room)
  local free, rate, name = room.free, room.rate, room.name
  if total <= free then
    return 0
  end
  local bucket = minute_window()
  if bucket and bucket.kind == 'sliding' then
    return leaves_in(bucket, (total - free) * bucket.limit * 1000 / bucket.window, jitter()), name
  elseif bucket then
    local window = bucket.window / 1000 * rate
    local windows = math.ceil((total - free) / window - 1e-6) -- the last of them is the one that serves it
    return bucket.ends - NOW + math.max(0, windows - 1) * bucket.window, name
  end
  return (total - free) / rate * 1000, name
end

-- Milliseconds until the last of so many requests has a place, at what calls took lately.
local function wait_for_places(requests)
  local places = places_left()
  if not places or not state.hold then
    return 0
  end
  return math.max(0, requests - (places - redis.call('ZCARD', LEASES))) * state.hold / places
end

local BURST_MS = 1000 -- what came within less may be all that comes

-- What a line is expected to bring: quota-seconds in a second, and for how many seconds. What has gone on for a while is
-- expected to go on for as long again, but to bring no more than it has brought (lately it may have come faster); a stream
-- that has fallen silent brings less with every second.
local function brought_by(line)
  if not (line.gap and line.arrived) then
    return 0, 0
  end
  local lasts = (math.min(NOW - line.began, line.arrived * line.gap) - BURST_MS) / 1000
  if lasts <= 0 then
    return 0, 0
  end
  local size = line.waiting > 0 and line.backlog / line.waiting or line.typical
  return size / math.max(line.gap, NOW - line.came, 1) * 1000, lasts
end

-- The other lines that want something while this one gets so many quota-seconds, and what each gets at most: its share, and
-- one request more, by which any line may be ahead.
local function rivals_of(ticket, config, seconds)
  local rivals = {}
  for other, line in pairs(state.lines) do
    local brings, lasts = brought_by(line)
    if other ~= ticket.line and (line.waiting > 0 or brings > 0) then
      local size = line.backlog > 0 and line.backlog / line.waiting or math.max(line.typical, 1e-9)
      rivals[#rivals + 1] = {
        most = seconds * (line.weight or 1) / config.weight + size, waits = line.backlog, brings = brings, lasts = lasts,
        size = size
      }
    end
  end
  return rivals
end

-- Quota-seconds that a rival takes of so many seconds, and how many more it would take of one more.
local function taken_by(rival, time)
  local wants = rival.waits + rival.brings * math.min(time, rival.lasts)
  if wants >= rival.most then
    return rival.most, 0
  end
  return wants, time < rival.lasts and rival.brings or 0
end

local NEWTON_STEPS = 6

-- Quota-seconds that are served until the request is, with itself: what rivals bring meanwhile depends on how long that
-- takes. Newton's steps come down to the answer from the longest time, in which all take their whole share, because what
-- they take grows ever more slowly.
local function served_by_then(rivals, seconds, room)
  local free, rate, total = room.free, room.rate, seconds
  for _, rival in ipairs(rivals) do
    total = total + rival.most
  end
  for _ = 1, NEWTON_STEPS do
    local time, sum, slope = math.max(0, total - free) / rate, seconds, 0
    for _, rival in ipairs(rivals) do
      local takes, more = taken_by(rival, time)
      sum, slope = sum + takes, slope + more / rate
    end
    local less = slope < 1 and (sum - slope * total) / (1 - slope) or total
    if total - less < 1e-6 then
      break
    end
    total = less
  end
  return total, math.max(0, total - free) / rate
end

-- What has to be served before and with this request, in quota-seconds and in requests, when every line and tenant
-- takes its share at once (generalised processor sharing; docs/limiter.md derives it). Third: requests of its line.
-- `before`: requests of its tenant that wait.
local function work_ahead(ticket, config, before, room)
  local known = known_line(ticket.line)
  local mine = ticket.seconds
  local tenants = redis.call('ZCARD', tenant_order(ticket.line))
  if before > 0 then
    mine = mine + tonumber(redis.call('HGET', PREFIX .. 'queued:' .. ticket.line, ticket.tenant) or 0)
    tenants = math.max(1, tenants) -- its own is among them, unless it is parked
  else
    tenants = tenants + 1
  end
  local seconds = math.min(tenants * mine, known.backlog + ticket.seconds)
  local in_line = math.min(tenants * (before + 1), known.waiting + 1)
  local rivals, requests = rivals_of(ticket, config, seconds), in_line
  local total, time = served_by_then(rivals, seconds, room)
  for _, rival in ipairs(rivals) do
    requests = requests + taken_by(rival, time) / rival.size
  end
  return total, requests, in_line
end

-- Milliseconds until the account above has granted as much, and which of its buckets takes longest: whoever asks through
-- its other upstreams is not foreseen.
local function wait_for_account(ticket, total)
  local longest, name = 0, nil
  for _, bucket in ipairs(account and account.buckets or {}) do
    local need = ticket.seconds > 0 and total * ticket.cost[bucket.unit] / ticket.seconds or 0
    local wait = (need - free_in(bucket, 1)) * bucket.window / limit_of(bucket, 1)
    if wait > longest then
      longest, name = wait, bucket.name
    end
  end
  return longest, name
end

-- Milliseconds until the tenant's calls before this one have left it one of the tenant's places.
local function wait_for_tenant(ticket, config, before)
  if not config.concurrency or not state.hold then
    return 0
  end
  local ahead = before + redis.call('ZCARD', held_key(ticket))
  return math.max(0, ahead + 1 - config.concurrency) * state.hold / config.concurrency
end

-- Milliseconds that the line's own limits take for so many of its requests, and which takes longest.
local function wait_for_own(ticket, config, requests)
  local longest, name = 0, nil
  for unit, limit in pairs(config.limits) do
    if not is_money(unit) then
      local need = requests * need_of(unit, ticket.cost)
      local wait = (need - level_of(read_scope(limit[2]), unit, limit[1])) * MINUTE_MS / limit[1]
      if wait > longest then
        longest, name = wait, limit[2] .. ' ' .. unit
      end
    end
  end
  if config.share_cap then
    local known = known_line(ticket.line)
    local wait = math.max(share_wait(known, config, ticket.seconds), known.backlog / config.share_cap * 1000)
    if wait > longest then
      longest, name = wait, ticket.line .. ' share'
    end
  end
  return longest, name
end

-- Milliseconds, and the limit that takes longest: of the provider, of the account above, or of a scope of ours.
local function predicted_wait(ticket, config, before)
  local room = room_of_minute()
  local total, requests, in_line = work_ahead(ticket, config, before, room)
  local longest, limit = 0, ''
  local function consider(whose, wait, name)
    if wait > longest then
      longest, limit = wait, whose .. (name or '')
    end
  end
  consider('provider pause', math.max((state.pause_until or NOW) - NOW, (state.open_until or NOW) - NOW))
  consider('provider ', wait_for_quota(total, room))
  consider('provider concurrency', wait_for_places(requests))
  consider('', wait_for_own(ticket, config, in_line))
  consider(ticket.line .. ' concurrency', wait_for_tenant(ticket, config, before))
  consider('account ', wait_for_account(ticket, total))
  for _, bucket in ipairs(state.buckets) do
    if not is_of_minute(bucket) then
      local wait = wait_in(bucket, ticket.cost[bucket.unit], 0, state.share or 1, jitter())
      consider('provider ', wait, bucket.name)
    end
  end
  return longest, limit
end

-- Who is refused on the spot asks again within seconds, if at all; refusals cost their callers nothing, so they may be many.
local REFUSAL_KEPT_MS = 60000

local function refuse(ticket, reason, retry_after, limit)
  close_ticket(ticket.id, 'refused', reason, retry_after, limit, REFUSAL_KEPT_MS)
  if reason ~= 'recorder_behind' then
    emit_unsent({ event = ticket.event }, 'refused', reason, limit, retry_after)
  end
  return standing({ state = 'refused', reason = reason, limit = limit, retry_after_ms = retry_after }, dispatch())
end

-- With nobody in front, the queue's tags would only be made and forgotten again.
local function fits_at_once(ticket, config)
  return state.waiting == 0 and not standstill() and not is_at_its_cap(ticket, config) and wait_of(ticket, config) == 0
end

-- Nobody is in front: granted without the queue.
local function grant_at_once(ticket, config, caps)
  ticket.reserved = reserve(caps, ticket.cost, ticket.nanos)
  admit(ticket, config)
  save_scopes()
  save_account()
  save_state()
  return standing(ticket, -1)
end

local function queue_up(ticket, config, caps, longest_wait)
  local before = redis.call('ZCARD', queue_key(ticket))
  if state.waiting >= tonumber(ARGV[21]) then
    return refuse(ticket, 'queue_full', 5000, 'queue')
  end
  local wait_for_turn, limit = predicted_wait(ticket, config, before)
  ticket.predicted_ms = wait_for_turn
  if wait_for_turn > longest_wait then
    return refuse(ticket, 'would_time_out', math.max(1000, wait_for_turn - longest_wait), limit)
  end
  ticket.reserved = reserve(caps, ticket.cost, ticket.nanos)
  save_ticket(ticket)
  append(ticket, before == 0)
  local waiting = state.waiting
  local wait = dispatch(before > 0) -- behind another of its tenant it changes nobody's turn
  if state.waiting == waiting then
    return standing(ticket, wait)
  end
  -- Somebody was served or turned away, this one or another: its ticket says.
  local now = read_ticket(ticket.id)
  now.predicted_ms = ticket.predicted_ms
  return standing(now, wait)
end

-- The configuration of the line and the caps that apply; nil without any published policy.
local function policy()
  local found = redis.call('HMGET', POLICY_KEY, ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11],
    ARGV[12], 'lowest_weight')
  if not found[9] then
    return nil
  end
  local name, packed
  for i = 3, 1, -1 do
    if found[i] then
      name, packed = ARGV[4 + i], found[i]
    end
  end
  name = name or UNKNOWN_LINE
  lines[name] = packed and policy_of(packed) or unknown_line(cmsgpack.unpack(found[9]))
  local caps = {}
  for i = 4, 7 do
    local cap = found[i] or i == 7 and ARGV[11] ~= '' and found[8]
    if cap then
      caps[#caps + 1] = { ARGV[4 + i]:sub(5), cap }
    end
  end
  return name, lines[name], caps_of(caps, lines[name])
end

local function new_ticket(name)
  local ticket = {
    id = ARGV[4], state = 'waiting', line = name, tenant = ARGV[13], process = PROCESS, nanos = tonumber(ARGV[17]),
    lease_ms = tonumber(ARGV[19]), event = ARGV[20], enqueued_at = NOW, set_back = state.set_back, reserved = {},
    cost = { 1, tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]) }
  }
  expect_output(ticket.cost)
  ticket.seconds = cost_of(ticket.cost)
  return ticket
end

-- Refuses, grants or queues a request that nobody has seen before.
local function admit_or_queue(name, config, caps)
  local ticket, known = new_ticket(name), known_line(name)
  known.seen, known.weight = NOW, config.weight
  local reason, retry_after, limit = refusal(ticket, config, caps)
  if reason then
    return refuse(ticket, reason, retry_after, limit)
  end
  note_arrival(known)
  local longest_wait = tonumber(ARGV[18]) or config.wait_ms
  ticket.deadline = NOW + longest_wait
  if fits_at_once(ticket, config) then
    return grant_at_once(ticket, config, caps)
  end
  return queue_up(ticket, config, caps, longest_wait)
end

enter('enqueue', function()
  if not state then
    return answer({ status = 'unconfigured' })
  end
  if redis.call('EXISTS', ticket_key(ARGV[4])) == 1 then
    local wait = dispatch()
    return standing(read_ticket(ARGV[4]), wait)
  end
  local name, config, caps = policy()
  if not name then
    return answer({ status = 'no_policy' })
  end
  local unknown = unknown_money(caps)
  if unknown[1] then
    return answer({ status = edge_after('day') and 'unloaded' or 'no_policy', money = cjson.encode(unknown) })
  end
  reap()
  return admit_or_queue(name, config, caps)
end)
