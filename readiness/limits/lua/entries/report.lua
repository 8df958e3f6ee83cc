-- A process adds a line to the upstream's history. ARGV: 4 kind, 5 details as JSON.

enter('report', function()
  note(ARGV[4], cjson.decode(ARGV[5]))
  return answer({ wait_ms = -1 })
end)
