"""The real programs of the matrix: their inputs, made here and always the
same, and how each is run. Standard library only."""
import os
import random
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "programs")


class Program:
    """name: of the row. argv: with {in} for the folder of inputs and
    {scripts} for that of scripts. needs: what must be installed. forks: it
    starts others, which are followed too. jit: it makes code of its own, so
    that stops have no bound here. native: how many instructions may run
    natively that are neither a handler's return nor a system call."""

    def __init__(self, name, argv, stdin=None, needs=None, forks=False,
                 jit=False, env=None, native=200):
        self.name, self.argv, self.stdin = name, argv.split(), stdin
        self.needs = needs or [self.argv[0]]
        self.forks, self.jit, self.env = forks, jit, env or {}
        self.native = native

    def command(self, inputs):
        return [w.replace("{in}", inputs).replace("{scripts}", SCRIPTS)
                .replace("{cc1}", cc1()) for w in self.argv]

    def missing(self):
        return [n for n in self.needs if not shutil.which(n)]


def cc1():
    return subprocess.run(["gcc", "-print-prog-name=cc1"], check=False,
                          stdout=subprocess.PIPE,
                          text=True).stdout.strip() or "cc1"


WINDOWS = ["wine", "x86_64-w64-mingw32-g++"]
JAVA = "java -Xmx256m -Xshare:auto -XX:-UsePerfData -cp {in} "

ALL = [
    Program("bzip2", "bzip2 -9 -c {in}/text"),
    Program("bunzip2", "bzip2 -dc {in}/text.bz2"),
    Program("xz", "xz -T1 -3 -c {in}/text"),
    Program("xz-threads", "xz -T4 --block-size=200000 -2 -c {in}/text"),
    Program("unxz", "xz -dc {in}/text.xz"),
    Program("gzip", "gzip -9 -n -c {in}/text"),
    Program("gunzip", "gzip -dc", stdin="text.gz", needs=["gzip"]),
    Program("sqlite3", "sqlite3 -init {scripts}/work.sql :memory: .quit"),
    Program("lua", "lua5.4 {scripts}/work.lua"),
    Program("python", "/usr/bin/python3 -I {scripts}/work.py",
            env={"PYTHONHASHSEED": "0"}),
    Program("perl", "perl {scripts}/work.pl {in}/text", forks=True,
            env={"PERL_HASH_SEED": "0"}),
    Program("cc1-O0", "{cc1} -quiet -fpreprocessed {in}/big.c -O0 -o out.s",
            needs=["gcc"]),
    Program("cc1-O2", "{cc1} -quiet -fpreprocessed {in}/big.c -O2 -o out.s",
            needs=["gcc"]),
    Program("as", "as {in}/big.s -o out.o"),
    Program("ld", "ld -r {in}/big.o -o out.o"),
    Program("gcc", "sh {scripts}/build.sh {in}", forks=True,
            needs=["gcc", "objdump"]),
    Program("git", "sh {scripts}/git.sh", forks=True, needs=["git"]),
    Program("gdb", "gdb -nx -batch -ex disassemble\\40main -ex info\\40types "
            "-ex ptype\\40struct\\40N -ex info\\40line\\40f7 "
            "-ex python\\40print(sum(range(9))) {in}/prog"),
    Program("gdb-run", "gdb -nx -batch -ex break\\40helper -ex run -ex bt "
            "-ex info\\40registers\\40rip -ex finish -ex continue {in}/prog",
            needs=["gdb"]),
    Program("node", "node {scripts}/work.js", jit=True, forks=True),
    Program("node-jitless", "node --jitless {in}/plain.js", needs=["node"],
            jit=True),
    Program("java", JAVA + "-XX:+UseSerialGC Work", jit=True, forks=True),
    Program("java-parallel", JAVA + "-XX:+UseParallelGC Work a", jit=True,
            forks=True),
    Program("java-g1", JAVA + "-XX:+UseG1GC Work a b", jit=True, forks=True),
    Program("java-zgc", JAVA + "-XX:+UseZGC Work", jit=True, forks=True),
    Program("java-int", JAVA + "-Xint -XX:+UseSerialGC Work", jit=True,
            forks=True),
    Program("javac", "javac -J-XX:-UsePerfData -d . {scripts}/Work.java",
            jit=True),
    Program("bash", "bash {scripts}/work.sh", forks=True),
    Program("find", "find {in}/tree -type f -name *7* -printf %P\\40%s\\n",
            needs=["find"]),
    Program("ls", "ls -lR --time-style=+ {in}/tree"),
    Program("sha256", "openssl dgst -sha256 {in}/text"),
    Program("sha3", "openssl dgst -sha3-512 {in}/text"),
    Program("md5", "openssl dgst -md5 {in}/text"),
    Program("aes", "openssl enc -aes-256-ctr -pbkdf2 -S 0011223344556677 "
            "-pass pass:word -in {in}/text"),
    Program("tar", "tar -c --sort=name --mtime=@0 --owner=0 --group=0 "
            "-C {in} tree"),
    Program("untar", "tar -xvf {in}/tree.tar"),
    Program("sort", "sort --parallel=4 -S 300K -k 2 {in}/text"),
    Program("grep", "grep -cE (a|e)[^\\40]+\\40[a-z]*t {in}/text"),
    Program("awk", "awk {n[$2]+=length($0)}END{for(k\\40in\\40n)t+=n[k]*"
            "length(k);print\\40t} {in}/text", needs=["awk"]),
    Program("diff", "diff {in}/text {in}/text2"),
    Program("go", "{in}/work-go", needs=["go"]),
    Program("rust", "{in}/work-rs", needs=["rustc"]),
    Program("wine", "sh {scripts}/wine.sh {in} cmd /c ver", forks=True,
            needs=["wine"]),
    Program("wine-threads", "sh {scripts}/wine.sh {in} {in}/threads.exe",
            forks=True, needs=WINDOWS),
    # 500 exceptions, each of which Wine leaves by an iret.
    Program("wine-throw", "sh {scripts}/wine.sh {in} {in}/throw.exe",
            forks=True, needs=WINDOWS, native=800),
    Program("failing", "ls {in}/no/such/file"),
    Program("killed", "sh -c kill\\40-SEGV\\40$$", forks=True),
]
for _p in ALL:      # a blank within a word is written as \40
    _p.argv = [w.replace("\\40", " ") for w in _p.argv]


