-- Clock, state and answers of one upstream.
--
-- All files here are one library of Redis Functions: what is local to the library is made once, when it is loaded,
-- and what belongs to one call is set by `begin`. Every version of the text has a name of its own (scripts.py).
--
-- Units: times and durations in milliseconds; levels, limits and needs in requests or tokens; cost and virtual time
-- in quota-seconds (seconds of the scarcest bucket's refill); money in nano-dollars.
-- KEYS: 1 prefix of the upstream's keys, 2 stream of usage events. Further keys are built from the prefix: the
-- limiter lives on one primary, never on a cluster (docs/limiter.md).
-- ARGV: 1 a replay's virtual time, '' for the server's clock; 2 process; 3 the epoch it saw last or ''.

local KEEP_MS = 172800000 -- idle keys go after two days, longer than the longest window and the longest wait
local REMEMBER_MS = 600000 -- how long a finished request answers a repeated call
local MINUTE_MS = 60000
local LEAST_STEP_MS = 100 -- of a clock that is set back (8_clock)
local HISTORY_LENGTH = 1000

local ARGV, PREFIX, STREAM, PROCESS, NOW

local function clock()
  local virtual = tonumber(ARGV[1])
  if virtual then
    return virtual
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

-- Whole milliseconds as text: a script's number answer would lose everything behind 2^53, Lua's .. behind 10^14.
local function whole(milliseconds)
  return string.format('%.0f', milliseconds)
end

-- Four arguments, by unit; nil where one is empty.
local function numbers(first)
  return { tonumber(ARGV[first]), tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3]) }
end

local function list_of(fields)
  local pairs_list = {}
  for name, value in pairs(fields) do
    pairs_list[#pairs_list + 1] = name
    pairs_list[#pairs_list + 1] = value
  end
  return pairs_list
end

-- Packed values: one read and one write for what would be dozens of hash fields. Unknown names inside are kept,
-- so two versions of the scripts may run side by side.
local function load(key)
  local packed = redis.call('GET', key)
  return packed and cmsgpack.unpack(packed)
end

local function store(key, value, milliseconds)
  redis.call('SET', key, cmsgpack.pack(value), 'PX', milliseconds)
end

-- The upstream as it stands. Fields: epoch, at, seq (of the last ticket queued), waiting (tickets), buckets (what was
-- spent), lines (see 6_queue), the fields of 5_adaptation, armed_at and armed_by, first_deadline and first_lease (not
-- later than the earliest), set_back (see 8_clock). What was configured lies behind it and is read through it: buckets'
-- limits, concurrency, jitter, account.
local state, is_saved
local CONFIGURED_KEEP_MS = 30 * 86400000 -- the sweep configures again each minute
local FORGET_AFTER_SAVES = 1000000
local remembered, saves = {}, 0 -- prefix -> { packed value, state }: unpacked already

-- Names of the upstream's keys that most calls need: making them anew would cost more than looking them up.
local names = {} -- prefix -> names

local function names_of(prefix)
  local known = names[prefix]
  if not known then
    known = {
      upstream = prefix .. 'upstream', quota = prefix .. 'quota', lines = prefix .. 'lines',
      sleeping = prefix .. 'sleeping', waiters = prefix .. 'waiters', leases = prefix .. 'leases'
    }
    names[prefix] = known
  end
  return known
end

-- Lays the configuration behind the state, so that saving the state does not write it again. `windowed`: the place
-- of the first minute bucket that is a window, false where all of them refill continuously.
local function set_configuration(configuration)
  configuration.windowed = false
  for i, bucket in ipairs(state.buckets) do
    local configured = configuration.buckets[i]
    setmetatable(bucket, { __index = configured })
    if configured.kind ~= 'continuous' and configured.window <= MINUTE_MS and not configuration.windowed then
      configuration.windowed = i
    end
  end
  setmetatable(state, { __index = configuration })
end

-- What was unpacked for an earlier call still holds when the value is the same; whoever wrote it since, another
-- version of this library or a server that was restored, wrote another one.
local function read_state()
  local packed, known = redis.call('GET', names_of(PREFIX).upstream), remembered[PREFIX]
  remembered[PREFIX] = nil -- a call that fails half way leaves nothing behind
  if known and known[1] == packed then
    return known[2]
  end
  state = packed and cmsgpack.unpack(packed)
  local configuration = state and load(names_of(PREFIX).quota)
  if configuration then
    set_configuration(configuration)
    return state
  end
end

local function save_state()
  local packed = cmsgpack.pack(state)
  redis.call('SET', names_of(PREFIX).upstream, packed, 'PX', KEEP_MS)
  saves = saves + 1
  if saves % FORGET_AFTER_SAVES == 0 then
    remembered, names = {}, {} -- of upstreams that are not used any more
  end
  remembered[PREFIX] = { packed, state }
  is_saved = true
end

local function begin(keys, arguments)
  ARGV, PREFIX, STREAM, PROCESS = arguments, keys[1], keys[2], arguments[2]
  NOW = clock()
  state, is_saved = read_state(), false
end

-- A Redis that lost its data must not forget what was spent: a process that saw an earlier epoch says so, and the
-- new epoch's buckets then grow from empty. Without such a witness a bucket starts full.
local EPOCH_KEY = 'limits:epoch'
local UPSTREAMS_KEY = 'limits:upstreams' -- sorted set: name -> when it was configured last

local function begin_epoch()
  local known = redis.call('HMGET', EPOCH_KEY, 'id', 'lost_at')
  local epoch, lost_at = known[1] or PROCESS .. '@' .. whole(NOW), tonumber(known[2] or '')
  lost_at = lost_at and math.min(lost_at, NOW) -- the clock may have been set back since
  if not lost_at and ARGV[3] ~= '' and (not known[1] or ARGV[3] ~= epoch) then
    lost_at = NOW -- another process may have begun the epoch without knowing of an earlier one
  end
  redis.call('HSET', EPOCH_KEY, 'id', epoch, 'lost_at', lost_at or '')
  return epoch, lost_at
end

-- A line of the upstream's history, which the limits page draws.
local function note(kind, detail)
  redis.call('XADD', PREFIX .. 'history', 'MAXLEN', '~', HISTORY_LENGTH, '*', 'kind', kind, 'at_ms', whole(NOW),
    'detail', detail and cjson.encode(detail) or '')
  redis.call('PEXPIRE', PREFIX .. 'history', KEEP_MS)
end

-- What happened, for the recorder: the caller's event as JSON, and fields that replace those in it.
local function emit(event, changes)
  changes.at_ms = whole(NOW)
  redis.call('XADD', STREAM, '*', 'event', event, unpack(list_of(changes)))
end

-- A message for the process that owns a waiting request; it reads its inbox with one blocking call.
local INBOX = 'limits:inbox:'

local function notify(process, message)
  local inbox = INBOX .. process
  redis.call('RPUSH', inbox, cjson.encode(message))
  redis.call('PEXPIRE', inbox, REMEMBER_MS)
end

-- Named fields rather than positions, so that two versions of caller and script can meet during a deploy.
local function answer(fields)
  fields.epoch = state and state.epoch or ''
  return list_of(fields)
end
