-- Mirror buckets copy the provider's own accounting: those of this upstream, and those of the whole account above
-- several upstreams. They are charged at the grant, all at once; a shortage queues.
--
-- A cost is a list by unit: 1 requests, 2 tokens as an OpenAI-style limit counts them, 3 input tokens without cached
-- ones, 4 output tokens.

-- For the files behind this one.
local OUTPUT = 4
local account, account_key
local jitter, set_scores_back, advance_mirrors, heard_until, witness_loss, save_account, is_of_minute, cost_of, claim_account,
  mirrors_wait, charge_mirrors, charge_mirrors_late, correct_mirrors, learn_output, expect_output, learn_hold, learn_sent

do

local SILENT_MS = 3000 -- a queue is looked at each second; a longer silence means that Redis did not answer
local SILENT_IN_FLIGHT_MS = 12000 -- calls in flight are heard of with each heartbeat only
local HEARD_AGAIN_MS = 10000 -- after a silence: twice the interval of heartbeats
local CLAIM_MS = 3000
local PLACE_POLL_MS = 100 -- the end of another upstream's call does not wake this one's queue
local HOLD_WEIGHT = 0.05 -- of the newest call in the average time that a call takes

-- While Redis was away, processes admitted up to half of the quota by themselves (docs/limiter.md).
local function is_silence(elapsed, leases)
  local silent = elapsed > SILENT_MS
    and (state.waiting > 0 or elapsed > SILENT_IN_FLIGHT_MS and redis.call('ZCARD', leases) > 0)
  if silent then
    state.silent_at, state.silent_from = NOW, NOW - elapsed
  end
  return silent
end

-- NOW; after a silence, until everybody had time to beat again, when it began: nobody is dead for not having been heard.
function heard_until()
  return state.silent_at and NOW - state.silent_at <= HEARD_AGAIN_MS and state.silent_from or NOW
end

local function advance_all(buckets, at, share, varies, leases)
  local elapsed = math.max(0, NOW - at)
  local silent = is_silence(elapsed, leases)
  for _, bucket in ipairs(buckets) do
    advance(bucket, silent and elapsed / 2 or elapsed, share, varies)
    if silent then
      assume_half(bucket, elapsed, share, varies)
    end
  end
end

function jitter()
  return state.jitter + (state.sent or 0)
end

-- Moves what a sorted set has by time.
function set_scores_back(key, by)
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    redis.call('ZINCRBY', key, -by, member)
  end
end

local function set_account_back(by)
  account.at, account.begun = NOW, account.begun and account.begun - by
  set_scores_back(account_key .. ':leases', by)
  for _, bucket in ipairs(account.buckets) do
    set_bucket_back(bucket, by)
  end
  for _, claim in pairs(account.claims) do
    claim.since, claim.at = claim.since - by, claim.at - by
  end
end

function advance_mirrors()
  local varies = jitter()
  advance_all(state.buckets, state.at, state.share or 1, varies, PREFIX .. 'leases')
  if state.account then
    account_key = 'limits:{' .. state.account .. '}:account'
    account = account or load(account_key) or { at = NOW, buckets = {}, claims = {} }
    if account.at - NOW >= LEAST_STEP_MS then
      set_account_back(account.at - NOW)
    end
    advance_all(account.buckets, account.at, 1, varies, account_key .. ':leases')
    account.at = math.max(account.at, NOW)
  end
  state.at = NOW
end

-- What began full has to be taken for empty: a process saw an earlier epoch, and another one, without knowledge of it,
-- configured first. Once for each, and only as long as it matters.
function witness_loss()
  if ARGV[3] ~= '' and ARGV[3] ~= state.epoch then
    for _, owner in ipairs({ state, account }) do
      if not owner.witnessed then
        owner.witnessed = true
        for _, bucket in ipairs(owner.buckets) do
          if NOW - (owner.begun or 0) < bucket.window then
            charge(bucket, unknown_spending(bucket, NOW), jitter())
          end
        end
      end
    end
  end
end

function save_account()
  if account then
    store(account_key, account, KEEP_MS)
  end
end

function is_of_minute(bucket)
  return bucket.window <= MINUTE_MS
end

-- Quota-seconds of a charge: its share of the scarcest bucket, so that queues bound by requests, by tokens or by
-- places are all fair. A day's bucket counts only where there is nothing else: it seldom binds within one.
function cost_of(cost, held)
  local seconds, found = 0, false
  for _, bucket in ipairs(state.buckets) do
    local window = bucket.window
    if window <= MINUTE_MS then
      local part = cost[bucket.unit] * window / bucket.limit / 1000
      seconds, found = part > seconds and part or seconds, true
    end
  end
  if state.concurrency then
    seconds, found = math.max(seconds, (held or state.hold or 0) / state.concurrency / 1000), true
  end
  if account and not found then
    for _, bucket in ipairs(account.buckets) do
      seconds, found = math.max(seconds, cost[bucket.unit] * bucket.window / bucket.limit / 1000), true
    end
  end
  if not found then
    for _, bucket in ipairs(state.buckets) do
      seconds, found = math.max(seconds, cost[bucket.unit] * bucket.window / bucket.limit / 1000), true
    end
  end
  return found and seconds or cost[1]
end

