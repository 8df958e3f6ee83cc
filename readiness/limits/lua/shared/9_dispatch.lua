-- Grants, and the dispatch step that every other script ends with.

local PROCESSES = 'limits:processes' -- sorted set: process -> its last heartbeat
local GRANTED_AT_ONCE = 100
local LONGEST_TIMER_MS = 1000 -- a changed tier or quota reaches a waiting queue within a second
local BACKUP_TIMER_MS = 100 -- how much later the others look when one process has the exact timer
local STALLED_AFTER_MS = 10000 -- twice the interval of heartbeats
local DEAD_AFTER_MS = 45000 -- without a heartbeat, a process's waiting requests are nobody's

-- Milliseconds until the request could be sent if it were next; 0 for now. Second: whether only its own line is the
-- reason, so that others may pass; third: which limit.
local function wait_of(ticket, config)
  local known = known_line(ticket.line)
  local own, limit = line_wait(config, ticket.cost)
  local share = share_wait(known, config, ticket.seconds)
  if share > own then
    own, limit = share, ticket.line .. ' share'
  end
  local paced, keep = head_start(ticket.line, config.weight)
  if math.max(own, paced) > 0 then
    return math.max(own, paced), true, own >= paced and limit or 'head start'
  end
  local wait = mirrors_wait(ticket.cost, keep)
  if wait > 0 and keep > 0 and mirrors_wait(ticket.cost, 0) == 0 then
    return wait, true, 'head start'
  end
  return wait, false, 'provider'
end

-- Why nobody at all can be served now: milliseconds left, nil when somebody can.
local function standstill()
  if state.pause_until and NOW < state.pause_until then
    return state.pause_until - NOW
  elseif state.open_until and NOW < state.open_until then
    return state.open_until - NOW
  end
  local trial = trial_wait()
  if trial > 0 then
    return trial
  end
  local places = places_left()
  return places and redis.call('ZCARD', LEASES) >= places and LONGEST_TIMER_MS or nil
end

-- Charges every bucket and takes a place.
local function admit(ticket, config)
  charge_mirrors(ticket.cost)
  charge_line(config, ticket.cost, ticket.reserved)
  take_share(known_line(ticket.line), config, ticket.seconds)
  pace(ticket.line, config.weight, ticket.seconds)
  note_use(ticket.line, config, ticket.seconds)
  hold_lease(ticket.id, NOW + ticket.lease_ms)
  if config.concurrency then
    ticket.holds = true
    redis.call('ZADD', held_key(ticket), NOW, ticket.id)
    redis.call('PEXPIRE', held_key(ticket), KEEP_MS)
  end
  trial_sent()
  if is_probing() then
    probe_sent()
  end
  ticket.state, ticket.granted_at, ticket.queue_ms = 'granted', NOW, queued_for(ticket)
  save_ticket(ticket)
end

-- Serves a ticket that waits.
local function grant(ticket, config)
  serve(ticket, config.weight, take_out(ticket))
  admit(ticket, config)
  notify(ticket.process, { id = ticket.id, status = 'granted', queue_ms = whole(ticket.queue_ms) })
end

local function is_at_its_cap(ticket, config)
  return config.concurrency and redis.call('ZCARD', held_key(ticket)) >= config.concurrency
end

-- Each grant to a dead process is lost. One that misses a heartbeat and leaves its inbox unread does not hear us; but
-- after a silence of Redis all of them look like that.
local function is_dead(process)
  local beat = tonumber(redis.call('ZSCORE', PROCESSES, process) or '')
  local silent_for = beat and heard_until() - beat or 0
  local may_be_stalled = silent_for > STALLED_AFTER_MS and NOW - (state.silent_at or 0) > STALLED_AFTER_MS
  return silent_for > DEAD_AFTER_MS or may_be_stalled and redis.call('EXISTS', INBOX .. process) == 1
end

-- The head that did not fit lately: while it waits, every call meets it again, and nothing changes a ticket that stands in
-- a queue. It belongs to the state that was read then; another one, after lost data or in a replay, has its own.
local blocked, blocked_of

local function read_head(id)
  local ticket = blocked_of == state and blocked.id == id and by_this_clock(blocked) or nil
  blocked, blocked_of = nil, nil -- a call that fails half way leaves nothing behind
  return ticket or read_ticket(id)
end

-- The line's next ticket that somebody still waits for; nil after clearing away what nobody does, or parking. A key that is
-- not there was dropped by Redis against our instructions; it must not block the upstream for ever.
local function head_of(name, config)
  local tenant = redis.call('ZRANGE', tenant_order(name), 0, 0)[1]
  if not tenant then
    line_leaves(name) -- its requests run into their deadlines, and whoever comes next brings it back
    return nil
  end
  local id = redis.call('ZRANGE', queue_key({ line = name, tenant = tenant }), 0, 0)[1] or ''
  local ticket = read_head(id)
  if not ticket or ticket.state ~= 'waiting' then
    withdraw({ id = id, line = name, tenant = tenant, seconds = 0 })
  elseif NOW >= ticket.deadline then
    expire(ticket)
  elseif is_at_its_cap(ticket, config) then
    park(name, tenant)
  else
    return ticket
  end
