-- The fair queue: start-time fair queueing (Goyal, Vin, Cheng 1996) on two levels with the same code: lines (tiers
-- and their overrides) by weight, and the tenants inside a line equally. Only the head of a tenant's queue has a tag:
--   S = max(v, F) when a queue becomes non-empty or its head is served, F = S + cost / weight when served,
--   v = start tag in service.
-- Tags given on arrival would let a tenant that joins late take far more than its share.
--
-- An order is a sorted set: member -> S of its head. Beside it, <order>:idle: member -> F while F > v, of those that
-- wait for nothing and must not gain by coming back.
--
-- state.lines: line -> weight, v (of its tenants' order), waiting, backlog (quota-seconds that wait), parked (tenants),
-- seen (when it last asked), use and unknown (quota-seconds granted lately, see 8_lines), typical (cost), minute/got/before,
-- in_order (true while its tag is in the order: something waits that neither sleeps nor is parked).

local ORDER -- order of the lines
local SLEEPING -- sorted set: line that its own limits hold back -> when to look again
local WAITERS -- sorted set: ticket -> deadline
local HOUR_MS = 3600000
local TIE = 1e-6
local FORGET_LINE_MS = 120000 -- every call packs what is known of the lines

local function tenant_order(line)
  return PREFIX .. 'tenants:' .. line
end

local function parked_key(line)
  return PREFIX .. 'parked:' .. line
end

local function queue_key(ticket)
  return PREFIX .. 'queue:' .. ticket.line .. '|' .. ticket.tenant
end

local function known_line(name)
  local line = state.lines[name]
  if not line then
    line = { v = 0, waiting = 0, backlog = 0, parked = 0, use = 0, unknown = 1, typical = 0, at = NOW, minute = 0, got = 0, before = 0 }
    state.lines[name] = line
  end
  return line
end

-- came, gap, began, arrived: when the line's limits let a request through last, the mean time between those (ms), since when
-- they follow each other like that, and how many did. Nothing is known of the gap before the second.
local function note_arrival(line)
  local gap = line.came and NOW - line.came
  if not gap or line.gap and gap > math.max(1000, 10 * line.gap) then
    line.began, line.arrived, line.gap = NOW, 1, nil
  else
    line.gap = line.gap and line.gap + 0.1 * (gap - line.gap) or gap
    line.arrived = (line.arrived or 0) + 1 -- an earlier version did not count
    if 4 * line.gap * line.arrived < NOW - line.began then
      line.began, line.arrived = NOW, 1 -- a burst of who came now and then
    end
  end
  line.came = NOW
end

local function tag_at_joining(order, member, v)
  local finish = redis.call('ZSCORE', order .. ':idle', member)
  if finish then
    redis.call('ZREM', order .. ':idle', member)
  end
  return math.max(v, tonumber(finish or v))
end

-- The member waits for nothing any more; `finish`: what its next tag may not be less than. When nobody waits at all
-- (`busy` is false), all start level again: without finish tags the virtual time is everybody's tag.
local function retire(order, member, finish, v, busy)
  redis.call('ZREM', order, member)
  if not busy then
    redis.call('DEL', order .. ':idle')
  elseif finish > v then
    redis.call('ZADD', order .. ':idle', finish, member)
    redis.call('ZREMRANGEBYSCORE', order .. ':idle', '-inf', v)
    redis.call('PEXPIRE', order .. ':idle', KEEP_MS)
  end
end

-- The true cost turned out different by `change`. One that was caught up with since has nothing to correct.
local function amend(order, member, change, v)
  local start = redis.call('ZSCORE', order, member)
  if start then
    redis.call('ZADD', order, math.max(v, tonumber(start) + change), member)
  elseif redis.call('ZSCORE', order .. ':idle', member) then
    redis.call('ZINCRBY', order .. ':idle', change, member)
  end
end

-- Lines that wait: in the order, or asleep until their own limits may have room.

local function line_joins(name)
  if not known_line(name).in_order and not redis.call('ZSCORE', SLEEPING, name) then
    local first = TIE / (known_line(name).weight or 1) -- of two equal tags the heavier line's is first
    redis.call('ZADD', ORDER, tag_at_joining(ORDER, name, state.v or 0) + first, name)
    redis.call('PEXPIRE', ORDER, KEEP_MS)
    known_line(name).in_order = true
  end
end

local function line_sleeps(name, wait)
  local line = state.lines[name]
  line.start, line.in_order = tonumber(redis.call('ZSCORE', ORDER, name)), nil
  redis.call('ZREM', ORDER, name)
  redis.call('ZADD', SLEEPING, NOW + wait, name)
  redis.call('PEXPIRE', SLEEPING, KEEP_MS)
  state.asleep = true
end

local function wake_lines()
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', SLEEPING, '-inf', NOW, 'LIMIT', 0, 50)) do
    redis.call('ZREM', SLEEPING, name)
    if redis.call('EXISTS', tenant_order(name)) == 1 then
      -- It is owed nothing for the time it was held back.
      local line = known_line(name)
      redis.call('ZADD', ORDER, math.max(state.v or 0, line.start or 0), name)
      redis.call('PEXPIRE', ORDER, KEEP_MS)
      line.in_order = true
    end
  end
  state.asleep = redis.call('EXISTS', SLEEPING) == 1 or nil
end

local function line_leaves(name)
  local line = known_line(name)
  local start = redis.call('ZSCORE', ORDER, name) or line.start or 0
  line.in_order = nil
  retire(ORDER, name, tonumber(start), state.v or 0, state.waiting > 0)
  redis.call('ZREM', SLEEPING, name)
end

local function tenant_joins(name, tenant)
  local order, line = tenant_order(name), known_line(name)
  if line.parked > 0 and redis.call('ZSCORE', parked_key(name), tenant) then
    return -- the end of one of its calls brings it back; its line may have nobody to serve until then
  end
  if not redis.call('ZSCORE', order, tenant) then
    redis.call('ZADD', order, tag_at_joining(order, tenant, line.v), tenant)
    redis.call('PEXPIRE', order, KEEP_MS)
  end
  line_joins(name)
end

local function tenant_leaves(name, tenant)
  local order, line = tenant_order(name), state.lines[name]
  local start = redis.call('ZSCORE', order, tenant)
  if not start then
    start = redis.call('ZSCORE', parked_key(name), tenant) or 0
    line.parked = line.parked - redis.call('ZREM', parked_key(name), tenant)
  end
  retire(order, tenant, tonumber(start), line.v, line.waiting > 0)
  if redis.call('EXISTS', order) == 0 then
    line_leaves(name)
  end
end

-- A tenant at its cap of calls in flight is parked: out of its line's order until one of its calls ends. A scan that
-- skipped it at every step would cost a millisecond per thousand of them.

local function park(line, tenant)
  local order = tenant_order(line)
  redis.call('ZADD', parked_key(line), redis.call('ZSCORE', order, tenant), tenant)
  redis.call('PEXPIRE', parked_key(line), KEEP_MS)
  redis.call('ZREM', order, tenant)
  state.lines[line].parked = state.lines[line].parked + 1
  if redis.call('EXISTS', order) == 0 then
    line_leaves(line)
  end
end

local function unpark(line, tenant)
  local start = redis.call('ZSCORE', parked_key(line), tenant)
  if start then
    redis.call('ZREM', parked_key(line), tenant)
    local known = known_line(line)
    known.parked = known.parked - 1
    redis.call('ZADD', tenant_order(line), math.max(known.v, tonumber(start)), tenant)
    redis.call('PEXPIRE', tenant_order(line), KEEP_MS)
    line_joins(line)
  end
end

-- Tickets: one packed value per request. state: waiting, granted, orphaned, settled, cancelled, expired, refused. ----

local function ticket_key(id)
  return PREFIX .. 'ticket:' .. id
end

local TICKET_STAMPS = { 'enqueued_at', 'granted_at', 'deadline' }

-- The ticket with its times by the clock as it is now, when it was set back since they were written (8_clock).
local function by_this_clock(ticket)
  local by = (state and state.set_back or 0) - (ticket.set_back or 0)
  if by > 0 then
    for _, name in ipairs(TICKET_STAMPS) do
      ticket[name] = ticket[name] and ticket[name] - by
    end
    ticket.set_back = state.set_back
  end
  return ticket
end

local function read_ticket(id)
  local ticket = load(ticket_key(id))
  if ticket then
    ticket.id = id
    return by_this_clock(ticket)
  end
end

local function save_ticket(ticket)
  store(ticket_key(ticket.id), ticket, KEEP_MS)
end

-- What a repeated call must still hear of a request that is over.
local function close_ticket(id, new_state, reason, retry_after, limit, keep_ms)
  local closed = { state = new_state, reason = reason, retry_after_ms = retry_after, limit = limit }
  store(ticket_key(id), closed, keep_ms or REMEMBER_MS)
end

-- A list that is never empty would outlive its first time to live.
local function keep_alive(line, name)
  if line.waiting == 0 or NOW - (line.kept or 0) > HOUR_MS then
    line.kept = NOW
    for _, kind in ipairs({ 'queued:', 'waiting:', 'tenants:', 'parked:' }) do
      redis.call('PEXPIRE', PREFIX .. kind .. name, KEEP_MS)
    end
    for _, key in ipairs({ WAITERS, ORDER, SLEEPING }) do
      redis.call('PEXPIRE', key, KEEP_MS)
    end
  end
end

-- Puts the ticket behind the others of its tenant; `is_first` when there are none.
local function append(ticket, is_first)
  local line, queue = known_line(ticket.line), queue_key(ticket)
  state.seq = (state.seq or 0) + 1
  redis.call('ZADD', queue, state.seq, ticket.id)
  redis.call('PEXPIRE', queue, KEEP_MS)
  redis.call('HINCRBYFLOAT', PREFIX .. 'queued:' .. ticket.line, ticket.tenant, ticket.seconds)
  redis.call('ZADD', PREFIX .. 'waiting:' .. ticket.line, ticket.enqueued_at, ticket.id)
  redis.call('ZADD', WAITERS, ticket.deadline, ticket.id)
  state.first_deadline = math.min(state.first_deadline or ticket.deadline, ticket.deadline)
  keep_alive(line, ticket.line)
  state.waiting, line.waiting, line.backlog = state.waiting + 1, line.waiting + 1, line.backlog + ticket.seconds
  if is_first then
    tenant_joins(ticket.line, ticket.tenant)
  end
end

-- Takes the ticket out of every list without touching tags; returns whether its tenant has others waiting.
local function take_out(ticket)
  local line, queue = known_line(ticket.line), queue_key(ticket)
  -- Either list knows it, should Redis have dropped the other against our instructions.
  if redis.call('ZREM', queue, ticket.id) + redis.call('ZREM', WAITERS, ticket.id) > 0 then
    state.waiting, line.waiting = state.waiting - 1, line.waiting - 1
    line.backlog = line.waiting > 0 and math.max(0, line.backlog - ticket.seconds) or 0
  end
  redis.call('ZREM', PREFIX .. 'waiting:' .. ticket.line, ticket.id)
  if redis.call('EXISTS', queue) == 1 then
    redis.call('HINCRBYFLOAT', PREFIX .. 'queued:' .. ticket.line, ticket.tenant, -ticket.seconds)
    return true
  end
  redis.call('HDEL', PREFIX .. 'queued:' .. ticket.line, ticket.tenant)
  return false
end

-- A waiting ticket that will not be served. Its successor inherits the tag, which is the tenant's, not the ticket's.
local function withdraw(ticket)
  if not take_out(ticket) then
    tenant_leaves(ticket.line, ticket.tenant)
  end
end

-- The head of the tenant was served.
local function serve(ticket, weight, more)
  local order, line = tenant_order(ticket.line), known_line(ticket.line)
  local start = tonumber(redis.call('ZSCORE', order, ticket.tenant))
  local finish = start + ticket.seconds
  line.v = math.max(line.v, start)
  if more then
    redis.call('ZADD', order, finish, ticket.tenant)
  else
    retire(order, ticket.tenant, finish, line.v, line.waiting > 0)
  end
  start = tonumber(redis.call('ZSCORE', ORDER, ticket.line))
  finish = start + ticket.seconds / weight
  state.v = math.max(state.v or 0, start)
  if more or redis.call('EXISTS', order) == 1 then
    redis.call('ZADD', ORDER, finish, ticket.line)
  else
    retire(ORDER, ticket.line, finish, state.v, state.waiting > 0)
    line.in_order = nil
  end
end

local function correct_tags(ticket, seconds)
  local change = seconds - ticket.seconds
  local line = state.lines[ticket.line]
  if line and change ~= 0 then
    local part = change / line_of(ticket.line).weight
    amend(tenant_order(ticket.line), ticket.tenant, change, line.v)
    amend(ORDER, ticket.line, part, state.v or 0)
    line.start = line.start and line.start + part -- of a line that sleeps
    line.room = line.room and line.room - change
  end
end
