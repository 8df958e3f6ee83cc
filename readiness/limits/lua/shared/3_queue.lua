-- The fair queue: start-time fair queueing (Goyal, Vin, Cheng 1996) on two levels with the same code, tiers by
-- weight and the tenants inside a tier equally. Only the head of a line has a start tag:
--   S = max(v, F) when a line becomes non-empty or its head is served, F = S + cost / weight when served,
--   v = start tag in service.
-- Tags given on arrival would let a line that joins late take far more than its share. A line that had to stand
-- back is owed one request at most, because its next tag is v again.
--
-- An order is a sorted set: line -> start tag of its head. <order>:finish: line -> F, only while F > v.

local TIER_ORDER = PREFIX .. 'tiers'
local VIRTUAL_KEY = PREFIX .. 'virtual' -- hash: order -> v

local function tenant_order(tier)
  return PREFIX .. 'tenants:' .. tier
end

local function virtual_time(order)
  return tonumber(redis.call('HGET', VIRTUAL_KEY, order) or 0)
end

local function join(order, line)
  if not redis.call('ZSCORE', order, line) then
    local finish = tonumber(redis.call('ZSCORE', order .. ':finish', line) or 0)
    redis.call('ZADD', order, math.max(virtual_time(order), finish), line)
  end
end

-- When nobody waits any more, all start level again: without finish tags the virtual time is everybody's tag.
local function leave(order, line)
  redis.call('ZREM', order, line)
  if redis.call('EXISTS', order) == 0 then
    redis.call('DEL', order .. ':finish')
  end
end

-- The head of the line was served at `cost` (already divided by the weight); `more` when others wait behind it.
local function serve(order, line, cost, more)
  local start = tonumber(redis.call('ZSCORE', order, line))
  local finish = start + cost
  local v = math.max(virtual_time(order), start)
  redis.call('HSET', VIRTUAL_KEY, order, v)
  redis.call('PEXPIRE', VIRTUAL_KEY, KEEP_MS)
  redis.call('ZADD', order .. ':finish', finish, line)
  redis.call('ZREMRANGEBYSCORE', order .. ':finish', '-inf', v)
  if more then
    redis.call('ZADD', order, math.max(v, finish), line)
  else
    leave(order, line)
  end
end

-- The true cost turned out different by `change`. A line that was caught up with since has nothing to correct.
local function amend(order, line, change)
  if redis.call('ZSCORE', order .. ':finish', line) then
    redis.call('ZINCRBY', order .. ':finish', change, line)
    local start = redis.call('ZSCORE', order, line)
    if start then
      redis.call('ZADD', order, math.max(virtual_time(order), tonumber(start) + change), line)
    end
  end
end

-- Tickets: one hash per request. state: waiting, granted, orphaned, settled, cancelled, expired, refused. ------

local function ticket_key(id)
  return PREFIX .. 'ticket:' .. id
end

local function read_ticket(id)
  local fields = table_of(redis.call('HGETALL', ticket_key(id)))
  if not fields.state then
    return nil
  end
  fields.id = id
  fields.tokens = tonumber(fields.tokens)
  return fields
end

local function close_ticket(id, new_state, ...)
  redis.call('HSET', ticket_key(id), 'state', new_state, ...)
  redis.call('PEXPIRE', ticket_key(id), REMEMBER_MS)
end

local function queue_key(ticket)
  return PREFIX .. 'queue:' .. ticket.tier .. ':' .. ticket.tenant
end

-- Puts the ticket behind the others of its tenant. `alive_until`: when a silent owner counts as dead.
local function append(ticket, alive_until)
  local queue, waiting = queue_key(ticket), PREFIX .. 'waiting:' .. ticket.tier
  redis.call('RPUSH', queue, ticket.id)
  redis.call('HINCRBY', PREFIX .. 'queued:' .. ticket.tier, ticket.tenant, ticket.tokens)
  redis.call('ZADD', waiting, ticket.enqueued_at, ticket.id)
  redis.call('ZADD', PREFIX .. 'waiters', math.min(ticket.deadline, alive_until), ticket.id)
  join(tenant_order(ticket.tier), ticket.tenant)
  join(TIER_ORDER, ticket.tier)
end

-- Takes the ticket out of every line without touching tags; returns whether its tenant has others waiting.
local function take_out(ticket)
  local queue = queue_key(ticket)
  redis.call('LREM', queue, 1, ticket.id)
  redis.call('ZREM', PREFIX .. 'waiting:' .. ticket.tier, ticket.id)
  redis.call('ZREM', PREFIX .. 'waiters', ticket.id)
  if redis.call('EXISTS', queue) == 1 then
    redis.call('HINCRBY', PREFIX .. 'queued:' .. ticket.tier, ticket.tenant, -ticket.tokens)
    return true
  end
  redis.call('HDEL', PREFIX .. 'queued:' .. ticket.tier, ticket.tenant)
  return false
end

-- A waiting ticket that will not be served. Its successor inherits the tag, which is the line's, not the ticket's.
local function withdraw(ticket)
  if not take_out(ticket) then
    leave(tenant_order(ticket.tier), ticket.tenant)
    if redis.call('EXISTS', tenant_order(ticket.tier)) == 0 then
      leave(TIER_ORDER, ticket.tier)
    end
  end
end

local function correct_tags(ticket, requests, tokens)
  local change = cost_of(requests, tokens) - cost_of(1, ticket.tokens)
  if change ~= 0 then
    amend(tenant_order(ticket.tier), ticket.tenant, change)
    amend(TIER_ORDER, ticket.tier, change / tier_of(ticket.tier).weight)
  end
end
