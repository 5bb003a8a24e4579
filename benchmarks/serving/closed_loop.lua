-- Sends the bodies of a file, one a line, each line once; every thread reads its own part of the file.
-- Arguments: FILE WARM SECONDS FROM TO [FROM TO ...]; positions in bytes, one pair for each thread.
-- With SECONDS > 0 the answers are counted that come between WARM and WARM + SECONDS, which costs wrk a little per
-- answer; else wrk's own count over the whole run is all there is.

local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int clock, moment *now);")

local now = ffi.new("moment")
local threads = {}
local data, at, first, last
local heads = {}
local find, sub = string.find, string.sub

repeats = 0
counted = 0
rejected = 0
failed = 0

local function seconds()
   ffi.C.clock_gettime(1, now)
   return tonumber(now.s) + tonumber(now.ns) * 1e-9
end

local function head(length)
   local made = "POST /predict HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nContent-Type: application/json\r\nContent-Length: "
      .. length .. "\r\n\r\n"
   heads[length] = made
   return made
end

function setup(thread)
   threads[#threads + 1] = thread
   thread:set("number", #threads)
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local from, to = tonumber(args[2 + 2 * number]), tonumber(args[3 + 2 * number])
   file:seek("set", from)
   data = file:read(to - from)
   file:close()
   at = 1
   local warm, length = tonumber(args[2]), tonumber(args[3])
   if length > 0 then
      first = seconds() + warm
      last = first + length
      function response(status)
         local moment = seconds()
         if moment >= first and moment < last then
            if status == 200 then
               counted = counted + 1
            elseif status == 429 or status == 503 then
               rejected = rejected + 1
            else
               failed = failed + 1
            end
         end
      end
   end
end

function request()
   local stop = find(data, "\n", at, true)
   if not stop then
      at = 1
      repeats = repeats + 1
      stop = find(data, "\n", at, true)
   end
   local length = stop - at
   local body = sub(data, at, stop - 1)
   at = stop + 1
   return (heads[length] or head(length)) .. body
end

function done(summary, latency)
   local sums = { repeats = 0, counted = 0, rejected = 0, failed = 0 }
   for _, thread in ipairs(threads) do
      for name, sum in pairs(sums) do
         sums[name] = sum + thread:get(name)
      end
   end
   local errors = summary.errors
   io.write(string.format(
      '\nRESULT {"requests":%d,"seconds":%.6f,"refused":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,'
      .. '"repeats":%d,"counted":%d,"rejected":%d,"failed":%d,"p50":%.6f,"p90":%.6f,"p99":%.6f,"p99.9":%.6f,"max":%.6f}\n',
      summary.requests, summary.duration / 1e6, errors.status, errors.connect, errors.read, errors.write,
      errors.timeout, sums.repeats, sums.counted, sums.rejected, sums.failed,
      latency:percentile(50) / 1e6, latency:percentile(90) / 1e6, latency:percentile(99) / 1e6,
      latency:percentile(99.9) / 1e6, latency.max / 1e6))
end
