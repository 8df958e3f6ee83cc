-- Clock, state and answers of one upstream. These shared files stand in front of every script, in name order.
--
-- Units: times and durations in milliseconds; levels, limits and needs in requests or tokens; virtual time and
-- cost in quota-seconds (seconds of the scarcest bucket's refill).
-- KEYS: 1 prefix of the upstream's keys, 2 stream of usage events. Further keys are built from the prefix: the
-- limiter lives on one primary, never on a cluster (docs/limiter.md).
-- ARGV: 1 a replay's virtual time, '' for the server's clock; 2 process; 3 the epoch it saw last or ''.

local PREFIX, STREAM, PROCESS = KEYS[1], KEYS[2], ARGV[2]

local KEEP_MS = 172800000 -- idle keys go after two days, longer than the longest window and the longest wait
local REMEMBER_MS = 600000 -- how long a finished request answers a repeated call
local MINUTE_MS = 60000

local function clock()
  if ARGV[1] ~= '' then
    return tonumber(ARGV[1])
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

local NOW = clock()

-- Whole milliseconds as text: a script's number answer would lose everything behind 2^53, Lua's .. behind 10^14.
local function whole(milliseconds)
  return string.format('%.0f', milliseconds)
end

local function table_of(pairs_list)
  local fields = {}
  for i = 1, #pairs_list, 2 do
    fields[pairs_list[i]] = pairs_list[i + 1]
  end
  return fields
end

local function list_of(fields)
  local pairs_list = {}
  for name, value in pairs(fields) do
    pairs_list[#pairs_list + 1] = name
    pairs_list[#pairs_list + 1] = value
  end
  return pairs_list
end

-- A Redis that lost its data must not forget what was spent: a process that saw an earlier epoch says so, and
-- the new epoch's buckets then grow from empty. Without such a witness a bucket starts full.
local UPSTREAMS_KEY = 'limits:upstreams' -- sorted set: name -> when it was last asked for
local EPOCH_KEY = 'limits:epoch'
local known_epoch = redis.call('HMGET', EPOCH_KEY, 'id', 'lost_at')
local epoch, lost_at = known_epoch[1], tonumber(known_epoch[2] or '')

local function begin_epoch()
  epoch, lost_at = PROCESS .. '@' .. whole(NOW), ARGV[3] ~= '' and NOW or nil
  redis.call('HSET', EPOCH_KEY, 'id', epoch, 'lost_at', lost_at or '')
end

-- Fields of the upstream's state: at, v (unused names are absent), limit_<bucket>, level_<bucket>, concurrency,
-- pause_until, strikes, circuit, armed_at, armed_by.
local STATE_KEY = PREFIX .. 'state'
local state, stored = {}, {}
for name, value in pairs(table_of(redis.call('HGETALL', STATE_KEY))) do
  state[name] = tonumber(value) or value
  stored[name] = state[name]
end

local function save_state()
  state.at = NOW
  local changed, gone = {}, {}
  for name, value in pairs(state) do
    changed[name] = value ~= stored[name] and value or nil
  end
  for name in pairs(stored) do
    gone[#gone + 1] = state[name] == nil and name or nil
  end
  if next(changed) then
    redis.call('HSET', STATE_KEY, unpack(list_of(changed)))
    redis.call('PEXPIRE', STATE_KEY, KEEP_MS)
  end
  if gone[1] then
    redis.call('HDEL', STATE_KEY, unpack(gone))
  end
end

-- What happened, for the recorder. `changes` replaces fields of the event.
local function emit(event, changes)
  for name, value in pairs(changes) do
    event[name] = value
  end
  event.at_ms = whole(NOW)
  redis.call('XADD', STREAM, '*', unpack(list_of(event)))
end

-- A message for the process that owns a waiting request; it reads its inbox with one blocking call.
local function notify(process, message)
  local inbox = 'limits:inbox:' .. process
  redis.call('RPUSH', inbox, cjson.encode(message))
  redis.call('PEXPIRE', inbox, REMEMBER_MS)
end
