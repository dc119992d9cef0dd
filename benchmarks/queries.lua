-- The load of `benchmarks/load.py` for wrk: every request has a body of its own.
--
--   wrk ... -s queries.lua URL -- POOL FIRST [look]
--
-- POOL: a file with one body per line. FIRST: the number of the first query; queries are numbered from there, and the
-- number is written over the first ten zeros in a row of the body, so that no two queries of a run are equal.
-- look: examine every answer. It costs wrk as much as all else it does, and the processor it takes is not the server's.
-- The last line on standard output is one JSON object with what wrk saw.

local DEFAULT = '"default":true'
local DIGITS = '0000000000'

local before, after, n_bodies, number = {}, {}, 0, 0
not_ok, defaults = 0, 0

function setup(thread)
   the_thread = thread
end

function init(args)
   if args[3] == "look" then
      response = look_at
   end
   local headers = { ["Content-Type"] = "application/json" }
   number = tonumber(args[2])
   for body in io.lines(args[1]) do
      local request = wrk.format("POST", nil, headers, body)
      local from, to = string.find(request, DIGITS, 1, true)
      n_bodies = n_bodies + 1
      before[n_bodies], after[n_bodies] = string.sub(request, 1, from - 1), string.sub(request, to + 1)
   end
end

function request()
   number = number + 1
   local i = number % n_bodies + 1
   return before[i] .. string.format("%010d", number) .. after[i]
end

function look_at(status, headers, body)
   if status ~= 200 then
      not_ok = not_ok + 1
   elseif string.find(body, DEFAULT, 1, true) then
      defaults = defaults + 1
   end
end

function done(summary, latency, requests)
   local broken = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
   local not_ok, defaults = math.max(summary.errors.status, the_thread:get("not_ok")), the_thread:get("defaults")
   local line = '{"requests": %d, "errors": %d, "defaults": %d, "duration_s": %.4f, "mean_ms": %.4f, "p50_ms": %.4f, '
      .. '"p90_ms": %.4f, "p99_ms": %.4f, "p999_ms": %.4f, "max_ms": %.4f}\n'
   local ms = function(us) return us / 1000 end
   io.write(string.format(line, summary.requests - not_ok, broken + not_ok, defaults, summary.duration / 1e6,
      ms(latency.mean), ms(latency:percentile(50)), ms(latency:percentile(90)), ms(latency:percentile(99)),
      ms(latency:percentile(99.9)), ms(latency.max)))
end
