-- A clock that is set back moves every time that an upstream remembers: what had a minute to go still has, and what was an
-- hour ago still was. Otherwise whatever lies ahead of it would stand still until the clock is there again. A clock that
-- jumps forward needs nothing of it: it looks like a silence of Redis (3_mirrors).
--
-- A clock that goes back by less than LEAST_STEP_MS stands still until it is there again, however often it does.
--
-- state.set_back: milliseconds in all. Tickets are too many to be moved at once; each carries how much of it its times
-- are behind, and moves when it is read (6_queue). What several upstreams share moves by itself (3_mirrors, 4_policy).

local follow_clock -- for the files behind this one

do

local STAMPS = {
  'begun', 'configured', 'silent_at', 'silent_from', 'pause_until', 'struck_at', 'tried_at', 'cut_at', 'grown_at',
  'good_at', 'slow_at', 'failing_since', 'open_until', 'probed_at', 'sent_at', 'armed_at', 'first_deadline', 'first_lease',
  'forgot_at', 'unparked_at'
}
local LINE_STAMPS = { 'at', 'seen', 'came', 'began', 'room_at', 'kept' }

local function move(fields, stamps, by)
  for _, name in ipairs(stamps) do
    fields[name] = fields[name] and fields[name] - by
  end
end

local function set_clock_back(by)
  local minutes = math.floor(state.at / MINUTE_MS) - math.floor(NOW / MINUTE_MS)
  state.at, state.set_back = NOW, (state.set_back or 0) + by
  move(state, STAMPS, by)
  for name, line in pairs(state.lines) do
    move(line, LINE_STAMPS, by)
    line.minute = line.minute - minutes
    set_scores_back(PREFIX .. 'waiting:' .. name, by)
  end
  for weight, paced in pairs(state.paces or {}) do
    state.paces[weight] = paced - by
  end
  for _, bucket in ipairs(state.buckets) do
    set_bucket_back(bucket, by)
  end
  for _, key in ipairs({ SLEEPING, WAITERS, LEASES }) do
    set_scores_back(key, by)
  end
end

function follow_clock()
  local by = state.at - NOW
  if by >= LEAST_STEP_MS then
    set_clock_back(by)
  elseif by > 0 then
    NOW = state.at
  end
end

end
