-- Loads a running server from outside with wrk (https://github.com/wg/wrk, Debian package `wrk`).
--
--   wrk -t 1 -c 256 -d 10s --latency -s tests/bench/load.lua http://127.0.0.1:8080 -- commands [LEADS]
--
-- The work: `commands` (durable, each to one of LEADS leads at random, 10,000 by default), `keyed` (the same with an
-- Idempotency-Key on each), `hot` (all to one lead), `read` (one lead), `list` (20 leads), `events` (batches of 100
-- CloudEvents). `read` and `list` want leads that an earlier `commands` has made. Answers other than 200 are counted
-- and printed at the end.

local work, leads = "commands", 10000
local body = '{"activity":"opened the mail","score":1}'
local json = { ["Content-Type"] = "application/json" }
local batch = { ["Content-Type"] = "application/cloudevents-batch+json" }
thread_number, failed = 0, 0 -- global, so that setup and done reach them
local sent = 0
local threads = {}

function setup(thread)
  thread:set("thread_number", #threads)
  table.insert(threads, thread)
end

function init(args)
  work = args[1] or work
  leads = tonumber(args[2]) or leads
  -- Each run has its own keys and events.
  math.randomseed(os.time() + thread_number)
  run = string.format("%d-%d-%d", os.time(), thread_number, math.random(1000000000))
end

local function lead()
  return "/api/v1/leads/~bench-" .. (work == "hot" and 0 or math.random(leads) - 1)
end

local function events()
  local all = {}
  for n = 1, 100 do
    all[n] = string.format('{"specversion":"1.0","source":"/wrk","id":"%s-%d-%d","type":"page.seen","data":{"page":"/spring"}}',
      run, sent, n)
  end
  return "[" .. table.concat(all, ",") .. "]"
end

function request()
  sent = sent + 1
  if work == "read" then return wrk.format("GET", lead()) end
  if work == "list" then return wrk.format("GET", "/api/v1/leads?limit=20") end
  if work == "events" then return wrk.format("POST", "/api/v1/events", batch, events()) end
  local headers = json
  if work == "keyed" then
    headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = run .. "-" .. sent }
  end
  return wrk.format("POST", lead() .. "/commands/record-activity", headers, body)
end

function response(status)
  if status ~= 200 then failed = failed + 1 end
end

function done()
  local total = 0
  for _, thread in ipairs(threads) do total = total + (thread:get("failed") or 0) end
  print(string.format("answers other than 200: %d", total))
end
