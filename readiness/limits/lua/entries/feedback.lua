-- What was learnt of the provider outside of a settlement: an admin resumes it, or a drill has its say.
-- ARGV: 4 kind: resume or any kind of signal; 5 Retry-After or ''; 6 jitter of a pause; 7-10 limits and 11-14 what is
-- left as the provider states them, by unit or ''.
-- Answer: wait_ms; resumed: '1' where an admin's word changed something.

-- Of who is only paused or failing the provider's word still holds.
local function resume()
  for _, field in ipairs({
    'circuit', 'pause_until', 'strikes', 'tried_at', 'failing_since', 'share', 'ceiling', 'cut_at', 'grown_at', 'slow', 'faults', 'opened',
    'open_until', 'probed_at'
  }) do
    state[field] = nil
  end
  note('resumed')
end

enter('feedback', function()
  local resumed = state and ARGV[4] == 'resume' and state.circuit
  if resumed then
    resume()
  elseif state and ARGV[4] ~= 'resume' then
    take_signal({
      kind = ARGV[4], retry_after = tonumber(ARGV[5]), jitter = tonumber(ARGV[6]), limits = numbers(7),
      remaining = numbers(11), age = 0
    }, NOW, 0)
  end
  return answer({ wait_ms = dispatch(), resumed = resumed and '1' or '0' })
end)
