-- Serves whoever may be served: called by a process's timer, and each minute to reap what died in silence.
-- Answer: wait_ms until this process dispatches again, -1 when nobody waits.

enter('dispatch', function()
  return answer({ wait_ms = dispatch() })
end)
