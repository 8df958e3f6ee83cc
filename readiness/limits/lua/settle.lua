-- Ends a call: frees its place, records it, corrects the queue's tags to what it really cost, and dispatches.
-- Idempotent by request id. The mirrors keep the grant's charge: an OpenAI-style provider gives nothing back.
-- ARGV: 4 id, 5 usage event as JSON, 6 requests and 7 tokens that the provider's quota was really charged.
-- Answer: status settled | repeated; wait_ms.

local id = ARGV[4]
local ticket = read_ticket(id)

if ticket and ticket.state == 'settled' then
  return answer({ status = 'repeated', wait_ms = dispatch() })
end

redis.call('ZREM', LEASES, id)
local in_time = ticket and ticket.state == 'granted'
if ticket and (in_time or ticket.state == 'orphaned') then
  correct_tags(ticket, tonumber(ARGV[6]), tonumber(ARGV[7]))
end
local event = cjson.decode(ARGV[5])
if event.outcome == 'ok' and state.strikes then
  state.strikes = nil
end
-- An orphan's estimate may be in the records, or (after lost data) nobody knows: the later fact wins.
emit(event, { version = in_time and '1' or '2' })
close_ticket(id, 'settled')
return answer({ status = 'settled', wait_ms = dispatch() })
