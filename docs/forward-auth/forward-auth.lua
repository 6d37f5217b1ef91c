-- Asks portcullis whether a request may go on, and answers for it where it may not. Needs
-- HAProxy 2.5 or later with Lua.

local IDENTITY = "x-user-"

-- A name as the sloppiest server may read it.
local function read_so(name)
  return (name:lower():gsub("[^%w]", "-"))
end

local TOLD = { "content-type", "www-authenticate", "allow", "retry-after", "x-request-id" }

local function refuse(txn, status, headers, body)
  local reply = txn:reply { status = status }
  for _, name in ipairs(TOLD) do
    for _, value in pairs(headers[name] or {}) do
      reply:add_header(name, value)
    end
  end
  reply:set_body(body or "")
  txn:done(reply)
end

core.register_action("portcullis", { "http-req" }, function(txn, url)
  local headers = txn.http:req_get_headers()
  local asked = {}
  for name, values in pairs(headers) do
    -- Whatever the client says of itself or of its way here goes no further.
    if read_so(name):sub(1, #IDENTITY) == IDENTITY then
      txn.http:req_del_header(name)
    elseif name == "authorization" then
      asked[name] = {}
      for _, value in pairs(values) do
        table.insert(asked[name], value)
      end
    end
  end
  local host = headers["host"] and headers["host"][0] or ""
  asked["x-forwarded-method"] = { txn.f:method() }
  asked["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  asked["x-forwarded-host"] = { host }
  asked["x-forwarded-uri"] = { txn.f:pathq() }
  asked["x-forwarded-for"] = { txn.f:src() }

  local answer = core.httpclient():get { url = url, headers = asked, timeout = 5000 }
  if not answer or not answer.status or answer.status < 100 then
    return refuse(txn, 503, {}, "")
  end
  if answer.status ~= 200 then
    return refuse(txn, answer.status, answer.headers, answer.body)
  end
  for name, values in pairs(answer.headers) do
    if name:sub(1, #IDENTITY) == IDENTITY then
      for _, value in pairs(values) do
        if value ~= "" then
          txn.http:req_set_header(name, value)
        end
      end
    end
  end
end, 1)
