-- Policy buckets are ours: requests, tokens and money of a tier, a project, an API key, an end user and the site.
-- Their configuration is read at every call, so a change is in force with the next one.
--
-- Caps refuse at once and are reserved before a request queues: they are charged here, given back when the request
-- is never sent, and settled to what it really cost. A tier's own requests and tokens per minute hold its requests
-- back instead (see 8_lines); its money refuses.

-- For the files behind this one.
local POLICY_KEY, UNKNOWN_LINE, unknown_line, policy_of, line_of, read_scope, save_scopes, edge_after, money_of,
  level_of, need_of, is_money, caps_of, unknown_money, cap_refusal, spend, reserve, settle_reserved, line_wait, charge_line
local lines, scopes, touched_scopes -- of this call: configuration by line, what scopes used, and which to save

do

POLICY_KEY = 'limits:policy' -- hash: name -> packed configuration (limits/policy.py)
local SPENT_KEEP_MS = 35 * 86400000 -- a month's money is remembered for longer than a month
UNKNOWN_LINE = 'tier:unknown' -- one queue of the lowest weight for all tiers that nobody configured

function unknown_line(lowest_weight)
  return { weight = lowest_weight or 1, wait_ms = MINUTE_MS, limits = {} }
end

local MOST_POLICIES = 5000
local policies, known_policies = {}, 0 -- packed -> what it says: the same few are read at every call

-- A published configuration, which is only read.
function policy_of(packed)
  local policy = policies[packed]
  if not policy then
    if known_policies >= MOST_POLICIES then
      policies, known_policies = {}, 0 -- most of them are not published any more
    end
    policy = cmsgpack.unpack(packed)
    policies[packed], known_policies = policy, known_policies + 1
  end
  return policy
end

-- Configuration of a line in the queue by its name. One whose override was taken away since follows what it overrode.
function line_of(name)
  if not lines[name] then
    local parent = name:match('^(.*)/[^/]*$') or name
    local grandparent = parent:match('^(.*)/[^/]*$') or parent
    local found = redis.call('HMGET', POLICY_KEY, name, parent, grandparent, 'lowest_weight')
    local packed = found[1] or found[2] or found[3]
    lines[name] = packed and policy_of(packed) or unknown_line(found[4] and cmsgpack.unpack(found[4]))
  end
  return lines[name]
end

-- What a scope used: rpm and tpm (levels, as of rpm_at and tpm_at), day and month (spent or reserved), day_ends,
-- month_ends.

local function scope_key(scope)
  return 'limits:used:' .. scope
end

-- Several upstreams share a scope, so by how much the clock was set back is not known of it: levels go on from now.
local function set_scope_back(scope, used)
  if math.max(used.rpm_at or 0, used.tpm_at or 0) - NOW >= LEAST_STEP_MS then
    used.rpm_at, used.tpm_at = used.rpm_at and NOW, used.tpm_at and NOW
    touched_scopes[scope] = true
  end
end

function read_scope(scope)
  local used = scopes[scope]
  if not used then
    used = load(scope_key(scope)) or {}
    set_scope_back(scope, used)
    scopes[scope] = used
  end
  return used
end

function save_scopes()
  for scope in pairs(touched_scopes) do
    store(scope_key(scope), scopes[scope], SPENT_KEEP_MS)
  end
end

function edge_after(window)
  return tonumber(redis.call('ZRANGEBYSCORE', 'limits:edges:' .. window, '(' .. whole(NOW), '+inf', 'LIMIT', 0, 1)[1] or '')
end

local function edge_before(window)
  return tonumber(redis.call('ZREVRANGEBYSCORE', 'limits:edges:' .. window, whole(NOW), '-inf', 'LIMIT', 0, 1)[1] or '')
end

-- Money of the running window; false when nobody knows it: a scope's first use, or a Redis that lost its data.
function money_of(used, window)
  local ends = used[window .. '_ends']
  if ends and NOW >= ends then
    used[window], used[window .. '_ends'] = 0, edge_after(window)
  end
  return used[window .. '_ends'] and used[window] or false
end

function level_of(used, unit, limit)
  local elapsed = math.max(0, NOW - (used[unit .. '_at'] or NOW))
  return math.min(limit, (used[unit] or limit) + limit / MINUTE_MS * elapsed)
end

local function take_level(scope, unit, limit, need)
  local used = read_scope(scope)
  used[unit], used[unit .. '_at'] = level_of(used, unit, limit) - need, math.max(used[unit .. '_at'] or NOW, NOW)
  touched_scopes[scope] = true
end

