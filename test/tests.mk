# Tests, benchmarks, installation: what the Makefile's build is good for.
#
#	make check                  all kinds; ends with "N passed, N failed"
#	make check-unit             one kind: unit proto server gdb lldb decode fuzz
#	                            layers headers doc
#	make check-translate        programs natively and followed, MODES=none,count
#	make check-stalker          the translator's C API
#	make check-attach           some of them, followed in the middle
#	make check-matrix           real programs, likewise; RUNS=100 to soak
#	make check-cpython          CPython's own tests, natively and followed
#	NATIVE=1 make check-translate   are the tests themselves right?
#	make check-gdb ONLY='watch*'    some of a kind, by name
#	make check SERVER=gdbserver KINDS=gdb    the scripts on another server
#
# doc/hacking.md says where a test goes.

SERVER       ?= $(BUILD)/tracestub
ONLY         ?= *
KINDS        ?= unit proto server gdb lldb follow stalker translate small decode fuzz \
	layers headers doc
FUZZ_SECONDS ?= 600
RUN          ?= test/run.py
T            := $(BUILD)/test

CHECK_MODES := asan hostile
CHECK_GOALS := $(addprefix check-,unit proto server gdb lldb follow stalker decode \
	fuzz layers headers doc translate attach matrix small)

# --- programs of the tests ---

UNIT   := $(patsubst test/unit/%.c,%,$(wildcard test/unit/$(ONLY)_test.c))
STALKER := $(patsubst test/translate/%.c,%,\
	$(wildcard test/translate/$(ONLY)_test.c))
PROTO  := $(patsubst test/proto/%.txt,%,$(wildcard test/proto/$(ONLY).txt))
SCRIPT := $(patsubst test/gdb-scripts/%.gdb,%,\
	$(wildcard test/gdb-scripts/$(ONLY).gdb))
LLDB   := $(patsubst test/lldb-scripts/%.lldb,%,\
	$(wildcard test/lldb-scripts/$(ONLY).lldb))
SEAM   := $(filter-out replay,\
	$(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/$(ONLY).c)))

HELP   := $(call OBJ,$(wildcard test/fake*.c) test/connect.c test/transcript.c)
CMOCKA := $(shell pkg-config --libs cmocka 2>/dev/null)

$(T)/help.a: $(HELP)
	@rm -f $@
	$(AR) rcs $@ $^

$(T)/unit/%: $(T)/unit/%.o $(T)/help.a $(BUILD)/core.a
	$(CC) $(CFLAGS) -o $@ $^ $(CMOCKA) $(LIBS) $(LDFLAGS)

$(T)/translate/%_test: $(T)/translate/%_test.o $(BUILD)/core.a
	$(CC) $(CFLAGS) -o $@ $^ $(CMOCKA) $(LIBS) $(LDFLAGS)

$(T)/proto-replay: $(T)/proto.o $(T)/help.a $(BUILD)/core.a
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)

# A seam is linked with a main that replays files, or with libFuzzer's.
FUZZ_MAIN := $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer,$(T)/fuzz/replay.o)

$(T)/fuzz/%: $(T)/fuzz/%.o $(T)/fuzz/replay.o $(T)/help.a $(BUILD)/core.a
	$(CC) $(CFLAGS) -o $@ $< $(FUZZ_MAIN) $(T)/help.a $(BUILD)/core.a \
		$(LIBS) $(LDFLAGS)

# test/inferiors/BUILD, "name: source: flags: compiler", turned into rules.
$(T)/inferiors.mk: test/inferiors/BUILD test/tests.mk
	@mkdir -p $(T)/inferiors
	@awk -F ' *: *' -v t='$(T)/inferiors' -v more='test/inferiors/build.sh $@' \
		'/^ *#|^ *$$/ { next } \
		{ out = t "/" $$1; src = "test/inferiors/" $$2; \
		  print "INFERIORS += " out; \
		  print out ": " src " " more; \
		  print "\t@test/inferiors/build.sh $$@ \"" $$4 "\" \"" $$3 "\" " src }' \
		$< > $@

# --- the tests, as run.py takes them: 'KIND/NAME=COMMAND' ---

