-- Ends a call: frees its place, records it, corrects buckets and tags to what it really cost, takes the provider's
-- word on our rate, and dispatches. Idempotent by request id.
-- ARGV: 4 id; 5 usage event as JSON; 6-9 requests, tokens, input and output tokens that the provider's quota was
-- really charged; 10 money; 11 kind of signal, 12 Retry-After or '', 13 jitter of a pause; 14-17 limits and 18-21 what
-- is left as the provider states them, by unit or ''; 22 age of that word; 23 milliseconds from grant to sending or
-- ''; 24 JSON list of the scopes whose money a call counts for that Redis did not admit.
-- Answer: status settled | repeated; wait_ms.

-- Admitted while Redis was away, or forgotten by one that lost its data: nothing was charged for it here.
local function spend_afterwards(nanos)
  for _, scope in ipairs(cjson.decode(ARGV[24])) do
    local used = read_scope(scope)
    for _, window in ipairs({ 'day', 'month' }) do
      if money_of(used, window) then
        spend(used, window, nanos)
        touched_scopes[scope] = true
      end
    end
  end
end

-- A call that was broken off did not cost more output than it was expected to; what was declared is the most.
local function broken_off(ticket, actual)
  if ARGV[11] ~= 'ok' and ticket and ticket.cost then
    actual[OUTPUT] = math.min(actual[OUTPUT], ticket.cost[OUTPUT])
  end
  return actual
end

-- Milliseconds from grant to now, without a silence of Redis in between: its clock may have jumped.
local function held_for(ticket)
  local held = NOW - ticket.granted_at
  if ticket.granted_at < (state.silent_at or 0) then
    held = held - (state.silent_at - state.silent_from)
  end
  return math.max(0, held)
end

local function quota_seconds(ticket, actual)
  if actual[1] == 0 then
    return 0
  end
  return cost_of(actual, ticket and ticket.granted_at and held_for(ticket) or nil)
end

local function account_for(ticket, actual, nanos, seconds)
  local was = ticket and ticket.state
  if was == 'granted' or was == 'orphaned' then
    release(ticket)
    correct_mirrors(ticket.cost, actual, ticket.granted_at, actual[1] == 0)
    correct_tags(ticket, seconds)
    settle_reserved(ticket.reserved, actual, nanos)
  elseif was == 'waiting' then
    withdraw(ticket)
    charge_mirrors(actual)
    settle_reserved(ticket.reserved, actual, nanos)
  else
    end_lease(ARGV[4]) -- its heartbeats held a place
    charge_mirrors_late(actual)
    spend_afterwards(nanos)
  end
end

local function learn(ticket, actual)
  if ARGV[11] == 'ok' and ticket and ticket.granted_at then
    learn_hold(held_for(ticket))
    learn_output(actual[OUTPUT])
  end
  if ARGV[23] ~= '' then
    learn_sent(tonumber(ARGV[23]))
  end
end

local function signal()
  return {
    kind = ARGV[11], retry_after = tonumber(ARGV[12]), jitter = tonumber(ARGV[13]), limits = numbers(14),
    remaining = numbers(18), age = tonumber(ARGV[22])
  }
end

enter('settle', function()
  local ticket = read_ticket(ARGV[4])
  if ticket and ticket.state == 'settled' then
    return answer({ status = 'repeated', wait_ms = dispatch() })
  end
  local in_time = ticket and ticket.state == 'granted'
  if state then
    local actual = broken_off(ticket, numbers(6))
    local seconds = quota_seconds(ticket, actual)
    account_for(ticket, actual, tonumber(ARGV[10]), seconds)
    learn(ticket, actual)
    take_signal(signal(), ticket and ticket.granted_at or NOW, seconds)
  else
    spend_afterwards(tonumber(ARGV[10]))
    save_scopes()
  end
  -- An orphan's estimate may be in the records, or (after lost data) nobody knows: the later fact wins.
  local changes = { version = in_time and '1' or '2' }
  if ticket and ticket.predicted_ms then
    changes.predicted_ms = whole(ticket.predicted_ms)
  end
  emit(ARGV[5], changes)
  close_ticket(ARGV[4], 'settled')
  return answer({ status = 'settled', wait_ms = dispatch() })
end)