def text(size, seed):
    r = random.Random(seed)
    words = ["".join(r.choice("etaoinshrdlucmfwypvbgkjqxz")
                     for _ in range(r.randint(2, 9))) for _ in range(3000)]
    out = []
    while size > 0:
        line = " ".join(words[int(3000 * r.random() ** 3)]
                        if r.random() < .93 else str(r.randint(0, 10 ** 6))
                        for _ in range(r.randint(4, 16)))
        out.append(line)
        size -= len(line) + 1
    return "\n".join(out) + "\n"


FUNCTION = """
int f%(i)d(struct N *n, int x)
{
	int r = x ^ %(a)d;
	switch (x %% %(b)d) {
	case 0: r += f%(p)d(n, x - 1); break;
	case 1: r ^= r << %(c)d; /* fall through */
	case 2: r -= %(a)d; break;
	default: while (n) { if (n->k == x) return r; r += n->k;
		n = n->k < x ? n->l : n->r; }
	}
	for (int i = 0; i < %(b)d; i++)
		for (int j = i; j < %(a)d; j++)
			t[(i * j) & 255] += (r >> (j & 7)) * 1.5;
	return r;
}
"""


def c_source(n):
    r = random.Random(7)
    out = ["struct N { struct N *l, *r; int k; };\nstatic double t[256];\n"
           "int f0(struct N *n, int x) { return n ? n->k : x; }\n"]
    for i in range(1, n):
        out.append(FUNCTION % {"i": i, "a": r.randint(9, 99),
                               "b": r.randint(4, 30), "c": r.randint(1, 9),
                               "p": r.randint(0, i - 1)})
    return "".join(out)


MAIN = """#include <stdio.h>
#include <stdlib.h>
int helper(int n) { return n < 2 ? n : helper(n - 1) + helper(n - 2); }
int main(void)
{
	for (int i = 0; i < 20; i += 5)
		printf("%d\\n", helper(i));
	return 0;
}
"""
PLAIN_JS = """
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
let s = 0;
for (let i = 0; i < 20000; i++) s = (s * 31 + ('' + i).length) % 1000003;
console.log(fib(18), s, [3, 1, 2].sort().join());
"""


# What is compiled where there is a compiler.
COMPILED = [
    (["javac"], "javac -d . '{scripts}/Work.java'"),
    (["go"], "GO111MODULE=off GOCACHE=$PWD/go-cache "
     "go build -o work-go '{scripts}/work.go'"),
    (["rustc"], "rustc -O -o work-rs '{scripts}/work.rs'"),
    (WINDOWS, "x86_64-w64-mingw32-gcc -O1 -o threads.exe "
     "'{scripts}/windows.c'; x86_64-w64-mingw32-g++ -static -O1 "
     "-o throw.exe '{scripts}/windows.cc'"),
    (["wine"], "sh '{scripts}/wine.sh' $PWD cmd /c ver > wine.out 2>&1"),
]


def put(folder, name, what):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(what)
    os.utime(path, (0, 0))


def make_inputs(folder):
    """All inputs, into a new folder."""
    words = text(1500000, 1)
    put(folder, "text", words)
    put(folder, "text2", words.replace(" the", " teh").replace("9\n", "8\n"))
    put(folder, "big.c", c_source(150))
    put(folder, "main.c", MAIN)
    put(folder, "plain.js", PLAIN_JS)
    put(folder, "bad.c", "int main(void) { return x; }\n")
    for i in range(300):
        put(folder, "tree/d%d/e%d/file%d" % (i % 7, i % 5, i), words[:i * 50])

    def sh(command):
        subprocess.run(["sh", "-ec", command], cwd=folder, check=True)
    sh("bzip2 -k text; xz -k -3 text; gzip -kn text")
    sh("gcc -S -O1 big.c -o big.s; gcc -g -c big.c -o big.o")
    sh("cp big.c big2.c; sed -i 's/^static double t/double t/' big2.c;"
       "gcc -g -O0 main.c big.c -o prog")
    sh("tar -c --sort=name --mtime=@0 --owner=0 --group=0 -f tree.tar tree")
    for needs, command in COMPILED:
        if all(shutil.which(n) for n in needs):
            sh(command.replace("{scripts}", SCRIPTS))