TESTS_unit := $(if $(CMOCKA),\
	$(foreach t,$(UNIT),'unit/$(t)=$(T)/unit/$(t)'),\
	'unit/all=sh -c "echo no cmocka here; exit 77"')
# The translator's C API, as Stalker's own tests use theirs.
TESTS_stalker := $(if $(CMOCKA),\
	$(foreach t,$(STALKER),'stalker/$(t)=$(T)/translate/$(t)'),\
	'stalker/all=sh -c "echo no cmocka here; exit 77"')
TESTS_proto := \
	$(foreach t,$(PROTO),'proto/$(t)=$(T)/proto-replay test/proto/$(t).txt')
TESTS_gdb := $(foreach t,$(SCRIPT),'gdb/$(t)=test/gdb-script.py \
	--server $(SERVER) --inferiors $(T)/inferiors test/gdb-scripts/$(t).gdb')
# lldb, with our server in the place of its own.
TESTS_lldb := $(foreach t,$(LLDB),'lldb/$(t)=test/lldb-script.py \
	--server $(SERVER) --inferiors $(T)/inferiors test/lldb-scripts/$(t).lldb')
# The same on programs that run translated, which is to change nothing.
TESTS_follow := $(foreach t,$(SCRIPT),'follow/$(t)=test/gdb-script.py --follow \
	--server $(SERVER) --inferiors $(T)/inferiors test/gdb-scripts/$(t).gdb')
# What a small client of our own sees of the server, case by case; with
# FOLLOW=1 of programs that run translated, as far as the test knows --follow.
SERVER_TEST := $(filter-out rsp wire skips traced qtracing cores %_client \
	cli_place ide mi dap lldbs moving following steady kills_followed,\
	$(patsubst test/server/%.py,%,$(wildcard test/server/$(ONLY).py)))
FOLLOWED := $(if $(FOLLOW),$(filter-out followed% lockstep qtrace_%,$(shell grep -l \
	'raise SystemExit(main())' test/server/*.py | \
	sed 's|.*/||; s|\.py$$||')))
TESTS_server := $(foreach t,$(SERVER_TEST),'server/$(t)=python3 \
	test/server/$(t).py --server $(SERVER) --inferiors $(T)/inferiors \
	$(if $(filter $(FOLLOWED),$(t)),--follow)')

# Followed each time: those that are quick.
QUICK := hard_exec hard_flags hard_jobs hard_options hard_signal hard_step \
	hard_syscall hard_syscall_life hard_thread hard_watch newer
TESTS_server += $(if $(FOLLOW),,$(foreach t,$(filter $(QUICK),$(SERVER_TEST)),\
	'server/$(t)-followed=python3 test/server/$(t).py --server $(SERVER) \
	--inferiors $(T)/inferiors --follow'))

# The decoder against capstone and objdump over libraries of this machine, and
# what it, the relocator and the effects say against the processor; the former
# two in both modes where 32-bit programs can be built and executed.
DECODE := decode-hw branch-hw relocate-run
M32    := $(shell echo 'int main(void) { return 0; }' | \
	$(CC) -m32 -x c -o /dev/null - 2>/dev/null && echo yes)
TESTS_decode := 'decode/capstone=$(T)/decode-check --quick' \
	'decode/capstone-amd=$(T)/decode-check --amd --quick' \
	'decode/effects-check=$(T)/effects-check --quick' \
	'decode/effects-hw=$(T)/effects-hw' \
	$(foreach t,$(DECODE),'decode/$(t)=$(T)/$(t)' \
	'decode/$(t)-32=$(if $(M32),test/machine.py $(T)/$(t)-32,\
	sh -c "echo no 32-bit programs here; exit 77")')

$(T)/decode-check $(T)/effects-check: $(T)/%: $(T)/%.o $(T)/code-sweep.o \
		$(BUILD)/core.a
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)

$(T)/translate/flow-check: $(T)/translate/flow-check.o $(BUILD)/core.a
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)

$(addprefix $(T)/,$(DECODE) effects-hw): $(T)/%: $(T)/%.o $(BUILD)/core.a
	$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS)

