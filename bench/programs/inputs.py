"""The inputs of the workloads: always the same, made here, of a scale.

make(folder, scale) writes them once; scale 1 takes a native program between
0.4 and 2 seconds. Numbers between @ in the scripts are multiplied by it.
"""
import os
import random
import re

SQL = """
PRAGMA journal_mode=OFF;
CREATE TABLE a(id INTEGER PRIMARY KEY, k INTEGER, s TEXT, x REAL);
CREATE TABLE b(id INTEGER PRIMARY KEY, aid INTEGER, v INTEGER, t TEXT);
BEGIN;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<@250000@)
 INSERT INTO a SELECT n, (n*7919)%10007, printf('name-%06d-%d', n, (n*31)%977),
 n*0.5 FROM c;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<@500000@)
 INSERT INTO b SELECT n, (n*104729)%@250000@+1, n%1000,
 substr('abcdefghijklmnopqrstuvwxyz', n%20+1, 5)||n FROM c;
CREATE INDEX bi ON b(aid);
CREATE INDEX ak ON a(k);
COMMIT;
SELECT count(*), sum(b.v), max(a.s) FROM a JOIN b ON b.aid=a.id WHERE a.k<6000;
SELECT k%10, count(*), avg(x), group_concat(DISTINCT substr(s,12,2)) FROM a
 GROUP BY k%10 ORDER BY 1;
SELECT count(*) FROM a WHERE s LIKE '%9-1%' AND id IN
 (SELECT aid FROM b WHERE t LIKE 'fg%');
UPDATE b SET v=v+1, t=upper(t) WHERE id%3=0;
SELECT t, v FROM b ORDER BY v DESC, t LIMIT 20;
SELECT sum(length(t)), sum((SELECT a.k FROM a WHERE a.id=b.aid)) FROM b;
"""

LUA = """
local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end
for i = 1, @10@ do fib(30) end
local t = {}
for i = 1, @6000000@ do
  t[(i * 7919) % 100003] = (t[(i * 31) % 100003] or 0) + i
end
local s = 0
for k, v in pairs(t) do s = (s + v) % 1000003 end
print(s)
local o = {}
for i = 1, @400000@ do o[#o+1] = string.format("%d:%s", i, ("x"):rep(i % 7)) end
table.sort(o)
print(#table.concat(o, ","))
local mt = {__index = function(_, k) return k * 2 end,
            __add = function(a, b) return a.v + b.v end}
local p, q = setmetatable({v=1}, mt), setmetatable({v=2}, mt)
local z = 0
for i = 1, @6000000@ do z = z + (p + q) + p[i] % 3 end
print(z)
"""

PYTHON = r"""
import json, re
class P:
    __slots__ = ('x', 'y')
    def __init__(self, x, y): self.x = x; self.y = y
    def dot(self, o): return self.x * o.x + self.y * o.y
def fib(n): return n if n < 2 else fib(n-1) + fib(n-2)
def nq(n, row=0, c=0, d1=0, d2=0):
    if row == n: return 1
    r = 0
    for i in range(n):
        b = 1 << i; e = 1 << (row + i); f = 1 << (row - i + n)
        if not (c & b or d1 & e or d2 & f):
            r += nq(n, row + 1, c | b, d1 | e, d2 | f)
    return r
print(sum(fib(24) for _ in range(@11@)), sum(nq(8) for _ in range(@4@)))
a = [P(i, i % 17) for i in range(1000)]
s = 0
for _ in range(@1200@):
    for p in a: s += p.dot(a[p.y])
print(s)
d = {}
for i in range(@2000000@):
    k = (i * 7919) % 50021
    d[k] = d.get(k, 0) + i
print(sum(d.values()))
o = json.loads(json.dumps([{'a': i, 'b': str(i), 'c': [i, i * 2.5]}
                           for i in range(@150000@)]))
print(len(o), len(re.findall(r'[a-z]+(\d+)',
                             ' '.join('k%d' % i for i in range(@400000@)))))
print(sorted((str(i * 7919 % 100003) for i in range(@500000@)),
             key=lambda s: (len(s), s))[:3])
"""

PERL = r"""
my $f = $ARGV[0]; open(my $h, '<', $f) or die; my ($n, %c, $w, $m, $x) = (0);
while (<$h>) {
  last if ++$n > @400000@;
  while (/\b([a-z]{3,})\b/g) { $c{$1}++; $w++ }
  $m++ if /(?:e|a)([^ ]+)\s+\1?t/;
  $x += length($_) if s/(\d+)/<$1>/g;
  my @f = split / /; $x += scalar(@f);
}
my @k = sort { $c{$b} <=> $c{$a} || $a cmp $b } keys %c;
print "$n $w $m $x $k[0] $k[1]\n";
"""

