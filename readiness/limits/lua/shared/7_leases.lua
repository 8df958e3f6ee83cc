-- Places of calls in flight, and the ends of those that nobody serves or holds any more.

local LEASES -- sorted set: ticket -> when its holder counts as dead
local NOTHING = { 0, 0, 0, 0 }

-- Milliseconds; a clock that was set back makes no wait negative, which no record could hold.
local function queued_for(ticket)
  return math.max(0, NOW - ticket.enqueued_at)
end

local function emit_unsent(ticket, outcome, reason, limit, retry_after)
  local changes = {
    outcome = outcome, error_class = reason, input_tokens = '0', output_tokens = '0', cached_tokens = '0',
    cost_nanos = '0', refused_by = limit or '', retry_after_ms = whole(retry_after or 0)
  }
  if ticket.enqueued_at then
    changes.queue_ms, changes.queued = whole(queued_for(ticket)), '1'
    changes.predicted_ms = whole(ticket.predicted_ms or -1)
  end
  emit(ticket.event, changes)
end

-- Ends a waiting request without serving it and tells its owner.
local function turn_away(ticket, new_state, reason, retry_after, limit)
  withdraw(ticket)
  settle_reserved(ticket.reserved, NOTHING, 0)
  close_ticket(ticket.id, new_state, reason, retry_after, limit)
  emit_unsent(ticket, new_state, reason, limit, retry_after)
  notify(ticket.process, {
    id = ticket.id, status = new_state, reason = reason, limit = limit, retry_after_ms = whole(retry_after)
  })
end

local function expire(ticket)
  local wait = mirrors_wait(ticket.cost, 0)
  turn_away(ticket, 'expired', 'timed_out', math.max(1000, wait), ticket.blocked_by)
end

local function held_key(ticket)
  return PREFIX .. 'held:' .. ticket.line .. '|' .. ticket.tenant
end

local function hold_lease(id, until_when)
  redis.call('ZADD', LEASES, until_when, id)
  redis.call('PEXPIRE', LEASES, KEEP_MS)
  state.first_lease = math.min(state.first_lease or until_when, until_when)
  if state.account then
    redis.call('ZADD', account_key .. ':leases', until_when, id)
    redis.call('PEXPIRE', account_key .. ':leases', KEEP_MS)
  end
end

local function end_lease(id)
  redis.call('ZREM', LEASES, id)
  if state.account then
    redis.call('ZREM', account_key .. ':leases', id)
  end
end

-- Frees the places that a call held; its tenant may be waiting for one.
local function release(ticket)
  end_lease(ticket.id)
  if ticket.holds then
    redis.call('ZREM', held_key(ticket), ticket.id)
    unpark(ticket.line, ticket.tenant)
  end
end

-- The score of the first member, when nothing is due before it.
local function first_due(key)
  return tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or '')
end

local reap -- for the files behind this one

do

local REAPED_AT_ONCE = 20

-- The holder died or is cut off: its place is free, what it may have spent stays spent, and the estimate is
-- recorded until a late settlement replaces it (same event id, higher version).
local function reap_lease(id)
  local ticket = read_ticket(id)
  if ticket and ticket.state == 'granted' then
    release(ticket)
    ticket.state = 'orphaned'
    save_ticket(ticket)
    emit(ticket.event, {
      outcome = 'orphaned', queue_ms = whole(ticket.queue_ms), queued = ticket.queue_ms > 0 and '1' or '0'
    })
  else
    redis.call('ZREM', LEASES, id)
  end
end

local function due(key)
  return redis.call('ZRANGEBYSCORE', key, '-inf', NOW, 'LIMIT', 0, REAPED_AT_ONCE)
end

function reap()
  if NOW >= (state.first_lease or math.huge) then
    for _, id in ipairs(due(LEASES)) do
      reap_lease(id)
    end
    state.first_lease = first_due(LEASES)
  end
  if NOW >= (state.first_deadline or math.huge) then
    for _, id in ipairs(due(WAITERS)) do
      local ticket = read_ticket(id)
      if ticket and ticket.state == 'waiting' then
        expire(ticket)
      else
        redis.call('ZREM', WAITERS, id)
      end
    end
    state.first_deadline = first_due(WAITERS)
  end
end

end
