-- Keeps a process's calls alive and tells what became of the requests that it still waits for: a grant whose message
-- was lost is found here, and a request that a restarted Redis forgot is asked for again.
-- ARGV: 4 lease, 5 number of waiting ids, then those ids, then ids of calls in flight.
-- Answer: wait_ms; changed: JSON list of {id, status, ...} for waiting ids that do not wait any more.

local function said_of(id, ticket)
  if not ticket then
    return { id = id, status = 'unknown' }
  end
  return {
    id = id, status = ticket.state, queue_ms = ticket.queue_ms and whole(ticket.queue_ms), reason = ticket.reason,
    limit = ticket.limit, retry_after_ms = ticket.retry_after_ms and whole(ticket.retry_after_ms)
  }
end

-- An upstream that lost data is configured with its next request and finds the places of its calls taken.
local function hold(id, alive_until)
  if state then
    hold_lease(id, alive_until)
  else
    redis.call('ZADD', LEASES, alive_until, id)
    redis.call('PEXPIRE', LEASES, KEEP_MS)
  end
end

enter('heartbeat', function()
  local alive_until = NOW + tonumber(ARGV[4])
  local waiting = tonumber(ARGV[5])
  local changed = {}
  for i = 6, 5 + waiting do
    local ticket = read_ticket(ARGV[i])
    if not ticket or ticket.state ~= 'waiting' then
      if ticket and ticket.state == 'granted' then
        hold(ARGV[i], alive_until)
      end
      changed[#changed + 1] = said_of(ARGV[i], ticket)
    end
  end
  for i = 6 + waiting, #ARGV do
    local ticket = read_ticket(ARGV[i])
    -- Not only 'granted': an orphan that turns out to be alive, or one that lost data forgot, holds its place again.
    if not ticket or ticket.state == 'granted' or ticket.state == 'orphaned' then
      hold(ARGV[i], alive_until)
    end
  end
  return answer({ wait_ms = dispatch(), changed = #changed > 0 and cjson.encode(changed) or '[]' })
end)
