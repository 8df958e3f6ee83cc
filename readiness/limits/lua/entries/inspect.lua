-- How the upstream stands now, for pages; changes nothing but the time up to which buckets were brought.
-- Answer: state: JSON; '' when nobody configured the upstream since Redis started.

local function bucket_of(bucket, share)
  return {
    name = bucket.name, configured = bucket.limit, told = bucket.told, offered = bucket.offered,
    limit = limit_of(bucket, share), level = free_in(bucket, share), kind = bucket.kind, window_ms = bucket.window,
    ends_ms = bucket.ends and bucket.ends - NOW or nil
  }
end

local function buckets_of(buckets, share)
  local shown = {}
  for i, bucket in ipairs(buckets) do
    shown[i] = bucket_of(bucket, share)
  end
  return shown
end

local function line_shown(name, line)
  local first = redis.call('ZRANGE', PREFIX .. 'waiting:' .. name, 0, 0)[1]
  local oldest = first and read_ticket(first)
  local minute = math.floor(NOW / MINUTE_MS)
  local got, before = line.got, line.before
  if line.minute ~= minute then
    before, got = line.minute == minute - 1 and line.got or 0, 0
  end
  return {
    waiting = line.waiting, oldest_ms = oldest and oldest.enqueued_at and queued_for(oldest) or 0,
    patience_ms = oldest and oldest.deadline and oldest.deadline - oldest.enqueued_at or 0,
    served = got + before, backlog = line.backlog, parked = line.parked, weight = line.weight,
    tenants = redis.call('ZCARD', tenant_order(name)) + line.parked
  }
end

local UNITS = { 'requests', 'tokens', 'input_tokens', 'output_tokens' }

local function stated()
  local shown = {}
  for unit, limit in pairs(state.stated or {}) do
    shown[UNITS[unit]] = limit
  end
  return shown
end

enter('inspect', function()
  if not state then
    return answer({ state = '' })
  end
  local shown = {
    at_ms = NOW, in_flight = redis.call('ZCARD', LEASES), concurrency = state.concurrency, places = places_left(),
    pause_ms = math.max(0, (state.pause_until or NOW) - NOW), open_ms = math.max(0, (state.open_until or NOW) - NOW),
    circuit = state.circuit, share = state.share or 1, jitter_ms = jitter(), hold_ms = state.hold,
    output = state.output, stated = stated(), buckets = buckets_of(state.buckets, state.share or 1), lines = {}, waiting = state.waiting
  }
  if account then
    shown.account = buckets_of(account.buckets, 1)
  end
  for name, line in pairs(state.lines) do
    shown.lines[name] = line_shown(name, line)
  end
  return answer({ state = cjson.encode(shown) })
end)
