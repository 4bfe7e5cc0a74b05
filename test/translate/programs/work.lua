-- Closures, metatables, coroutines, strings, sorting, errors.
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(24))
local t = {}
for i = 1, 200000 do t[(i * 7919) % 10007] = (t[(i * 31) % 10007] or 0) + i end
local s = 0
for i = 0, 10006 do s = (s * 3 + (t[i] or 0)) % 1000003 end
print(s)
local words = {}
for i = 1, 20000 do words[#words + 1] = string.format("%d:%s", i * 7919 % 20011, ("x"):rep(i % 7)) end
table.sort(words)
print(#table.concat(words, ","), words[1], words[#words])
local mt = { __index = function(_, k) return k * 2 end, __add = function(a, b) return a.v + b.v end }
local p, q = setmetatable({ v = 1 }, mt), setmetatable({ v = 2 }, mt)
local z = 0
for i = 1, 100000 do z = z + (p + q) + p[i] % 3 end
print(z)
local co = coroutine.wrap(function() for i = 1, 20000 do coroutine.yield(i * i) end return -1 end)
local c = 0
for i = 1, 20000 do c = (c + co()) % 1000003 end
print(c, co())
local bad = 0
for i = 1, 5000 do
  local ok, e = pcall(function() if i % 3 == 0 then error({ code = i }) end return i end)
  if not ok then bad = bad + e.code end
end
print(bad)
local out = {}
for w in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do out[#out + 1] = w:gsub("[aeiou]", "%0%0") end
print(table.concat(out, " "))
