-- Asks for a permit: refuses at once what cannot be served in time, else grants it or queues it.
-- Idempotent by request id: a repeated call tells how the first one stands.
-- ARGV: 4 id, 5 tier, 6 tenant, 7 tokens, 8 longest wait or '' for the tier's, 9 lease, 10 event as JSON (what is
-- recorded should the request be refused or orphaned), 11-13 rpm, tpm, rpd or '', 14 concurrency or '',
-- 15 most waiters, 16 most unread events in the stream, 17 name of the upstream.
-- Answer: status no_tiers | waiting | granted | refused | expired | cancelled | orphaned | settled; wait_ms until this
-- process dispatches; deadline_ms from now; queue_ms and queued of a grant; reason and retry_after_ms of a refusal.

local id, tokens = ARGV[4], tonumber(ARGV[7])

local function standing(ticket, wait_ms)
  return answer({
    status = ticket.state, wait_ms = wait_ms, deadline_ms = whole((ticket.deadline or NOW) - NOW),
    queue_ms = ticket.queue_ms, queued = ticket.queued,
    reason = ticket.reason, retry_after_ms = ticket.retry_after_ms
  })
end

if redis.call('EXISTS', ticket_key(id)) == 1 then
  local wait = dispatch()
  return standing(read_ticket(id), wait)
end

local tier = tier_of(ARGV[5])
if not tier.published then
  return answer({ status = 'no_tiers' })
end
if not epoch then
  begin_epoch()
end
adopt_quota({ rpm = tonumber(ARGV[11]), tpm = tonumber(ARGV[12]), rpd = tonumber(ARGV[13]) }, tonumber(ARGV[14]))
redis.call('ZADD', UPSTREAMS_KEY, NOW, ARGV[17])
redis.call('ZREMRANGEBYSCORE', UPSTREAMS_KEY, '-inf', NOW - KEEP_MS)

local longest_wait = tonumber(ARGV[8]) or tier.wait_ms
local ticket = {
  id = id, state = 'waiting', tier = tier.known and ARGV[5] or UNKNOWN_TIER, tenant = ARGV[6], tokens = tokens,
  process = PROCESS, lease_ms = ARGV[9], event = ARGV[10], enqueued_at = NOW, deadline = NOW + longest_wait
}

local function keep(milliseconds)
  redis.call('HSET', ticket_key(id), unpack(list_of(ticket)))
  redis.call('PEXPIRE', ticket_key(id), milliseconds)
end

-- Above a whole bucket: it would never fit. Returns the reason.
local function too_large()
  if tokens > (state.limit_tpm or tokens) then
    return 'too_large'
  end
  return tokens > (tier.limit.tpm or tokens) and 'too_large_for_tier' or nil
end

-- A wait that even an otherwise empty upstream could not shorten: the pause, and what the tenant itself has
-- waiting in front of this request. Being certain, it never refuses a request that could have been served.
local function least_wait()
  local requests = redis.call('LLEN', queue_key(ticket)) + 1
  local ahead = tonumber(redis.call('HGET', PREFIX .. 'queued:' .. ticket.tier, ticket.tenant) or 0)
  local wait = math.max(0, (state.pause_until or NOW) - NOW)
  for bucket, window in pairs(WINDOW_MS) do
    local need = bucket == 'tpm' and ahead + tokens or requests
    if state['limit_' .. bucket] then
      wait = math.max(wait, (need - state['level_' .. bucket]) * window / state['limit_' .. bucket])
    end
    if tier.limit[bucket] then
      wait = math.max(wait, (need - tier.level[bucket]) * window / tier.limit[bucket])
    end
  end
  return wait
end

-- Returns reason and Retry-After, nil when the request may queue.
local function refusal()
  if state.circuit then
    return state.circuit, 0
  elseif redis.call('XLEN', STREAM) >= tonumber(ARGV[16]) then
    return 'recorder_behind', 5000
  end
  local size = too_large()
  if size then
    return size, 0
  elseif redis.call('ZCARD', WAITERS) >= tonumber(ARGV[15]) then
    return 'queue_full', 5000
  end
  local wait = least_wait()
  if wait > longest_wait then
    return 'would_time_out', math.max(1000, wait - longest_wait)
  end
end

reap()
local reason, retry_after_ms = refusal()
if reason then
  ticket.event, ticket.enqueued_at = nil, nil
  ticket.state, ticket.reason, ticket.retry_after_ms = 'refused', reason, whole(retry_after_ms)
  keep(REMEMBER_MS)
  if reason ~= 'recorder_behind' then
    emit_unsent({ event = ARGV[10] }, 'refused', reason)
  end
  return standing(ticket, dispatch())
end

-- With nobody in front, the queue's tags would only be made and forgotten again.
if redis.call('EXISTS', WAITERS) == 0 and not standstill() and wait_of(ticket) == 0 then
  admit(ticket)
  keep(KEEP_MS)
  save_state()
  return standing(ticket, -1)
end

keep(KEEP_MS)
append(ticket, NOW + ticket.lease_ms)
local wait = serve_waiting()
return standing(read_ticket(id), wait)
