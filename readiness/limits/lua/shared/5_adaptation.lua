-- What the provider says of us changes how fast we go. Fields of the upstream's state:
--   pause_until                                    a shared pause
--   strikes, struck_at, tried_at                   refusals since the last answer, when the newest of them came, and when
--                                                  a call tried again since
--   share, ceiling, cut_at, grown_at               the part of the quota that is used after a cut
--   good, good_at, accepted                        quota-seconds accepted: per second lately, and since the last cut
--   slow, slow_at, slow_step                       places left after the provider was overloaded or named too many
--                                                  calls at once, and how long it takes until one comes back
--   faults, failing_since                          faults in a row, and when the first call of them was granted
--   opened, open_until, probed_at                  the circuit of a failing deployment
--   circuit                                        'out_of_credit' until somebody resumes
--   stated                                         limits per minute that the provider's headers state, by unit

-- For the files behind this one.
local grow_share, places_left, trial_wait, trial_sent, is_probing, probe_sent, take_signal

do

local LONGEST_PAUSE_MS = 300000 -- a longer Retry-After is asked again every five minutes
local RAMP_PAUSE_MS = 1000
local REFUSED_WITHIN_MS = 5000 -- a refusal comes at once, however long answers take
local SECOND_MS = 1000
local CUT = 0.7
local LEAST_SHARE = 0.02
local RECOVERY = 0.01 -- of the quota a second, up to the ceiling
local PROBING = 0.01 -- of the quota a minute, above it
local GOOD_WINDOW_MS = 15000
local BETWEEN_CUTS_MS = 2000
local STALE_MS = 1000
local GOOD_PART = 0.95
local FAULTS_TO_OPEN = 10
local FIRST_OPEN_MS, LONGEST_OPEN_MS = 5000, 60000

function grow_share()
  if state.share then
    local elapsed = math.max(0, NOW - state.grown_at)
    local below = math.max(0, state.ceiling - state.share)
    local fast = math.min(below, RECOVERY * elapsed / 1000)
    local slow = PROBING * math.max(0, elapsed - fast / RECOVERY * 1000) / MINUTE_MS
    state.share, state.grown_at = state.share + fast + slow, NOW
    if state.share >= 1 then
      state.share, state.ceiling, state.grown_at = nil, nil, nil
    end
  end
end

-- What the provider takes, in quota-seconds a second: the part of the quota that is really there under full load.
local function learn_good(seconds)
  local kept = math.exp(-math.max(0, NOW - (state.good_at or NOW)) / GOOD_WINDOW_MS)
  state.good, state.good_at = (state.good or 0) * kept + seconds * 1000 / GOOD_WINDOW_MS, NOW
  state.accepted = (state.accepted or 0) + seconds
end

-- Without a Retry-After: one second, doubled with each refusal in a row up to a minute.
local function own_estimate()
  return math.min(1000 * 2 ^ (state.strikes - 1), MINUTE_MS)
end

-- `told`: by the provider. The newest of its words wins, also when it is the shorter one, for an older one is stale; an
-- estimate of ours shortens nothing.
local function pause(milliseconds, jitter_ms, told)
  local ends = NOW + math.min(milliseconds, LONGEST_PAUSE_MS) + jitter_ms
  state.pause_until = told and ends or math.max(state.pause_until or 0, ends)
end

-- One cut per congestion event: what was granted before the last cut says nothing about it.
local function is_new_event(granted_at, last)
  return not last or granted_at > last
end

local function cut(kind, ceiling)
  state.share = math.max(LEAST_SHARE, math.min(ceiling, (state.share or 1) * CUT))
  state.ceiling, state.cut_at, state.grown_at, state.accepted = math.max(ceiling, state.share), NOW, NOW, 0
  note('cut', { why = kind, share = state.share, ceiling = state.ceiling })
end

-- From one refusal to the next the provider's bucket went from empty to empty, so it refills what it accepted meanwhile.
-- Nil too soon for that, too late, or where minutes are windows.
local function accepted_since_cut()
  local elapsed = state.cut_at and NOW - state.cut_at or 0
  if elapsed >= BETWEEN_CUTS_MS and elapsed <= MINUTE_MS and not state.windowed then
    return (state.accepted or 0) * 1000 / elapsed
  end
end