end

-- Whether lines wait that an order without any has lost.
local function restore_order()
  local restored = false
  for name, line in pairs(state.lines) do
    if line.in_order then
      line.in_order = nil
      line_joins(name)
      restored = true
    end
  end
  return restored
end

-- Serves the head of the first line that may be served. Returns nil to be called again, else the milliseconds until
-- something can change; -1 when nobody can be served before something ends.
local function serve_next()
  local soonest = standstill()
  if soonest then
    return soonest
  end
  local name = redis.call('ZRANGE', ORDER, 0, 0)[1]
  if not name then
    if restore_order() then
      return nil
    end
    local next_line = redis.call('ZRANGE', SLEEPING, 0, 0, 'WITHSCORES')[2]
    return next_line and math.max(1, next_line - NOW) or LONGEST_TIMER_MS
  end
  local config = line_of(name)
  local ticket = head_of(name, config)
  if not ticket then
    return nil
  end
  local wait, only_its_line, limit = wait_of(ticket, config)
  if wait == 0 and is_dead(ticket.process) then
    turn_away(ticket, 'expired', 'abandoned', 0)
    return nil
  elseif wait == 0 then
    grant(ticket, config)
    return nil
  elseif only_its_line then
    -- Never asleep for longer than a second: its limits may be changed meanwhile.
    line_sleeps(name, math.min(wait, LONGEST_TIMER_MS))
    if ticket.blocked_by ~= limit then
      ticket.blocked_by = limit
      save_ticket(ticket)
    end
    return nil
  end
  -- A shared bucket is short: nobody passes the head, or a big request would be overtaken for ever.
  claim_account(ticket.cost)
  blocked, blocked_of = ticket, state
  return wait
end

local dispatch -- for the entries

do

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
    if ticket and ticket.state == 'waiting' then
      turn_away(ticket, 'refused', state.circuit, 0)
    else
      redis.call('ZREM', WAITERS, id)
    end
  end
end

local function forget_lines()
  if NOW - (state.forgot_at or 0) > MINUTE_MS then
    state.forgot_at = NOW
    for name, line in pairs(state.lines) do
      if line.waiting == 0 and NOW - math.max(line.seen or 0, line.at) > FORGET_LINE_MS then
        state.lines[name] = nil
      end
    end
  end
end

-- Parked tenants whose cap was raised would notice only when one of their calls ends.
local function look_at_parked()
  if NOW - (state.unparked_at or 0) > LONGEST_TIMER_MS then
    state.unparked_at = NOW
    for name, line in pairs(state.lines) do
      if line.parked > 0 then
        local cap = line_of(name).concurrency
        for _, tenant in ipairs(redis.call('ZRANDMEMBER', parked_key(name), 10)) do
          if not cap or redis.call('ZCARD', held_key({ line = name, tenant = tenant })) < cap then
            unpark(name, tenant)
          end
        end
      end
    end
  end
end

-- Serves waiting tickets. Returns the timer, -1 when nobody waits.
local function serve_waiting()
  if state.asleep then
    wake_lines()
  end
  look_at_parked()
  local wait
  for _ = 1, GRANTED_AT_ONCE do
    wait = serve_next()
    if wait or state.waiting == 0 then
      break
    end
  end
  if state.waiting == 0 then
    return -1
  end
  return timer(math.min(wait or 1, (state.first_deadline or math.huge) - NOW + 1))
end

-- Milliseconds until the dispatch that somebody has the timer of; nil when there is none, or a deadline comes before it.
local function promised()
  local left = (state.armed_at or NOW) - NOW
  if left > 0 and left <= LONGEST_TIMER_MS and state.armed_at <= (state.first_deadline or math.huge) then
    return math.ceil(left) + (state.armed_by == PROCESS and 0 or BACKUP_TIMER_MS)
  end
end

-- What every script ends with: reaps, serves whoever may be served, and saves. Returns the timer, -1 when nobody
-- waits. `undisturbed`: nothing has changed that lets anybody be served before the timer that is set.
function dispatch(undisturbed)
  if not state then
    return -1
  end
  reap()
  if state.circuit and state.waiting > 0 then
    refuse_all()
  end
  local wait = -1
  if state.waiting > 0 then
    wait = state.circuit and timer(1) or undisturbed and promised() or serve_waiting()
  end
  forget_lines()
  save_scopes()
  save_account()
  save_state()
  return wait
end

end

-- Every script of the library: `body` runs on the state of now.
local function enter(name, body)
  redis.register_function(VERSION .. name, function(keys, arguments)
    begin(keys, arguments)
    local named = names_of(PREFIX)
    ORDER, SLEEPING, WAITERS, LEASES = named.lines, named.sleeping, named.waiters, named.leases
    account, account_key, lines, scopes, touched_scopes = nil, nil, {}, {}, {}
    if state then
      follow_clock()
      grow_share()
      advance_mirrors()
      witness_loss()
    end
    local answered = body()
    if state and not is_saved then -- a window's log is written as it slides: state and log stay one
      save_account()
      save_state()
    end
    return answered
  end)
end
