-- What the provider said about our rate, shared with everybody who uses this upstream.
-- ARGV: 4 kind: rate | ramp | out_of_credit | resume; 5 Retry-After or ''; 6 jitter added to it; 7 requests and
-- 8 tokens that the provider says are left, or ''.
-- Answer: wait_ms.

local LONGEST_PAUSE_MS = 300000 -- a longer Retry-After is asked again every five minutes
local RAMP_PAUSE_MS = 1000

local kind, retry_after, jitter = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])

-- Without a Retry-After: one second, doubled with each refusal in a row up to a minute.
local function own_estimate()
  return math.min(1000 * 2 ^ (state.strikes - 1), MINUTE_MS)
end

-- The provider's word may lower a level, never raise it. No word with a 429 means that nothing is left.
local function lower(bucket, remaining)
  local level = state['level_' .. bucket]
  if level then
    state['level_' .. bucket] = math.min(level, tonumber(remaining) or 0)
  end
end

if kind == 'out_of_credit' then
  state.circuit = 'out_of_credit'
elseif kind == 'resume' then
  state.circuit, state.pause_until, state.strikes = nil, nil, nil
else
  state.strikes = (state.strikes or 0) + 1
  local pause = kind == 'ramp' and RAMP_PAUSE_MS or retry_after or own_estimate()
  -- The newest answer wins, also when it is the shorter one: an older one is stale.
  state.pause_until = NOW + math.min(pause, LONGEST_PAUSE_MS) + jitter
  lower('rpm', ARGV[7])
  lower('tpm', ARGV[8])
end

return answer({ wait_ms = dispatch() })