-- The part of the quota that was accepted lately is the most that is known to be there, at first a little of it from a
-- bucket that was full. Little was asked for if it is small, so one event never takes more than half.
local function last_good_share()
  local known = state.share or 1
  return math.max(known / 2, math.min(known, accepted_since_cut() or state.good or known) * GOOD_PART)
end

-- The provider's word may lower a limit or a level, never raise it. Returns whether a limit was lowered.
-- `limits`, `remaining`: by unit, nil where not told. `age`: of the word, in milliseconds.
local function resync(limits, remaining, age)
  local lowered = false
  if NOW - (state.silent_at or 0) < STALE_MS then
    remaining = {} -- told before Redis fell silent, and on its way since
  end
  for unit = 1, OUTPUT do
    if limits[unit] then
      state.stated = state.stated or {}
      state.stated[unit] = limits[unit]
    end
  end
  for _, bucket in ipairs(state.buckets) do
    local told, left = limits[bucket.unit], remaining[bucket.unit]
    if (told or left) and not is_of_minute(bucket) then
      told, left = nil, nil -- headers speak of the minute
    end
    bucket.offered = told or bucket.offered
    if told and told < bucket.limit then
      bucket.told_at = NOW
      if told ~= bucket.told then
        lowered = lowered or told < (bucket.told or bucket.limit)
        bucket.told = told
        note('quota', { bucket = bucket.name, configured = bucket.limit, told = told })
      end
    elseif told then
      bucket.told = nil
    end
    local limit = left and limit_of(bucket, 1)
    if left and bucket.kind == 'continuous' then
      -- Its word rounds down and is as old as the answer was long: only what is clearly less counts.
      left = left + limit / bucket.window * age
      if bucket.level > left + math.max(1, limit / 100) then
        bucket.level = left
      end
    elseif left and bucket.kind == 'fixed' and NOW - age > bucket.ends - bucket.window then
      bucket.used = math.max(bucket.used, limit - left)
    elseif left and age <= STALE_MS and bucket.kind == 'sliding' and limit - left > bucket.used + math.max(1, limit / 100) then
      charge(bucket, limit - left - bucket.used, 0) -- by others with the same key; nobody knows when
    end
  end
  return lowered
end

-- A refusal means that nothing is left, unless the provider says how much is.
local function empty_levels(remaining)
  for _, bucket in ipairs(state.buckets) do
    if bucket.kind == 'continuous' and is_of_minute(bucket) and not remaining[bucket.unit] and bucket.unit < 3 then
      bucket.level = math.min(bucket.level, 0)
    end
  end
end

-- Calls that left together and are refused together are one refusal.
local function strike(granted_at)
  if not state.strikes or granted_at >= state.struck_at then
    state.strikes, state.struck_at, state.tried_at = (state.strikes or 0) + 1, NOW, nil
  end
end

local function is_refused_again()
  return (state.strikes or 0) > 1
end

-- Who refuses after the pause too may refuse everything: one call tries, and the others wait until it is answered or was
-- not refused for a while. Calls from before the refusal say nothing and may go on for long, so they do not count.
function trial_wait()
  if not is_refused_again() or not state.tried_at then
    return 0
  elseif NOW - state.tried_at < REFUSED_WITHIN_MS then
    return state.tried_at + REFUSED_WITHIN_MS - NOW
  end
  state.strikes, state.tried_at = 1, nil
  return 0
end

function trial_sent()
  if is_refused_again() then
    state.tried_at = NOW
  end
end

local function told_pause(signal)
  return (signal.retry_after or 0) > 0 and signal.retry_after -- 0 says nothing
end

local function refused_for_rate(kind, signal, granted_at)
  strike(granted_at)
  local told = told_pause(signal)
  pause(kind == 'ramp' and RAMP_PAUSE_MS or told or own_estimate(), signal.jitter, told and kind ~= 'ramp')
  note('pause', { why = kind, milliseconds = state.pause_until - NOW })
  local lowered = resync(signal.limits, signal.remaining, signal.age)
  empty_levels(signal.remaining)
  -- Refusals without an answer in between say nothing of the rate that would be accepted: one congestion, one cut.
  if state.strikes == 1 and is_new_event(granted_at, state.cut_at) and not lowered then
    -- A quota that is as large as it says was not passed by its size but by its rise: all of it may come back.
    cut(kind, kind == 'ramp' and (state.share or 1) or last_good_share())
  elseif lowered then
    state.cut_at = NOW -- what is still under way was granted by the old limit
  end
