-- Keeps a process's requests alive and tells what became of those it still waits for: a grant whose message was
-- lost is found here, and a request that a restarted Redis forgot is asked for again.
-- ARGV: 4 lease, 5 number of waiting ids, then those ids, then ids of calls in flight.
-- Answer: wait_ms; changed: JSON list of {id, status, ...} for waiting ids that do not wait any more.

local alive_until = NOW + tonumber(ARGV[4])
local waiting_count = tonumber(ARGV[5])
local changed = {}

for i = 6, 5 + waiting_count do
  local id = ARGV[i]
  local ticket = read_ticket(id)
  if ticket and ticket.state == 'waiting' then
    redis.call('ZADD', WAITERS, 'XX', math.min(tonumber(ticket.deadline), alive_until), id)
  else
    if ticket and ticket.state == 'granted' then
      redis.call('ZADD', LEASES, 'XX', alive_until, id)
    end
    changed[#changed + 1] = {
      id = id, status = ticket and ticket.state or 'unknown', queue_ms = ticket and ticket.queue_ms,
      queued = ticket and ticket.queued, reason = ticket and ticket.reason,
      retry_after_ms = ticket and ticket.retry_after_ms
    }
  end
end

for i = 6 + waiting_count, #ARGV do
  local ticket_state = redis.call('HGET', ticket_key(ARGV[i]), 'state')
  -- Not only 'granted': an orphan that turns out to be alive, or one that lost data forgot, holds its place again.
  if ticket_state ~= 'settled' and ticket_state ~= 'cancelled' then
    redis.call('ZADD', LEASES, alive_until, ARGV[i])
  end
end

return answer({ wait_ms = dispatch(), changed = #changed > 0 and cjson.encode(changed) or '[]' })
