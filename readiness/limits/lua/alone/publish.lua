-- Puts a policy into force: every script reads it at every call.
-- KEYS: hash of the policy; sorted sets of the edges of days and of months.
-- ARGV: JSON of field to value; JSON of the days' edges; JSON of the months' (Unix ms).
-- Whole numbers stay exact up to 2^53 on their way through JSON, Lua and msgpack.

-- Thousands of rows take tens of milliseconds to write, so what is in force already is left as it is.
local digest = cmsgpack.pack(redis.sha1hex(table.concat(ARGV, ' ')))
if redis.call('HGET', KEYS[1], 'digest') == digest then
  return redis.status_reply('UNCHANGED')
end

redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'digest', digest)
for field, value in pairs(cjson.decode(ARGV[1])) do
  redis.call('HSET', KEYS[1], field, cmsgpack.pack(value))
end
for i = 2, 3 do
  for _, edge in ipairs(cjson.decode(ARGV[i])) do
    redis.call('ZADD', KEYS[i], edge, edge)
  end
end
return redis.status_reply('OK')