HEAD = """typedef unsigned long u64;
typedef struct N { struct N *l, *r; int k; double d; char b[24]; } N;
extern void *alloc(u64);
extern int cmp(const void *, const void *);
extern void sink(int);
static int tab[256];
int f0(int x, int y) { return x - y; }
"""
# Functions of six kinds; a, b, c are numbers, p is one that came before.
KINDS = ["""int f%(i)d(N *n, int k) { int r = %(a)d; while (n) {
 if (n->k == k) return r + n->b[k & 15];
 if (cmp(&k, &n->k) < 0) n = n->l; else { n = n->r; r += %(b)d; } } return r; }
""", """double f%(i)d(const double *p, int n) { double s = %(a)d.5;
 for (int j = 0; j < n; j++) { s += p[j] * p[n - j - 1] / %(b)d.0;
 if (s > %(a)de6) s -= p[j * %(c)d]; } return s; }
""", """u64 f%(i)d(const char *s, u64 h) { while (*s) {
 h = h * (%(a)d * 2 + 1u) + (unsigned char)*s++; h ^= h >> %(b)d;
 tab[h & 255] += %(c)d; } return h; }
""", """N *f%(i)d(N *t, int k, double d) { if (!t) { t = alloc(sizeof *t);
 t->l = t->r = 0; t->k = k; t->d = d * %(a)d;
 for (int j = 0; j < 24; j++) t->b[j] = k >> (j %% %(c)d + 1); return t; }
 if (k < t->k) t->l = f%(i)d(t->l, k, d);
 else t->r = f%(i)d(t->r, k, d + %(b)d); return t; }
""", """void f%(i)d(int m[%(c)d + 4][%(c)d + 4], int *v) { int i, j, k;
 for (i = 0; i < %(c)d + 4; i++) for (j = 0; j < %(c)d + 4; j++) { int s = 0;
 for (k = 0; k < %(c)d + 4; k++) s += m[i][k] * m[k][j];
 v[i] += s %% %(a)d; if (s & %(b)d) sink(s); } }
"""]
SWITCH = "int f%(i)d(int x, int y) { int r = y; switch (x %% (%(b)d * 12)) {\n"


def switch(v):
    cases = ["case %d: r ^= (x << %d) + %d; %s\n" % (
        j * v["b"], j + 1, v["a"] * j, "break;" if j % 3 else "/* on */")
        for j in range(1, 12)]
    return SWITCH % v + "".join(cases) + \
        "default: r += f%(p)d(x - 1, y) + %(a)d; } return r; }\n" % v


def c_source(n, r):
    out, last = [HEAD], 0
    for i in range(1, n + 1):
        v = {"i": i, "a": r.randint(1, 99), "b": r.randint(1, 31),
             "c": r.randint(2, 9), "p": last}
        if i % 6 == 0:
            out.append(switch(v))
            last = i
        else:
            out.append(KINDS[i % 6 - 1] % v)
    return "".join(out)


def text(size, r):
    """Words, few of them often, and some numbers: packs about 3 to 1."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(r.choice(letters) for _ in range(r.randint(2, 9)))
             for _ in range(6000)]
    out, n = [], 0
    while n < size:
        line = " ".join(words[int(6000 * r.random() ** 3)]
                        if r.random() < .93 else str(r.randint(0, 10 ** 6))
                        for _ in range(r.randint(4, 16))) + "\n"
        out.append(line)
        n += len(line)
    return "".join(out)[:size]


def make(folder, scale):
    done = os.path.join(folder, "made")
    if os.path.exists(done):
        return
    os.makedirs(folder, exist_ok=True)
    r = random.Random(12345)
    words = text(int(48e6 * scale), r)
    files = {"text48": words, "text20": words[:int(20e6 * scale)],
             "text4": words[:int(4e6 * scale)],
             "big.i": c_source(max(30, int(450 * scale)), r)}
    for name, script in (("w.sql", SQL), ("w.lua", LUA), ("w.py", PYTHON),
                         ("w.pl", PERL)):
        files[name] = re.sub(r"@(\d+)@", lambda m: str(
            max(1, int(int(m[1]) * scale))), script)
    files["made"] = ""
    for name, what in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(what)
