-- Puts an upstream's quota into force at once, also for those who wait already.
-- ARGV: 4 JSON: name, jitter, concurrency and buckets of the upstream (name, unit, limit, window, kind, refund, edge or
-- edges), and under `account` the same of the account above it, where it has limits.
-- Answer: wait_ms.

-- Everything else in a bucket is what was spent of it, also what only another version of this library knows.
local CONFIGURED = {
  name = true, unit = true, limit = true, window = true, kind = true, refund = true, edge = true, edges = true, account = true
}

-- What the provider counts in another kind of window is not known. A minute begins empty; a day without any calls would
-- cost more than it protects.
local function begin_anew(bucket, old)
  if bucket.window <= MINUTE_MS then
    begin_bucket(bucket, NOW)
  else
    begin_bucket(bucket)
    charge(bucket, math.max(0, limit_of(old, 1) - free_in(old, 1)), 0)
  end
end

-- A bucket with what was spent of it: it stays spent. A raised limit has to be earned, a lowered one cuts what is left.
-- `emptied`: when what was spent before that is not known, nil where it is.
local function adopted(bucket, old, emptied, share)
  if not old then
    begin_bucket(bucket, emptied)
    return bucket
  elseif old.kind ~= bucket.kind or old.window ~= bucket.window then
    begin_anew(bucket, old)
    return bucket
  end
  for field, value in pairs(old) do
    if not CONFIGURED[field] then
      bucket[field] = value
    end
  end
  if bucket.ends and bucket.ends > NOW then
    bucket.ends = next_edge(bucket) -- which may have been moved
  end
  if old.limit ~= bucket.limit then
    bucket.told = nil
  end
  if bucket.level then
    bucket.level = math.min(bucket.level, limit_of(bucket, share))
  end
  return bucket
end

local function adopt(known, wanted, emptied, share)
  local by_name = {}
  for _, bucket in ipairs(known) do
    by_name[bucket.name] = bucket
  end
  local buckets = {}
  for i, bucket in ipairs(wanted) do
    buckets[i] = adopted(bucket, by_name[bucket.name], emptied, share)
  end
  return buckets
end

-- Divides whole buckets into what was spent of them, which the state keeps, and what was configured.
local function spending_of(buckets)
  local spending = {}
  for i, bucket in ipairs(buckets) do
    spending[i] = {}
    for field, value in pairs(bucket) do
      if not CONFIGURED[field] then
        spending[i][field], bucket[field] = value, nil
      end
    end
  end
  return spending
end

local function adopt_account(wanted, lost_at)
  local key = wanted and 'limits:{' .. wanted.name .. '}:account'
  if account and account_key ~= key then
    save_account()
    account = nil
  end
  if wanted then
    account_key = key
    local above = account or load(key)
    account = above or { at = lost_at or NOW, begun = NOW, witnessed = lost_at and true, buckets = {}, claims = {} }
    account.concurrency = wanted.concurrency
    for _, bucket in ipairs(wanted.buckets) do
      bucket.account = wanted.name
    end
    account.buckets = adopt(account.buckets, wanted.buckets, not above and lost_at or nil, 1)
  end
end

enter('configure', function()
  local wanted = cjson.decode(ARGV[4])
  local epoch, lost_at = begin_epoch()
  local fresh = not state
  if fresh then
    -- What was spent before the data was lost is unknown; what this epoch's age has refilled is not.
    state = {
      epoch = epoch, at = lost_at or NOW, begun = NOW, witnessed = lost_at and true, waiting = 0, lines = {}, buckets = {}
    }
  end
  adopt_account(wanted.account, lost_at)
  wanted.account = wanted.account and wanted.account.name
  wanted.buckets = adopt(state.buckets, wanted.buckets, fresh and lost_at or nil, state.share or 1)
  state.buckets = spending_of(wanted.buckets)
  state.configured = NOW -- what was unpacked of the state before does not hold any more
  store(names_of(PREFIX).quota, wanted, CONFIGURED_KEEP_MS)
  set_configuration(wanted)
  if fresh then
    state.first_lease = first_due(LEASES) -- of calls that were in flight when data was lost
    advance_mirrors()
    if lost_at then
      note('data lost')
    end
  end
  redis.call('ZADD', UPSTREAMS_KEY, NOW, wanted.name)
  redis.call('ZREMRANGEBYSCORE', UPSTREAMS_KEY, '-inf', NOW - KEEP_MS)
  return answer({ wait_ms = dispatch() })
end)
