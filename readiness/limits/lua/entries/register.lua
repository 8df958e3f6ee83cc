-- A process says that it lives. Answer: processes, how many do.

local FORGET_PROCESS_MS = 86400000
local LIVES_MS = 15000

enter('register', function()
  redis.call('ZADD', PROCESSES, NOW, PROCESS)
  for _, ahead in ipairs(redis.call('ZRANGEBYSCORE', PROCESSES, '(' .. whole(NOW), '+inf')) do
    redis.call('ZADD', PROCESSES, NOW, ahead) -- a clock that was set back must not let the dead among them live on
  end
  redis.call('ZREMRANGEBYSCORE', PROCESSES, '-inf', NOW - FORGET_PROCESS_MS)
  redis.call('PEXPIRE', PROCESSES, KEEP_MS)
  return answer({ processes = redis.call('ZCOUNT', PROCESSES, NOW - LIVES_MS, '+inf'), wait_ms = -1 })
end)
