-- Tables, strings, closures and numbers. The argument is a number of rounds.
local seed = 42
local function random(n)
	seed = (seed * 16807) % 2147483647
	return seed % n
end

local function sieve(n)
	local t, count = {}, 0
	for i = 2, n do t[i] = true end
	for i = 2, n do
		if t[i] then
			count = count + 1
			for j = i * i, n, i do t[j] = false end
		end
	end
	return count
end

local function words(n)
	local seen, sum = {}, 0
	for i = 1, n do
		local w = 'w' .. random(997)
		seen[w] = (seen[w] or 0) + 1
	end
	for w, k in pairs(seen) do sum = sum + #w * k end
	return sum
end

local function sorted(n)
	local t = {}
	for i = 1, n do t[i] = { key = random(100000) } end
	table.sort(t, function(a, b) return a.key < b.key end)
	return t[1].key + t[n].key
end

local function fib(n)
	if n < 2 then return n end
	return fib(n - 1) + fib(n - 2)
end

local total = 0
for i = 1, tonumber(arg[1]) do
	total = (total * 3 + sieve(100000) + words(20000) + sorted(5000) + fib(22)) % 1000003
end
print(total)
