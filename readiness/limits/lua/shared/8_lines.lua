-- What a line may take of the upstream beside the others: its head start or the room it leaves, and its largest share.

-- For the files behind this one.
local minute_window, head_start, pace, share_wait, take_share, note_use

do

-- The head start of higher tiers. A queue that wastes nothing lets one that never ends empty a sliding or fixed
-- window, and a paid call then waits for up to a window. So while a heavier line was seen within the last window,
-- lighter ones are paced and leave it room; unless its tag is in the order, for then the tags decide. One that waits
-- asleep is owed its room too: it may be a middle line that itself leaves room for a line above.
--
-- state.paces: weight -> when lines of this weight have used up what heavier ones are expected to leave. Of their own
-- each, because a middle line's use is already in what is expected above the lightest.

local PACE_BURST_S = 2

local LEAST_KNOWN = 1 / 12 -- of a minute: less says nothing about a minute

-- Quota-seconds that the line is granted per minute, lately: an exponential mean over a minute. Of that mean's past the
-- share `line.unknown` was before the line was first seen, and counts as the rest: otherwise a line that has just begun
-- would be expected to need next to nothing, and its first window would be spent before the window's end.
local function use_of(line)
  local kept = math.exp(-math.max(0, NOW - line.at) / MINUTE_MS)
  return line.use * kept / math.max(LEAST_KNOWN, 1 - (line.unknown or 0) * kept)
end

local function add_use(line, seconds)
  local kept = math.exp(-math.max(0, NOW - line.at) / MINUTE_MS)
  line.use, line.unknown, line.at = line.use * kept + seconds, (line.unknown or 0) * kept, NOW
end

-- The minute bucket that is a window, nil where all of them refill continuously: then nobody needs a head start.
function minute_window()
  return state.windowed and state.buckets[state.windowed]
end

-- What heavier lines are expected to need in a minute, in quota-seconds; and the size of one of their requests.
local function expected_above(name, weight)
  local expected, typical = 0, 0
  for other, line in pairs(state.lines) do
    if other ~= name and line.weight and line.weight > weight then
      if line.in_order then
        return 0, 0
      elseif NOW - (line.seen or 0) < MINUTE_MS then
        expected, typical = expected + use_of(line), math.max(typical, line.typical)
      end
    end
  end
  return expected, typical
end

local function paced_until(weight)
  return state.paces and state.paces[weight] or 0
end

-- Milliseconds until the pace lets the line go on, and the share of each window that it leaves free.
function head_start(name, weight)
  local bucket = minute_window()
  if not bucket then
    return 0, 0
  end
  local expected, typical = expected_above(name, weight)
  if typical == 0 then
    return 0, 0
  end
  local part = 1 -- of what heavier lines need in a window, that is still to come before anything comes back
  if bucket.kind == 'sliding' then
    part = 1 / 12
  else
    part = math.max(0, bucket.ends - NOW) / bucket.window
  end
  local wanted = bucket.kind == 'fixed' and expected * part or 0
  local keep = wanted + 2 * math.sqrt(expected * typical * part) + typical
  return math.max(0, paced_until(weight) - NOW), math.min(0.5, keep / 60)
end

function pace(name, weight, seconds)
  if minute_window() then
    local expected, typical = expected_above(name, weight)
    if typical > 0 then
      local slower = 60 / math.max(6, 60 - expected)
      state.paces = state.paces or {}
      state.paces[weight] = math.max(paced_until(weight), NOW - PACE_BURST_S * 1000) + seconds * slower * 1000
    end
  end
end

-- A line's largest part of the upstream: a bucket of its own in quota-seconds.

local function share_level(known, config)
  local full = config.share_cap * 60
  return math.min(full, (known.room or full) + config.share_cap * math.max(0, NOW - known.room_at) / 1000)
end

function share_wait(known, config, seconds)
  if not config.share_cap then
    known.room = nil
    return 0
  end
  known.room_at = known.room_at or NOW
  local missing = math.min(seconds, config.share_cap * 60) - share_level(known, config)
  return missing > 0 and missing / config.share_cap * 1000 or 0
end

function take_share(known, config, seconds)
  if config.share_cap then
    known.room_at = known.room_at or NOW
    known.room, known.room_at = share_level(known, config) - seconds, NOW
  end
end

-- What the page shows of a line: its use, and what it got in this minute and the last.
function note_use(name, config, seconds)
  local line = known_line(name)
  local minute = math.floor(NOW / MINUTE_MS)
  if line.minute ~= minute then
    line.before = line.minute == minute - 1 and line.got or 0
    line.got, line.minute = 0, minute
  end
  line.got = line.got + seconds
  add_use(line, seconds)
  line.typical = line.typical == 0 and seconds or line.typical + 0.1 * (seconds - line.typical)
  line.weight = config.weight
end

end
