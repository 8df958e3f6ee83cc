-- Grants, leases and the dispatch step that every other script ends with.

local LEASES, WAITERS = PREFIX .. 'leases', PREFIX .. 'waiters'
local REAPED_AT_ONCE = 20
local GRANTED_AT_ONCE = 100
local LONGEST_TIMER_MS = 1000 -- a changed tier or quota reaches a waiting queue within a second
local BACKUP_TIMER_MS = 100 -- how much later the others look when one process has the exact timer

local NEVER_SENT = { input_tokens = '0', output_tokens = '0', cached_tokens = '0', cost_nanos = '0' }

-- Event of a request that did not reach the provider.
local function emit_unsent(ticket, outcome, reason)
  local changes = { outcome = outcome, error_class = reason }
  for name, value in pairs(NEVER_SENT) do
    changes[name] = value
  end
  if ticket.enqueued_at then
    changes.queue_ms, changes.queued = whole(NOW - ticket.enqueued_at), '1'
  end
  emit(cjson.decode(ticket.event), changes)
end

-- Ends a waiting request without serving it and tells its owner.
local function turn_away(ticket, new_state, reason, retry_after_ms)
  withdraw(ticket)
  close_ticket(ticket.id, new_state, 'reason', reason, 'retry_after_ms', whole(retry_after_ms))
  emit_unsent(ticket, new_state, reason)
  notify(ticket.process, {
    id = ticket.id, status = new_state, reason = reason, retry_after_ms = whole(retry_after_ms)
  })
end

local function reap_waiter(id)
  local ticket = read_ticket(id)
  if not ticket or ticket.state ~= 'waiting' then
    redis.call('ZREM', WAITERS, id)
  elseif NOW >= tonumber(ticket.deadline) then
    turn_away(ticket, 'expired', 'timed_out', math.max(1000, mirrors_wait(1, ticket.tokens)))
  else
    turn_away(ticket, 'expired', 'abandoned', 0)
  end
end

-- The holder died or is cut off: its place is free, what it may have spent stays spent, and the estimate is
-- recorded until a late settlement replaces it (same event id, higher version).
local function reap_lease(id)
  local ticket = read_ticket(id)
  redis.call('ZREM', LEASES, id)
  if ticket and ticket.state == 'granted' then
    redis.call('HSET', ticket_key(id), 'state', 'orphaned')
    emit(cjson.decode(ticket.event), { outcome = 'orphaned', queue_ms = ticket.queue_ms, queued = ticket.queued })
  end
end

local function reap()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', NOW, 'LIMIT', 0, REAPED_AT_ONCE)) do
    reap_lease(id)
  end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', WAITERS, '-inf', NOW, 'LIMIT', 0, REAPED_AT_ONCE)) do
    reap_waiter(id)
  end
end

-- Milliseconds until the request could be sent if it were next; 0 for now. Second: whether the tier's own limits
-- alone are the reason.
local function wait_of(ticket)
  local own_wait = tier_wait(ticket.tier, 1, ticket.tokens)
  if own_wait > 0 then
    return own_wait, true
  end
  return mirrors_wait(1, ticket.tokens), false
end

-- Why nobody at all can be served now: milliseconds left, nil when somebody can.
local function standstill()
  if state.pause_until and NOW < state.pause_until then
    return state.pause_until - NOW
  end
  return state.concurrency and redis.call('ZCARD', LEASES) >= state.concurrency and LONGEST_TIMER_MS or nil
end

-- Charges every bucket and takes a place.
local function admit(ticket)
  charge_mirrors(ticket.tokens)
  charge_tier(ticket.tier, ticket.tokens)
  redis.call('ZADD', LEASES, NOW + ticket.lease_ms, ticket.id)
  local waited = NOW - ticket.enqueued_at
  ticket.state, ticket.queue_ms, ticket.queued = 'granted', whole(waited), waited > 0 and '1' or '0'
  local served = PREFIX .. 'served:' .. math.floor(NOW / MINUTE_MS)
  redis.call('HINCRBYFLOAT', served, ticket.tier, cost_of(1, ticket.tokens))
  redis.call('PEXPIRE', served, 3 * MINUTE_MS)
