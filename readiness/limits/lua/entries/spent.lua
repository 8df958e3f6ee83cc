-- What a scope has spent in the running day and month, reservations included. ARGV: 4 scope. Answer: day and month,
-- '' where nobody knows it.

enter('spent', function()
  local used = read_scope(ARGV[4])
  local day, month = money_of(used, 'day'), money_of(used, 'month')
  return answer({ day = day and whole(day) or '', month = month and whole(month) or '', wait_ms = -1 })
end)
