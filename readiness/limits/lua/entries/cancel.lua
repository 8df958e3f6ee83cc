-- The caller gave up before it used a permit: takes the request out of the queue, or gives the grant back.
-- An id that was never seen is remembered, so that its enqueue, should it still arrive, starts nothing.
-- ARGV: 4 id. Answer: status cancelled, or the ticket's final state; wait_ms.

enter('cancel', function()
  local ticket = read_ticket(ARGV[4])
  if ticket and ticket.state ~= 'waiting' and ticket.state ~= 'granted' then
    return answer({ status = ticket.state, wait_ms = dispatch() })
  end
  if ticket then
    if ticket.state == 'waiting' then
      withdraw(ticket)
    else
      release(ticket)
      correct_mirrors(ticket.cost, NOTHING, ticket.granted_at, true)
      correct_tags(ticket, 0)
    end
    settle_reserved(ticket.reserved, NOTHING, 0)
    emit_unsent(ticket, 'cancelled', 'unsent')
  end
  close_ticket(ARGV[4], 'cancelled')
  return answer({ status = 'cancelled', wait_ms = dispatch() })
end)