end

local function slow_down(granted_at)
  if is_new_event(granted_at, state.slow_at) then
    state.slow = math.max(1, math.floor(redis.call('ZCARD', PREFIX .. 'leases') / 2))
    state.slow_at, state.slow_step = NOW, SECOND_MS
    note('overloaded', { places = state.slow })
  end
end

-- As many as were in flight beside the refused one are fine. Of a burst each refusal finds fewer of them left. When it was
-- alone, others with the same key hold all places, and the end of no call of ours frees one: that takes a pause.
local function too_many_at_once(signal, granted_at)
  local in_flight = redis.call('ZCARD', PREFIX .. 'leases')
  if in_flight == 0 then
    strike(granted_at)
    local told = told_pause(signal)
    pause(told or own_estimate(), signal.jitter, told)
    note('pause', { why = signal.kind, milliseconds = state.pause_until - NOW })
  end
  local left = math.max(1, math.min(places_left() or math.huge, in_flight))
  if left ~= state.slow then
    note('too many at once', { places = left })
  end
  state.slow, state.slow_at, state.slow_step = left, NOW, MINUTE_MS
end

-- Places left by an overload: one comes back each second, and a twentieth. Where the provider counts calls at once, it
-- takes a minute, because each try may be refused. A clock that was set back takes none away.
function places_left()
  if not state.slow then
    return state.concurrency
  end
  local steps = math.max(0, NOW - state.slow_at) / (state.slow_step or SECOND_MS)
  local grown = math.floor(state.slow + steps * math.max(1, state.slow / 20))
  if grown >= (state.concurrency or 1000) then
    state.slow = nil
    return state.concurrency
  end
  return grown
end

local function stay_open()
  state.open_until = NOW + math.min(LONGEST_OPEN_MS, FIRST_OPEN_MS * 2 ^ (state.opened - 1))
end

-- Of an open circuit only the failed probe says something new: the others were sent before it opened.
local function count_fault(granted_at)
  state.faults = (state.faults or 0) + 1
  state.failing_since = state.failing_since or granted_at
  local probe_failed = state.probed_at and granted_at >= state.probed_at
  if state.opened and probe_failed or not state.opened and state.faults >= FAULTS_TO_OPEN then
    state.opened, state.probed_at = (state.opened or 0) + 1, nil
    stay_open()
    note('circuit opened', { milliseconds = state.open_until - NOW })
  end
end

-- After the circuit's time one call tries; the next one waits for its end, or for as long again.
function is_probing()
  return state.opened and NOW >= state.open_until
end

function probe_sent()
  state.probed_at = NOW
  stay_open()
end

-- The answer of a call that left before a refusal or a fault says nothing of what is refused or fails since.
local function delivered(granted_at)
  if state.strikes and granted_at >= state.struck_at then
    state.strikes, state.tried_at = nil, nil
  end
  if granted_at >= (state.failing_since or 0) then
    state.faults, state.failing_since = nil, nil
  end
  if state.opened and granted_at >= (state.probed_at or math.huge) then
    state.opened, state.open_until, state.probed_at = nil, nil, nil
    state.faults, state.failing_since = nil, nil
    note('circuit closed')
  end
end

-- signal: kind (ok | rate | ramp | concurrency | overloaded | fault | unreachable | out_of_credit | ''), retry_after or nil, jitter,
-- limits, remaining, age. `granted_at` of the attempt; `seconds` that it cost.
function take_signal(signal, granted_at, seconds)
  local kind = signal.kind
  if kind == 'ok' then
    delivered(granted_at)
    learn_good(seconds)
    resync(signal.limits, signal.remaining, signal.age)
  elseif kind == 'rate' or kind == 'ramp' then
    refused_for_rate(kind, signal, granted_at)
  elseif kind == 'out_of_credit' then
    if state.circuit ~= kind then
      state.circuit = kind
      note(kind)
    end
  elseif kind == 'concurrency' then
    too_many_at_once(signal, granted_at)
  elseif kind == 'overloaded' then
    slow_down(granted_at)
    count_fault(granted_at)
  elseif kind == 'fault' or kind == 'unreachable' then
    count_fault(granted_at)
  end
end

end
