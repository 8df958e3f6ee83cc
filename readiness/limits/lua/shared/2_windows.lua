-- One bucket under each of the three kinds of window that providers document. A bucket is a table:
--   name, unit (which entry of a cost vector it counts), limit, window, kind, refund (corrected when settled),
--   account (its name, where the bucket is one's), told (the limit that the provider's headers state, where it is lower),
--   told_at (when they did), offered (the limit that they stated last, whatever it is)
--   continuous: level
--   sliding:    used; slot and amount of the running slot; first: the oldest slot that may hold something
--   fixed:      used, ends (of this window), carry (what may arrive after its end); edge or edges
--   assumed: what a silence of Redis is taken to have cost, as far as no settlement has shown it yet
-- Comparisons stand where math.min and math.max would: these run for each bucket of each call.
-- `share` is the part of the limit that adaptation leaves (5_adaptation), `jitter` how much the way there may vary.

-- For the files behind this one.
local limit_of, leaves_in, next_edge, advance, free_in, wait_in, charge, assume_half, correct, unknown_spending, begin_bucket,
  set_bucket_back

do

local SLOTS = 240 -- of a sliding window: what it loses is one slot's width in the window
local LONGEST_GUARD_MS = 250 -- beyond a fixed window's edge, for a provider whose clock is a little behind

function limit_of(bucket, share)
  local limit, told = bucket.limit, bucket.told
  return (told and told < limit and told or limit) * share
end

-- Sliding: a log of amounts by slot. Grants of a slot leave the provider's window at the latest when the slot's end
-- is a window and the jitter ago, however late they arrived.

local function slots_key(bucket)
  return (bucket.account and 'limits:{' .. bucket.account .. '}:' or PREFIX) .. 'slots:' .. bucket.name
end

local function slot_width(bucket)
  return bucket.window / SLOTS
end

