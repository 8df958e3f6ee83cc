"""The published policy, read back as the scripts read it."""

import json
from typing import Any

import redis

from readiness.limits.publication import POLICY_KEY


def published(client: redis.Redis) -> dict[str, Any]:
    """The policy as scripts read it; whole numbers to the last digit, which cjson would round."""
    script = """
        local function text(value)
          if type(value) == 'number' then return string.format('%.17g', value) end
          if type(value) == 'string' then return cjson.encode(value) end
          local parts, is_list = {}, #value > 0
          for name, item in pairs(value) do
            parts[#parts + 1] = (is_list and '' or cjson.encode(name) .. ':') .. text(item)
          end
          local joined = table.concat(parts, ',')
          return is_list and '[' .. joined .. ']' or '{' .. joined .. '}'
        end
        local policy = redis.call('HGETALL', KEYS[1])
        local fields = {}
        for i = 1, #policy, 2 do fields[policy[i]] = cmsgpack.unpack(policy[i + 1]) end
        return text(fields)
    """
    found: dict[str, Any] = json.loads(client.eval(script, 1, POLICY_KEY))
    del found["digest"]
    return found
