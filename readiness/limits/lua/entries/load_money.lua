-- Fills in what a scope spent in the running day and month, as the records know it; what is known here already stays.
-- ARGV: 4 scope, 5 money of the day, 6 money of the month. Answer: status.

enter('load_money', function()
  local used = read_scope(ARGV[4])
  for i, window in ipairs({ 'day', 'month' }) do
    if not used[window .. '_ends'] then
      used[window], used[window .. '_ends'] = tonumber(ARGV[4 + i]), edge_after(window)
      touched_scopes[ARGV[4]] = true
    end
  end
  save_scopes()
  return answer({ status = 'loaded', wait_ms = -1 })
end)