-- An account's buckets are shared by several queues. The head of each that had to wait claims its place, and who
-- claimed later leaves room for it: otherwise small requests of one model would overtake a large one of another.
-- Second: how many.
local function claimed_before(since)
  local sums, claims = { 0, 0, 0, 0 }, 0
  for upstream, claim in pairs(account.claims) do
    if NOW - claim.at > CLAIM_MS then
      account.claims[upstream] = nil
    elseif upstream ~= PREFIX and (claim.since < since or claim.since == since and upstream < PREFIX) then
      claims = claims + 1
      for unit = 1, 4 do
        sums[unit] = sums[unit] + claim.cost[unit]
      end
    end
  end
  return sums, claims
end

local function account_wait(cost)
  local mine, longest = account.claims[PREFIX], 0
  local before, claims = claimed_before(mine and mine.since or NOW)
  for _, bucket in ipairs(account.buckets) do
    local need = cost[bucket.unit] + before[bucket.unit]
    longest = math.max(longest, wait_in(bucket, need, 0, 1, jitter()))
  end
  if account.concurrency then
    -- Whose upstream left the account frees its place by time alone.
    redis.call('ZREMRANGEBYSCORE', account_key .. ':leases', '-inf', NOW)
    if redis.call('ZCARD', account_key .. ':leases') + claims >= account.concurrency then
      longest = math.max(longest, PLACE_POLL_MS)
    end
  end
  return longest
end

-- The head of this queue waits, if it is not its own line that holds it back: it has its place among the account's.
function claim_account(cost)
  if account and account_wait(cost) > 0 then
    local mine = account.claims[PREFIX]
    account.claims[PREFIX] = { since = mine and mine.since or NOW, at = NOW, cost = cost }
  end
end

-- Milliseconds until every mirror holds the cost. `keep`: share of each windowed minute bucket that is to stay free.
function mirrors_wait(cost, keep)
  local longest, share, varies = 0, state.share or 1, jitter()
  for _, bucket in ipairs(state.buckets) do
    local kept = keep > 0 and bucket.kind ~= 'continuous' and is_of_minute(bucket) and keep * bucket.limit or 0
    local wait = wait_in(bucket, cost[bucket.unit], kept, share, varies)
    if wait > longest then
      longest = wait
    end
  end
  if account then
    longest = math.max(longest, account_wait(cost))
  end
  return longest
end

function charge_mirrors(cost)
  local varies = jitter()
  for _, bucket in ipairs(state.buckets) do
    charge(bucket, cost[bucket.unit], varies)
  end
  if account then
    for _, bucket in ipairs(account.buckets) do
      charge(bucket, cost[bucket.unit], varies)
    end
    account.claims[PREFIX] = nil
  end
end

-- A call that was admitted while Redis was away: what was assumed of the silence covers it first.
local function charge_late(buckets, cost, varies)
  local covers = NOW - (state.silent_at or 0) < MINUTE_MS
  for _, bucket in ipairs(buckets) do
    local need = cost[bucket.unit]
    local covered = covers and math.min(bucket.assumed or 0, need) or 0
    if covered > 0 then
      bucket.assumed = bucket.assumed - covered
    end
    charge(bucket, need - covered, varies)
  end
end

function charge_mirrors_late(cost)
  local varies = jitter()
  charge_late(state.buckets, cost, varies)
  if account then
    charge_late(account.buckets, cost, varies)
  end
end

local function correct_bucket(bucket, charged, actual, granted_at, share, unsent)
  local change = actual[bucket.unit] - charged[bucket.unit]
  if change > 0 or change < 0 and (bucket.refund or unsent) then
    correct(bucket, change, granted_at, jitter(), share)
  end
end

-- `unsent`: the provider never saw the request, so that everything is given back, whatever its rule.
function correct_mirrors(charged, actual, granted_at, unsent)
  for _, bucket in ipairs(state.buckets) do
    correct_bucket(bucket, charged, actual, granted_at, state.share or 1, unsent)
  end
  if account then
    for _, bucket in ipairs(account.buckets) do
      correct_bucket(bucket, charged, actual, granted_at, 1, unsent)
    end
  end
end

-- Where a provider counts real output, what was declared as the most is far above it: the 90th percentile of what
-- calls here really gave, by small steps whose ups and downs balance at it (Robbins, Monro 1951).
function learn_output(actual)
  local known = state.output or actual
  state.output = math.max(1, known + (actual > known and 0.9 or -0.1) * math.max(1, known * 0.05))
end

function expect_output(cost)
  for _, bucket in ipairs(state.buckets) do
    if bucket.unit == OUTPUT and bucket.refund and state.output then
      cost[OUTPUT] = math.min(cost[OUTPUT], math.ceil(state.output))
    end
  end
end

function learn_hold(milliseconds)
  state.hold = state.hold and state.hold + HOLD_WEIGHT * (milliseconds - state.hold) or milliseconds
end

-- A process reports how late it sent what it was granted: the largest of late, forgotten by a tenth a minute.
function learn_sent(milliseconds)
  local forgotten = (state.sent or 0) * math.exp(-0.1 * math.max(0, NOW - (state.sent_at or NOW)) / MINUTE_MS)
  state.sent, state.sent_at = math.min(2000, math.max(milliseconds, forgotten)), NOW
end

end
