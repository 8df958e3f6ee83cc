-- A process ends in order.

enter('unregister', function()
  redis.call('ZREM', PROCESSES, PROCESS)
  return answer({ wait_ms = -1 })
end)