$(T)/%-32: test/%.c $(wildcard arch/x86_64/*.c) base/hex.c
	@mkdir -p $(@D)
	$(CC) -m32 $(XCFLAGS) -O2 -o $@ $^

# The translator: each row of test/translate/rows; those of attach.py, which
# are followed in the middle.
ROWS := $(shell sed -n 's/^\([a-z][^ :]*\):.*/\1/p' test/translate/rows | \
	while read r; do case $$r in ($(ONLY)) echo $$r;; esac; done)
TESTS_translate := $(foreach t,$(ROWS),'translate/$(t)=python3 \
	test/translate/inferior.py --server $(BUILD)/tracestub \
	--inferiors $(T)/inferiors $(t)')
# Is what is told of all that is executed what was executed?
FLOWS := signals faults branches restarts changes stores
TESTS_translate += $(foreach t,$(filter $(subst *,%,$(ONLY)),\
	$(addprefix flow-steps-,$(FLOWS))),\
	'translate/$(t)=$(T)/translate/flow-check \
	$(T)/inferiors/tr_flow-static $(t:flow-steps-%=%)')
TESTS_translate += $(foreach t,$(filter $(subst *,%,$(ONLY)),flow-steps-ring),\
	'translate/$(t)=env TR_REPEAT=30 $(T)/translate/flow-check --recent \
	$(T)/inferiors/tr_flow-static branches')
TESTS_translate += $(foreach t,$(filter $(subst *,%,$(ONLY)),flow-steps-turned),\
	'translate/$(t)=env TR_REPEAT=30 $(T)/translate/flow-check --turned \
	$(T)/inferiors/tr_flow-static branches')
TESTS_translate += $(foreach t,$(filter $(subst *,%,$(ONLY)),flow-steps-late),\
	'translate/$(t)=env TR_REPEAT=30 $(T)/translate/flow-check --alone \
	$(T)/inferiors/tr_flow-static branches')
# What is remembered of earlier runs.
TESTS_translate += $(foreach t,$(filter $(subst *,%,$(ONLY)),hints saved),\
	'translate/$(t)=python3 test/translate/$(t).py \
	--server $(BUILD)/tracestub --inferiors $(T)/inferiors')
# Far from server/kills: who survives a kill depends on who gets a processor.
TESTS_translate += $(foreach t,$(filter $(subst *,%,$(ONLY)),kills_followed),\
	'translate/$(t)=python3 test/server/$(t).py --server $(SERVER) \
	--inferiors $(T)/inferiors')
# Some of those that say most of attaching and letting go, a few times each.
TESTS_translate += $(foreach t,$(filter $(subst *,%,$(ONLY)),attached),\
	'translate/$(t)=python3 test/translate/attach.py --times 3 \
	--server $(BUILD)/tracestub --inferiors $(T)/inferiors \
	tr_signal tr_memfault tr_clone tr_thread tr_process')
TESTS_attach = $(foreach t,\
	$(shell python3 test/translate/attach.py --list '$(ONLY)'),\
	'attach/$(t)=python3 test/translate/attach.py \
	--server $(BUILD)/tracestub --inferiors $(T)/inferiors $(t)')
# Real programs, one row each.
TESTS_matrix = $(foreach t,$(shell python3 test/translate/matrix.py --list \
	'$(ONLY)'),'matrix/$(t)=python3 test/translate/matrix.py \
	--server $(BUILD)/tracestub --inputs $(BUILD)/matrix $(t)')

# ... with a cache that is too small for them.
TESTS_small = $(foreach t,$(shell python3 test/translate/small.py --list \
	'$(ONLY)'),'small/$(t)=python3 test/translate/small.py \
	--server $(BUILD)/tracestub --inputs $(BUILD)/matrix $(t)')

TESTS_fuzz := \
	$(foreach t,$(SEAM),'fuzz/$(t)=$(T)/fuzz/$(t) test/fuzz/corpus/$(t)')
TESTS_layers := 'layers/includes=test/check-layers.sh' \
	'layers/libraries=test/check-libraries.sh $(BUILD)/tracestub'
TESTS_headers := 'headers/alone=test/check-headers.sh $(CC) $(XCFLAGS) \
	-Wno-unused-function'
TESTS_doc := 'doc/packets=sh -c "$(BUILD)/tracestub --print-packets | \
	diff doc/packets.md -"' \
	$(if $(wildcard doc/tracestub.1),'doc/man=test/check-man.sh')

NEEDS_unit   = $(if $(CMOCKA),$(addprefix $(T)/unit/,$(UNIT))) $(INFERIORS)
NEEDS_stalker = $(if $(CMOCKA),$(addprefix $(T)/translate/,$(STALKER)))
NEEDS_proto := $(if $(PROTO),$(T)/proto-replay)
NEEDS_gdb    = $(filter $(BUILD)/%,$(SERVER)) $(INFERIORS)
NEEDS_doc   := $(BUILD)/tracestub
NEEDS_lldb   = $(NEEDS_gdb)
NEEDS_server = $(NEEDS_gdb)
NEEDS_follow = $(NEEDS_gdb)
NEEDS_decode := $(addprefix $(T)/,decode-check effects-check effects-hw \
	$(DECODE) \
	$(if $(M32),$(addsuffix -32,$(DECODE))))
NEEDS_translate = $(BUILD)/tracestub $(INFERIORS) $(T)/translate/flow-check
NEEDS_attach = $(NEEDS_translate)
NEEDS_matrix := $(BUILD)/tracestub
NEEDS_fuzz  := $(addprefix $(T)/fuzz/,$(SEAM))

# Tests are to leave nothing at home; what they find there is their own.
export TRACESTUB_HINTS := $(abspath $(BUILD))/hints
export TS_INFERIORS := $(abspath $(T)/inferiors)

ifneq ($(filter check inferiors,$(MAKECMDGOALS)),)
include $(T)/inferiors.mk
$(filter $(T)/inferiors/tr_%,$(INFERIORS)): $(wildcard test/inferiors/tr*.h)
$(T)/inferiors/stepper $(T)/inferiors/laststeps: test/inferiors/steps.h
endif

check: $(foreach k,$(KINDS),$(NEEDS_$(k)))
	@$(RUN) $(foreach k,$(KINDS),$(TESTS_$(k)))

$(CHECK_GOALS): check-%:
	@$(MAKE) --no-print-directory check KINDS=$*

check-asan:
	@$(MAKE) --no-print-directory check MODE=asan

# Lines of each file that the tests reach.
cov:
	@rm -rf build/cov
	@$(MAKE) --no-print-directory check MODE=cov
	@test/cov.sh build/cov

check-hostile:
	@$(MAKE) --no-print-directory check KINDS='unit proto follow translate' \
		BUILD=build/hostile CFLAGS='$(CFLAGS_dbg) -DHOSTILE'

inferiors: $(INFERIORS)

# --- by hand ---

fuzz-%:
	@$(MAKE) --no-print-directory MODE=fuzz build/fuzz/test/fuzz/$*
	@mkdir -p build/fuzz/corpus/$* test/fuzz/corpus/$*
	build/fuzz/test/fuzz/$* -max_total_time=$(FUZZ_SECONDS) \
		-artifact_prefix=build/fuzz/$*- -print_final_stats=1 \
		$(addprefix -dict=,$(wildcard test/fuzz/$*.dict)) \
		build/fuzz/corpus/$* test/fuzz/corpus/$*

demo: $(filter $(BUILD)/%,$(SERVER))
	@test/demo.sh $(SERVER)

check-gdb-suite: $(filter $(BUILD)/%,$(SERVER))
	@test/gdb-suite/check.sh $(SERVER) $(BUILD)/gdb-suite

check-lldb-suite: $(filter $(BUILD)/%,$(SERVER))
	@test/lldb-suite/run.sh $(SERVER) $(BUILD)/lldb-suite

# All others that passes/ has a list of.
check-lldb-api: $(filter $(BUILD)/%,$(SERVER))
	@test/lldb-suite/all.sh $(SERVER) $(BUILD)/lldb-api

check-cpython: $(BUILD)/tracestub
	@test/translate/cpython.py --server $(BUILD)/tracestub $(TESTS)

bench: $(filter $(BUILD)/%,$(SERVER)) $(BUILD)/bench/target \
		$(BUILD)/bench/nullstub $(BUILD)/bench/waitbench
	@bench/bench.py $(SERVER) $(BUILD)/bench

# Programs that make code; NAMES='java javac' some of them.
bench-jit: $(filter $(BUILD)/%,$(SERVER))
	@bench/jit/jit.py $(SERVER) $(NAMES)

bench-translate: $(BUILD)/tracestub
	@bench/programs/bench.py $(BUILD)/tracestub build/bench-programs

$(BUILD)/bench/target: BENCH_FLAGS := -static -no-pie -pthread
$(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -o $@ $< $(BENCH_FLAGS)

# The packet table as a document.
doc: $(BUILD)/tracestub
	$< --print-packets > doc/packets.md

# Where gdb imports commands by itself, and lldb finds modules by their name;
# empty: nowhere.
GDB_COMMANDS ?= $(shell gdb -nx -batch -ex \
	'python import os; print(os.path.join(gdb.PYTHONDIR, "gdb", "command"))' \
	2>/dev/null)
LLDB_MODULES ?= $(shell lldb -P 2>/dev/null)
SCRIPTS := $(BUILD)/client/tracestub-gdb.py $(BUILD)/client/tracestub_lldb.py

install: $(BUILD)/tracestub $(SCRIPTS)
	install -D -m 755 $< $(DESTDIR)$(PREFIX)/bin/tracestub
	install -D -m 644 doc/tracestub.1 \
		$(DESTDIR)$(PREFIX)/share/man/man1/tracestub.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/tracestub $(SCRIPTS)
	$(if $(GDB_COMMANDS),install -D -m 644 $(BUILD)/client/tracestub-gdb.py \
		$(DESTDIR)$(GDB_COMMANDS)/tracestub_qtrace.py)
	$(if $(LLDB_MODULES),install -D -m 644 $(BUILD)/client/tracestub_lldb.py \
		$(DESTDIR)$(LLDB_MODULES)/tracestub.py)

C_FILES = $(filter %.c %.h,$(shell git ls-files))

format:
	clang-format -i $(C_FILES)

tidy:
	clang-tidy --quiet $(filter %.c,$(CORE)) -- $(XCFLAGS)

help:
	@echo 'make                 $(BUILD)/tracestub (MODE: rel dbg asan cov fuzz)'
	@echo 'make demo            a session of gdb over it, shown'
	@echo 'make check           everything a change must pass'
	@echo 'make check-KIND      unit proto server gdb decode fuzz layers headers doc;'
	@echo '                     ONLY=GLOB'
	@echo 'make check-translate programs natively and followed; MODES=none,count'
	@echo 'make check-attach    ... followed in the middle; make check-matrix real'
	@echo '                     ones; make check-cpython its own tests'
	@echo 'make check-asan      the same with sanitizers'
	@echo 'make check-small     ... with a cache that is too small'
	@echo 'make check-hostile   unit, proto, follow, translate: tiny limits'
	@echo 'make cov             lines that the tests reach'
	@echo 'make check-gdb-suite what of GDB'\''s own test suite gdbserver passes'
	@echo '                     and we do not'
	@echo 'make check-lldb-suite  LLDB 19'\''s own tests of lldb-server'
	@echo 'make check-lldb-api    ... and of lldb and lldb-dap, with it in its place'
	@echo 'make bench           ratios to gdbserver, beside the wanted ones'
	@echo 'make bench-jit       CPU of node, java, luajit followed over native'
	@echo 'make bench-translate ... of other programs; RUNS=5, QUICK=1'
	@echo 'make fuzz-NAME       libFuzzer on a seam of test/fuzz/, FUZZ_SECONDS'
	@echo 'make doc             doc/packets.md from the packet table'
	@echo 'make install         PREFIX=$(PREFIX) DESTDIR='
	@echo 'make format tidy clean'

.SECONDARY:
.PHONY: check $(CHECK_GOALS) check-asan check-hostile check-gdb-suite \
	check-lldb-suite check-lldb-api check-cpython bench bench-jit bench-translate \
	cov demo doc install inferiors format tidy help