-- Tokens are input and output as they are, whatever the provider's way of counting: settled, a call costs what it cost.
function need_of(unit, cost)
  return unit == 'tpm' and cost[3] + cost[4] or cost[1]
end

local PERIODS = { 'day', 'month' }

-- A list of what applies to the request: { scope, window or unit, limit }. `published`: list of { scope, cap }.
function caps_of(published, line)
  local caps = {}
  for _, found in ipairs(published) do
    for what, limit in pairs(policy_of(found[2])) do
      caps[#caps + 1] = { found[1], what, limit }
    end
  end
  for _, what in ipairs(PERIODS) do
    local limit = line.limits[what]
    if limit then
      caps[#caps + 1] = { limit[2], what, limit[1] }
    end
  end
  return caps
end

function is_money(what)
  return what == 'day' or what == 'month'
end

-- Scopes whose money has to be read from the records first: a list of { scope, start of day, start of month }.
function unknown_money(caps)
  local unknown, seen = {}, {}
  for _, cap in ipairs(caps) do
    if is_money(cap[2]) and not seen[cap[1]] and not money_of(read_scope(cap[1]), cap[2]) then
      seen[cap[1]] = true
      unknown[#unknown + 1] = { cap[1], edge_before('day') or 0, edge_before('month') or 0 }
    end
  end
  return unknown
end

-- The first cap without room: reason, milliseconds until it fits (of money: until the window ends), and its name.
function cap_refusal(caps, cost, nanos)
  for _, cap in ipairs(caps) do
    local scope, what, limit = cap[1], cap[2], cap[3]
    local used = read_scope(scope)
    if is_money(what) then
      if used[what] + nanos > limit then
        return 'budget_exceeded', used[what .. '_ends'] - NOW, scope .. ' ' .. what
      end
    else
      local missing = need_of(what, cost) - level_of(used, what, limit)
      if need_of(what, cost) > limit then
        return 'too_large_for_cap', 0, scope .. ' ' .. what
      elseif missing > 0 then
        return 'over_cap', missing * MINUTE_MS / limit, scope .. ' ' .. what
      end
    end
  end
end

function spend(used, window, nanos)
  used[window] = math.max(0, used[window] + nanos)
end

-- Charges every cap. Returns what was reserved, for the ticket: a list of { scope, what, amount, window's end }.
function reserve(caps, cost, nanos)
  local reserved = {}
  for _, cap in ipairs(caps) do
    local scope, what, limit = cap[1], cap[2], cap[3]
    local used = read_scope(scope)
    if is_money(what) then
      spend(used, what, nanos)
      touched_scopes[scope] = true
      reserved[#reserved + 1] = { scope, what, nanos, used[what .. '_ends'] }
    else
      take_level(scope, what, limit, need_of(what, cost))
      reserved[#reserved + 1] = { scope, what, need_of(what, cost) }
    end
  end
  return reserved
end

-- What was reserved turned out as this: money `nanos`, units as `cost`. A window that is gone keeps what it had, and
-- what was really spent counts in the one that runs.
function settle_reserved(reserved, cost, nanos)
  for _, entry in ipairs(reserved) do
    local scope, what, amount, ends = entry[1], entry[2], entry[3], entry[4]
    local used = read_scope(scope)
    if is_money(what) and money_of(used, what) then
      spend(used, what, used[what .. '_ends'] == ends and nanos - amount or nanos)
      touched_scopes[scope] = true
    elseif not is_money(what) and used[what] then
      used[what] = used[what] + amount - need_of(what, cost)
      touched_scopes[scope] = true
    end
  end
end

-- A tier's own requests and tokens per minute. -------------------------------------------------------------------

local HOLDING = { 'rpm', 'tpm' }

-- Milliseconds until the line's own buckets hold the cost, and which of them takes longest.
function line_wait(line, cost)
  local longest, name = 0, nil
  for _, unit in ipairs(HOLDING) do
    local limit = line.limits[unit]
    if limit then
      local need = math.min(need_of(unit, cost), limit[1])
      local missing = need - level_of(read_scope(limit[2]), unit, limit[1])
      if missing > 0 and missing * MINUTE_MS / limit[1] > longest then
        longest, name = missing * MINUTE_MS / limit[1], limit[2] .. ' ' .. unit
      end
    end
  end
  return longest, name
end

-- Adds to what is reserved for the request, so that it is settled with the caps.
function charge_line(line, cost, reserved)
  for _, unit in ipairs(HOLDING) do
    local limit = line.limits[unit]
    if limit then
      local need = need_of(unit, cost)
      take_level(limit[2], unit, limit[1], need)
      reserved[#reserved + 1] = { limit[2], unit, need }
    end
  end
end

end
