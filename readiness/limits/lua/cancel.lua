-- The caller gave up before it used a permit: takes the request out of the queue, or gives the grant back.
-- An id that was never seen is remembered, so that its enqueue, should it still arrive, starts nothing.
-- ARGV: 4 id. Answer: status cancelled, or the ticket's final state; wait_ms.

local id = ARGV[4]
local ticket = read_ticket(id)
local status = 'cancelled'

if not ticket then
  close_ticket(id, 'cancelled')
elseif ticket.state == 'waiting' then
  withdraw(ticket)
  close_ticket(id, 'cancelled')
  emit_unsent(ticket, 'cancelled', 'unsent')
elseif ticket.state == 'granted' then
  redis.call('ZREM', LEASES, id)
  correct_tags(ticket, 0, 0)
  close_ticket(id, 'cancelled')
  emit_unsent(ticket, 'cancelled', 'unsent')
else
  status = ticket.state
end
return answer({ status = status, wait_ms = dispatch() })
