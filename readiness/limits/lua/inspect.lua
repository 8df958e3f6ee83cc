-- How the upstream stands now, for pages; changes nothing.
-- Answer: state: JSON of limit and level per bucket, in_flight, concurrency, pause_ms left, circuit, and per tier
-- waiting, oldest_ms and the quota-seconds served in this and the last minute.

local snapshot = {
  in_flight = redis.call('ZCARD', PREFIX .. 'leases'), concurrency = state.concurrency,
  pause_ms = math.max(0, (state.pause_until or NOW) - NOW), circuit = state.circuit, buckets = {}, tiers = {}
}

for _, bucket in ipairs(MIRRORS) do
  if state['limit_' .. bucket] then
    snapshot.buckets[bucket] = { limit = state['limit_' .. bucket], level = state['level_' .. bucket] }
  end
end

local function tier_snapshot(tier)
  snapshot.tiers[tier] = snapshot.tiers[tier] or { waiting = 0, oldest_ms = 0, served = 0 }
  return snapshot.tiers[tier]
end

for _, tier in ipairs(redis.call('ZRANGE', TIER_ORDER, 0, -1)) do
  local waiting = PREFIX .. 'waiting:' .. tier
  local shown = tier_snapshot(tier)
  shown.waiting = redis.call('ZCARD', waiting)
  shown.oldest_ms = NOW - redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
end

local minute = math.floor(NOW / MINUTE_MS)
for _, start in ipairs({ minute - 1, minute }) do
  for tier, served in pairs(table_of(redis.call('HGETALL', PREFIX .. 'served:' .. start))) do
    local shown = tier_snapshot(tier)
    shown.served = shown.served + served
  end
end

return answer({ state = cjson.encode(snapshot) })