local function slide(bucket, jitter)
  local width = slot_width(bucket)
  local slot = math.floor(NOW / width)
  local alive = math.floor((NOW - bucket.window - jitter) / width) -- slots before this one have left
  if bucket.slot < alive then -- after a silence all of it has left, and the log its own time to live too
    redis.call('DEL', slots_key(bucket))
    bucket.slot, bucket.first, bucket.amount, bucket.used = slot, slot, 0, 0
  end
  if slot > bucket.slot then
    if bucket.amount > 0 then
      redis.call('HINCRBYFLOAT', slots_key(bucket), bucket.slot, bucket.amount)
      redis.call('PEXPIRE', slots_key(bucket), bucket.window * 2)
    end
    bucket.slot, bucket.amount = slot, 0
  end
  if bucket.first < alive then
    local gone = {}
    for passed = bucket.first, alive - 1 do
      gone[#gone + 1] = passed
    end
    if gone[1] then
      for _, amount in ipairs(redis.call('HMGET', slots_key(bucket), unpack(gone))) do
        bucket.used = bucket.used - (tonumber(amount or '') or 0)
      end
      redis.call('HDEL', slots_key(bucket), unpack(gone))
    end
    bucket.first = alive
  end
end

-- What stands in the log, oldest first, as of the running slot: slots, and the sums up to each of them. Made anew when the
-- slot changes, not with each request that queues.
local logs = {} -- key of the slots -> { slot, slots, sums }

local function log_of(bucket)
  local key = slots_key(bucket)
  local log = logs[key]
  if not log or log.slot ~= bucket.slot then
    local passed, sum = {}, 0
    for slot = bucket.first, bucket.slot - 1 do
      passed[#passed + 1] = slot
    end
    log = { slot = bucket.slot, slots = {}, sums = {} }
    for i, amount in ipairs(passed[1] and redis.call('HMGET', key, unpack(passed)) or {}) do
      if amount then
        sum = sum + tonumber(amount)
        log.slots[#log.slots + 1], log.sums[#log.sums + 1] = passed[i], sum
      end
    end
    logs[key] = log
  end
  return log
end

-- Milliseconds until so much has left the window. Where that is more than it holds, what takes the place of the rest
-- leaves in its turn, a window later.
function leaves_in(bucket, amount, jitter)
  local lasts = bucket.window + slot_width(bucket) + jitter
  local rounds = bucket.used > 0 and math.max(0, math.ceil(amount / bucket.used - 1e-6) - 1) or 0
  local rest, log, last = amount - rounds * bucket.used, log_of(bucket), bucket.slot
  for i, sum in ipairs(log.sums) do
    if sum >= rest - 1e-6 then
      last = log.slots[i]
      break
    end
  end
  return math.max(0, last * slot_width(bucket) + lasts - NOW) + rounds * lasts
end

-- Fixed: what is granted within the jitter of an edge may arrive on either side of it and counts on both.

local function guard_of(jitter)
  return math.min(jitter, LONGEST_GUARD_MS)
end

function next_edge(bucket)
  for _, edge in ipairs(bucket.edges or {}) do
    if edge > NOW then
      return edge
    end
  end
  local first = bucket.edges and bucket.edges[#bucket.edges] or bucket.edge
  return first + (math.floor((NOW - first) / bucket.window) + 1) * bucket.window
end

local function turn(bucket, jitter)
  if NOW >= bucket.ends + guard_of(jitter) then
    bucket.used = NOW < bucket.ends + bucket.window and bucket.carry or 0
    bucket.carry, bucket.ends = 0, next_edge(bucket)
  end
end

-- Brings the bucket to NOW. `elapsed` since the last time.
function advance(bucket, elapsed, share, jitter)
  if bucket.kind == 'sliding' then
    slide(bucket, jitter)
  elseif bucket.kind == 'fixed' then
    turn(bucket, jitter)
  else
    -- A jump forward fills one window at most.
    local limit = limit_of(bucket, share)
    local level = bucket.level + limit / bucket.window * elapsed
    bucket.level = level < limit and level or limit
  end
end

-- What could be spent now.
function free_in(bucket, share)
  return bucket.kind == 'continuous' and bucket.level or limit_of(bucket, share) - bucket.used
end

-- Milliseconds until `need` fits with `keep` left over; 0 for now. What is more than the bucket holds waits for the
-- full bucket instead of for ever; a level may then go below zero.
function wait_in(bucket, need, keep, share, jitter)
  local limit = limit_of(bucket, share)
  if bucket.kind == 'continuous' then
    -- Between grant and arrival the provider refills less than we think by at most rate x jitter.
    local window, wanted = bucket.window, need + keep
    if jitter > 0 then
      wanted = wanted + limit / window * jitter
    end
    local missing = (wanted < limit and wanted or limit) - bucket.level
    return missing > 0 and missing * window / limit or 0
  end
  if math.min(need + keep, limit) <= limit - bucket.used + 1e-6 then
    return 0
  elseif bucket.kind == 'fixed' then
    return bucket.ends + guard_of(jitter) - NOW
  end
  return math.max(1, (bucket.first + 1) * slot_width(bucket) + bucket.window + jitter - NOW)
end

function charge(bucket, need, jitter)
  if bucket.kind == 'continuous' then
    bucket.level = bucket.level - need
    return
  end
  bucket.used = bucket.used + need
  if bucket.kind == 'sliding' then
    bucket.amount = bucket.amount + need
  elseif NOW > bucket.ends - jitter then
    bucket.carry = bucket.carry + need
  end
end

-- Half of the quota of so many milliseconds is taken to be spent: nobody could ask here meanwhile, and the processes
-- admitted calls by themselves. A level was refilled for half of the time only, which is the same.
function assume_half(bucket, elapsed, share, jitter)
  local since = bucket.kind == 'fixed' and NOW - (bucket.ends - bucket.window) or bucket.window
  bucket.assumed = limit_of(bucket, share) / bucket.window * math.min(elapsed, since) / 2
  if bucket.kind ~= 'continuous' then
    -- They spend no more than is left of a window (limits/alone.py).
    bucket.assumed = math.max(0, math.min(bucket.assumed, free_in(bucket, share)))
    charge(bucket, bucket.assumed, jitter)
  end
end

-- The true need turned out different by `change`. A refund belongs to the window of the grant: nothing when that is
-- gone. More than was charged counts from now on.
function correct(bucket, change, granted_at, jitter, share)
  if change > 0 then
    charge(bucket, change, jitter)
  elseif bucket.kind == 'continuous' then
    bucket.level = math.min(limit_of(bucket, share), bucket.level - change)
  elseif bucket.kind == 'fixed' then
    if granted_at >= bucket.ends - bucket.window then
      bucket.used = math.max(0, bucket.used + change)
    end
  else
    local slot = math.floor(granted_at / slot_width(bucket))
    if slot >= bucket.slot then
      change = math.max(change, -bucket.amount)
      bucket.amount, bucket.used = bucket.amount + change, bucket.used + change
    elseif slot >= bucket.first then
      -- No more than was charged: the limit may be newer than the grant.
      change = math.max(change, -(tonumber(redis.call('HGET', slots_key(bucket), slot) or '') or 0))
      if change < 0 then
        redis.call('HINCRBYFLOAT', slots_key(bucket), slot, change)
        bucket.used = math.max(bucket.amount, bucket.used + change)
      end
    end
  end
end

-- What is taken to be spent as of a moment, when nobody knows it: all of a minute. A day without any calls would cost
-- more than it protects: of its quota the part of the window that is over, or half where the window has no end.
function unknown_spending(bucket, moment)
  if bucket.window <= MINUTE_MS then
    return bucket.limit
  elseif bucket.kind == 'fixed' then
    return bucket.limit * (1 - (bucket.ends - moment) / bucket.window)
  end
  return bucket.limit / 2
end

-- A bucket's start: full, or with what may be spent as of `emptied`, when what was spent before is not known.
function begin_bucket(bucket, emptied)
  if bucket.kind == 'sliding' then
    local slot = math.floor((emptied or NOW) / slot_width(bucket))
    bucket.slot, bucket.first, bucket.amount = slot, slot, emptied and unknown_spending(bucket, emptied) or 0
    bucket.used = bucket.amount
  elseif bucket.kind == 'fixed' then
    bucket.ends, bucket.carry = next_edge(bucket), 0
    local within = emptied and emptied >= bucket.ends - bucket.window
    bucket.used = within and unknown_spending(bucket, emptied) or 0
  else
    bucket.level = bucket.limit - (emptied and unknown_spending(bucket, emptied) or 0)
  end
end

local function move_log(bucket, slots)
  local key = slots_key(bucket)
  local entries = redis.call('HGETALL', key)
  redis.call('DEL', key)
  logs[key] = nil
  for i = 1, #entries, 2 do
    redis.call('HSET', key, entries[i] - slots, entries[i + 1])
  end
  redis.call('PEXPIRE', key, bucket.window * 2)
  bucket.slot, bucket.first = bucket.slot - slots, bucket.first - slots
end

-- The clock was set back: what a sliding window holds is as old as before, to within a slot. When a fixed window has not
-- begun by the new clock, the one that runs is taken to be spent, and what was counted counts in the next one too: either
-- clock may be the provider's.
function set_bucket_back(bucket, by)
  bucket.told_at = bucket.told_at and bucket.told_at - by
  if bucket.kind == 'sliding' then
    move_log(bucket, math.floor(by / slot_width(bucket)))
  elseif bucket.kind == 'fixed' and NOW < bucket.ends - bucket.window then
    bucket.ends, bucket.carry = next_edge(bucket), math.max(bucket.carry, bucket.used)
    bucket.used = math.max(bucket.used, unknown_spending(bucket, NOW))
  end
end

end