end

-- Serves a ticket that waits.
local function grant(ticket)
  local cost, order = cost_of(1, ticket.tokens), tenant_order(ticket.tier)
  serve(order, ticket.tenant, cost, take_out(ticket))
  local weight = tier_of(ticket.tier).weight
  serve(TIER_ORDER, ticket.tier, cost / weight, redis.call('EXISTS', order) == 1)
  admit(ticket)
  local granted = { state = 'granted', queue_ms = ticket.queue_ms, queued = ticket.queued }
  redis.call('HSET', ticket_key(ticket.id), unpack(list_of(granted)))
  notify(ticket.process, {
    id = ticket.id, status = 'granted', queue_ms = ticket.queue_ms, queued = ticket.queued
  })
end

-- The tier's next ticket; nil after clearing away one whose hash is gone, which only a Redis that evicts keys
-- against our instructions can cause: without this, it would block the upstream for ever.
local function head_of(tier)
  local tenant = redis.call('ZRANGE', tenant_order(tier), 0, 0)[1]
  local id = redis.call('LINDEX', queue_key({ tier = tier, tenant = tenant }), 0) or ''
  local ticket = read_ticket(id)
  if not ticket then
    withdraw({ id = id, tier = tier, tenant = tenant, tokens = 0 })
  end
  return ticket
end

-- Serves the head of the first tier that may be served. Returns nil to be called again, else the milliseconds until
-- something can change; -1 when nobody waits.
local function serve_next()
  local soonest = standstill()
  if soonest then
    return soonest
  end
  for _, tier in ipairs(redis.call('ZRANGE', TIER_ORDER, 0, -1)) do
    local ticket = head_of(tier)
    if not ticket then
      return nil
    end
    local wait, only_its_tier = wait_of(ticket)
    if wait == 0 then
      grant(ticket)
      return nil
    end
    soonest = math.min(soonest or wait, wait)
    if not only_its_tier then
      -- A shared bucket is short: nobody passes the head, or a big request would be overtaken for ever.
      return soonest
    end
  end
  return soonest or -1
end

-- Milliseconds until this process should dispatch again. One process gets the exact time; the others come a
-- little later and find the work done, or do it when that process is gone.
local function timer(wait)
  local exact = math.min(math.max(math.ceil(wait), 1), LONGEST_TIMER_MS)
  local due = NOW + exact
  if PROCESS == '' then
    return exact
  end
  if state.armed_at and state.armed_by ~= PROCESS and state.armed_at > NOW and state.armed_at <= due then
    return exact + BACKUP_TIMER_MS
  end
  state.armed_at, state.armed_by = due, PROCESS
  return exact
end

local function refuse_all()
  for _, id in ipairs(redis.call('ZRANGE', WAITERS, 0, GRANTED_AT_ONCE - 1)) do
    local ticket = read_ticket(id)
    if ticket then
      turn_away(ticket, 'refused', state.circuit, 0)
    else
      redis.call('ZREM', WAITERS, id)
    end
  end
end

-- Serves waiting tickets and saves the state. Returns the timer, -1 when nobody waits.
local function serve_waiting()
  local wait
  for _ = 1, GRANTED_AT_ONCE do
    wait = serve_next()
    if wait then
      break
    end
  end
  wait = wait ~= -1 and timer(wait or 1) or -1
  save_state()
  return wait
end

-- What every script ends with: reaps, and serves whoever may be served. Returns the timer, -1 when nobody waits.
local function dispatch()
  reap()
  if state.circuit then
    refuse_all()
  elseif redis.call('EXISTS', WAITERS) == 1 then
    return serve_waiting()
  end
  local wait = redis.call('EXISTS', WAITERS) == 1 and timer(1) or -1
  save_state()
  return wait
end

-- Named fields rather than positions, so that two versions of caller and script can meet during a deploy.
local function answer(fields)
  fields.epoch = epoch or ''
  return list_of(fields)
end
