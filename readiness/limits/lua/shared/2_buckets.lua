-- Two kinds of continuously refilled bucket, never mixed: mirrors copy the provider's own accounting of this
-- upstream; a tier's policy buckets are ours and shared by all upstreams. Both are charged at the grant.

local WINDOW_MS = { rpm = MINUTE_MS, tpm = MINUTE_MS, rpd = 86400000 }
local MIRRORS = { 'rpm', 'tpm', 'rpd' }
local UNKNOWN_TIER = 'unknown' -- one queue of the lowest weight for all tiers that nobody configured

-- Calls reach the provider with unequal delay, so its window sees a little more than ours granted in the same
-- time. A mirror therefore keeps back what this much jitter can add: rate x jitter (derived in docs/limiter.md).
-- A quarter of a second was not enough: a worker that opens its connections needs longer to send its first calls,
-- and two of 1,678 earned a 429.
local JITTER_MS = 1000

local function refilled(level, limit, window, elapsed)
  -- A clock that went back refills nothing; a jump forward fills one window at most.
  return math.min(limit, level + limit / window * math.max(0, elapsed))
end

-- Milliseconds until `need` fits. A need above limit - reserve, or above a limit that was lowered since the
-- request was queued, waits for the full bucket instead of for ever; the level may then go below zero.
local function wait_for(level, limit, window, need, reserve)
  local missing = math.min(need + reserve, limit) - level
  return missing > 0 and missing * window / limit or 0
end

local function need_of(bucket, tokens)
  return bucket == 'tpm' and tokens or 1
end

local function refill_mirrors()
  for _, bucket in ipairs(MIRRORS) do
    local limit = state['limit_' .. bucket]
    if limit then
      local level = state['level_' .. bucket]
      state['level_' .. bucket] = refilled(level, limit, WINDOW_MS[bucket], NOW - state.at)
    end
  end
end

refill_mirrors()

local function first_level(limit, window)
  return lost_at and refilled(0, limit, window, NOW - lost_at) or limit
end

-- Takes over the quota that the caller read from the deployment; limits: bucket -> number or nil.
local function adopt_quota(limits, concurrency)
  for _, bucket in ipairs(MIRRORS) do
    local limit, known = limits[bucket], state['limit_' .. bucket]
    if limit ~= known then
      local level = known and state['level_' .. bucket] or (limit and first_level(limit, WINDOW_MS[bucket]))
      state['limit_' .. bucket] = limit
      state['level_' .. bucket] = limit and math.min(level, limit)
    end
  end
  state.concurrency = concurrency
end

-- Milliseconds until every mirror holds `requests` and `tokens`.
local function mirrors_wait(requests, tokens)
  local longest = 0
  for _, bucket in ipairs(MIRRORS) do
    local limit, window = state['limit_' .. bucket], WINDOW_MS[bucket]
    if limit then
      local need = bucket == 'tpm' and tokens or requests
      local reserve = limit / window * JITTER_MS
      longest = math.max(longest, wait_for(state['level_' .. bucket], limit, window, need, reserve))
    end
  end
  return longest
end

local function charge_mirrors(tokens)
  for _, bucket in ipairs(MIRRORS) do
    if state['limit_' .. bucket] then
      state['level_' .. bucket] = state['level_' .. bucket] - need_of(bucket, tokens)
    end
  end
end

-- Quota-seconds of a charge: its share of the scarcest bucket, so that queues bound by requests and queues bound
-- by tokens are both fair. The day's bucket counts only where no minute bucket does: it seldom binds within one.
local function cost_of(requests, tokens)
  local rpm, tpm = state.limit_rpm, state.limit_tpm
  if rpm or tpm then
    return math.max(rpm and requests * 60 / rpm or 0, tpm and tokens * 60 / tpm or 0)
  end
  return state.limit_rpd and requests * 86400 / state.limit_rpd or requests
end

-- Tiers: configuration is read at every call, so a change is in force with the next one. ---------------------

local TIERS_KEY = 'limits:tiers'
local tiers = {}

local function tier_of(slug)
  if not tiers[slug] then
    local config = redis.call(
      'HMGET', TIERS_KEY, slug .. ':weight', slug .. ':rpm', slug .. ':tpm', slug .. ':wait_ms', 'lowest_weight'
    )
    local tier = {
      published = config[5], known = config[1], -- false without any tiers, and for one that nobody configured
      weight = tonumber(config[1] or config[5] or 1), wait_ms = tonumber(config[4] or MINUTE_MS)
    }
    tier.limit = { rpm = tonumber(config[2] or ''), tpm = tonumber(config[3] or '') }
    tier.level = {}
    if next(tier.limit) then
      local known = table_of(redis.call('HGETALL', 'limits:tier:' .. slug))
      for bucket, limit in pairs(tier.limit) do
        local level = tonumber(known[bucket] or limit)
        tier.level[bucket] = refilled(level, limit, MINUTE_MS, NOW - tonumber(known.at or NOW))
      end
    end
    tiers[slug] = tier
  end
  return tiers[slug]
end

-- Milliseconds until the tier's own buckets hold `requests` and `tokens`.
local function tier_wait(slug, requests, tokens)
  local tier, longest = tier_of(slug), 0
  for bucket, limit in pairs(tier.limit) do
    local need = bucket == 'tpm' and tokens or requests
    longest = math.max(longest, wait_for(tier.level[bucket], limit, MINUTE_MS, need, 0))
  end
  return longest
end

local function charge_tier(slug, tokens)
  local tier = tier_of(slug)
  if next(tier.limit) then
    for bucket in pairs(tier.limit) do
      tier.level[bucket] = tier.level[bucket] - need_of(bucket, tokens)
    end
    local key = 'limits:tier:' .. slug
    redis.call('DEL', key)
    redis.call('HSET', key, 'at', NOW, unpack(list_of(tier.level)))
    -- Two idle windows later the buckets are full, which is what a missing key means.
    redis.call('PEXPIRE', key, 2 * MINUTE_MS)
  end
end
