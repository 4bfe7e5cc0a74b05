# tracestub: one Makefile. Settings first; nothing below the line needs a
# change to build elsewhere.
#
#	make                build/rel/tracestub
#	make MODE=dbg       the same in build/dbg (rel, dbg, asan, cov, fuzz)
#	make check          everything a change must pass
#	make install        PREFIX=/usr/local DESTDIR=
#	make help           the other goals

MODE    ?= rel
CC      ?= cc
PREFIX  ?= /usr/local
DESTDIR ?=
WERROR  ?=
PKGS    := libxml-2.0 capstone libdw libelf libzstd json-c

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wcast-align \
	-Wno-format-nonliteral $(if $(WERROR),-Werror)

CFLAGS_rel  := -O2 -g
CFLAGS_dbg  := -O0 -g3
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer \
	-fno-sanitize-recover=undefined
CFLAGS_cov  := -O0 -g --coverage
CFLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -DHOSTILE

# ---------------------------------------------------------------------------

ifeq ($(MODE),fuzz)
CC := clang
endif

BUILD   := build/$(MODE)
VERSION := 0.1
CFLAGS  ?= $(CFLAGS_$(MODE))
XCFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -DVERSION='"$(VERSION)"' $(WARN) \
	$(shell pkg-config --cflags $(PKGS))
# What a program does not use it should not load: see xml/xml.h.
LIBS    := -Wl,--as-needed $(shell pkg-config --libs $(PKGS)) -lm

FOLDERS := base rsp arch arch/x86_64 agent xml target target/linux-ptrace \
	tracepoint translate translate/x86_64 trace server
CORE    := $(foreach d,$(FOLDERS),$(wildcard $(d)/*.c))
OBJ      = $(addprefix $(BUILD)/,$(patsubst %.c,%.o,$(1)))

all: $(BUILD)/tracestub

$(BUILD)/tracestub: $(call OBJ,main.c options.c) $(BUILD)/core.a
	$(CC) $(CFLAGS) -Wl,--build-id -o $@ $^ $(LIBS) $(LDFLAGS)

$(BUILD)/core.a: $(call OBJ,$(CORE))
	@rm -f $@
	$(AR) rcs $@ $^

# The debuggers' scripts: one file each, which the server has in itself too.
# lldb takes no dash in a module's name.
$(BUILD)/client/tracestub-%.py $(BUILD)/client/tracestub_%.py: \
		client/common.py client/%.py
	@mkdir -p $(@D)
	cat $^ > $@

$(BUILD)/server/scripts.o: XCFLAGS += -DCLIENT='"$(BUILD)/client"'
$(BUILD)/server/scripts.o: $(BUILD)/client/tracestub-gdb.py \
		$(BUILD)/client/tracestub_lldb.py

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(XCFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# It has the page in it.
$(BUILD)/trace/html.o: trace/page.html

clean:
	rm -rf build

-include test/tests.mk
-include $(shell [ -d $(BUILD) ] && find $(BUILD) -name '*.d')

.DELETE_ON_ERROR:
.PHONY: all clean
