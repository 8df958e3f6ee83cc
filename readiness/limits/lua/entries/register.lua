-- A process says that it lives. Answer: processes, how many do.

local FORGET_PROCESS_MS = 86400000
local LIVES_MS = 15000

enter('register', function()
  redis.call('ZADD', PROCESSES, NOW, PROCESS)
  redis.call('ZREMRANGEBYSCORE', PROCESSES, '-inf', NOW - FORGET_PROCESS_MS)
  redis.call('PEXPIRE', PROCESSES, KEEP_MS)
  return answer({ processes = redis.call('ZCOUNT', PROCESSES, NOW - LIVES_MS, '+inf'), wait_ms = -1 })
end)
