# mrun. `make help` lists the targets.
#   make STATIC=0     link the core dynamically (distributions without static libraries)
#   make SANITIZE=1   address and undefined behaviour sanitizers (links dynamically)
VERSION := 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
LIBEXECDIR ?= $(PREFIX)/libexec/mrun
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
STATIC ?= 1
SANITIZE ?= 0
CC = gcc
PKG_CONFIG ?= pkg-config

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wundef -Wformat=2 -Wvla
ifneq ($(findstring clang,$(CC)),clang)
WARN += -Wnull-dereference
endif
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DMRUN_VERSION='"$(VERSION)"' \
	-DMRUN_COMMIT='"$(COMMIT)"' -DMRUN_LIBEXECDIR='"$(LIBEXECDIR)"'
# -Os: 65 KB less, 1.4 % more instructions in a run. Unwind tables serve no one in C (gdb reads
# .debug_frame).
CFLAGS ?= -Os -g -fno-asynchronous-unwind-tables
ALL_CFLAGS = -std=gnu17 $(CFLAGS) $(WARN) -ffunction-sections -fdata-sections -fstack-protector-strong
LDFLAGS += -Wl,--gc-sections
ifeq ($(origin CFLAGS),file)
$(BUILD)/obj/oci/layer/%.o $(BUILD)/obj/oci/unpack/%.o: CFLAGS += -O2
endif
ifeq ($(SANITIZE),1)
STATIC := 0
ALL_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif
ifeq ($(WERROR),1)
ALL_CFLAGS += -Werror
endif

# make V=1 prints the commands.
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-6s %s\n'
endif

BASE_SRC := $(wildcard oci/base/*.c)
CORE_SRC := $(BASE_SRC) $(wildcard oci/spec/*.c oci/image/*.c oci/store/*.c runtime/*.c \
	runtime/cmd/*.c runtime/container/*.c runtime/init/*.c runtime/cgroup/*.c runtime/image/*.c)
UNPACK_SRC := $(BASE_SRC) $(wildcard oci/layer/*.c oci/unpack/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/runtime/shim/blob.o
SYSTEMD_SRC := $(BASE_SRC) $(wildcard runtime/systemd/*.c)
UNPACK_OBJ := $(UNPACK_SRC:%.c=$(BUILD)/obj/%.o)
SYSTEMD_OBJ := $(SYSTEMD_SRC:%.c=$(BUILD)/obj/%.o)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT := $(UNIT_SRC:tests/unit/test_%.c=$(BUILD)/tests/unit-%)

ifeq ($(STATIC),1)
CORE_LIBS := -static -lseccomp -lcap -lyajl_s -lnettle
# See runtime/startup.c.
comma := ,
CORE_LDFLAGS := $(patsubst %,-Wl$(comma)--wrap=%,_dl_get_origin _dl_new_object _dl_init_paths \
	_dl_find_object_init __libc_early_init cap_get_bound __register_frame_info __deregister_frame_info)
# See runtime/start.c: before there is a thread's block there is no canary.
CORE_LDFLAGS += -Wl,--wrap=__libc_start_main
$(BUILD)/obj/runtime/start.o: ALL_CFLAGS += -fno-stack-protector
# nettle looks for the fastest code of all that it has before main, and so all of it is linked (21 KB on
# x86): mrun uses SHA-256 alone, and nobody calls the rest, which is nowhere.
CORE_LDFLAGS += $(patsubst %,-Wl$(comma)--defsym=_nettle_%=0,\
	$(foreach n,aes128 aes192 aes256,$(n)_decrypt_c $(n)_decrypt_aesni $(n)_encrypt_c $(n)_encrypt_aesni \
	cbc_$(n)_encrypt_c cbc_$(n)_encrypt_aesni) ghash_set_key_c ghash_set_key_pclmul ghash_update_table \
	ghash_update_pclmul sha1_compress_x86_64 sha1_compress_sha_ni)
else
CORE_LIBS := -lseccomp -lcap -lyajl -lnettle
# A dynamic program is started by the C library.
CORE_OBJ := $(filter-out %/runtime/start.o,$(CORE_OBJ))
endif
HAVE_ISAL := $(shell $(PKG_CONFIG) --exists libisal 2>/dev/null && echo 1)
ifeq ($(HAVE_ISAL),1)
$(BUILD)/obj/oci/unpack/%.o $(BUILD)/obj/oci/layer/%.o: CPPFLAGS += -DHAVE_ISAL=1
ISAL_LIBS := -lisal
endif
UNPACK_LIBS := -larchive -lyajl -lnettle -lseccomp -lzstd -lz $(ISAL_LIBS) -lpthread

COMPLETION_SRC := $(wildcard runtime/completion/*.c)
COMPLETION := $(BUILD)/completion/mrun $(BUILD)/completion/_mrun $(BUILD)/completion/mrun.fish

# The systemd cgroup driver's program: only where libsystemd is (not on Alpine, say).
SYSTEMD ?= $(shell $(PKG_CONFIG) --exists libsystemd 2>/dev/null && echo 1)
HELPERS := $(BUILD)/mrun-unpack $(if $(filter 1,$(SYSTEMD)),$(BUILD)/mrun-systemd)

.PHONY: all
all: $(BUILD)/mrun $(HELPERS) $(COMPLETION) ## build mrun and its helper programs (build/)
	$(if $(filter 1,$(SYSTEMD)),,@echo 'make: libsystemd is not here: mrun-systemd (--systemd-cgroup) is left out')

$(BUILD)/mrun: $(CORE_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(CORE_LDFLAGS) -o $@ $(CORE_OBJ) $(CORE_LIBS)

$(BUILD)/mrun-unpack: $(UNPACK_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(UNPACK_OBJ) $(UNPACK_LIBS)

$(BUILD)/mrun-systemd: $(SYSTEMD_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(SYSTEMD_OBJ) $(shell $(PKG_CONFIG) --libs libsystemd) -lyajl

$(BUILD)/obj/%.o: %.c | $(BUILD)/.deps-checked
	@mkdir -p $(dir $@)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The shim: a program of a few hundred bytes without a C library, part of mrun's own image.
SHIM_CFLAGS := -std=gnu17 -Os -nostdlib -static -ffreestanding -fno-stack-protector -fno-pic -fno-pie \
	-fno-asynchronous-unwind-tables -fcf-protection=none -Wl,--build-id=none -Wl,-z,norelro \
	-Wl,-z,noseparate-code -s -fno-builtin -I.
$(BUILD)/shim: runtime/shim/shim.c runtime/shim/shim.h runtime/shim/syscall.h
	@mkdir -p $(dir $@)
	$(say) SHIM $@
	$(Q)$(CC) $(SHIM_CFLAGS) $(WARN) $< -o $@
$(BUILD)/obj/runtime/shim/blob.o: runtime/shim/blob.c runtime/shim/shim.h $(BUILD)/shim
	@mkdir -p $(dir $@)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -DSHIM_FILE='"$(BUILD)/shim"' -c $< -o $@

# One clear line where a library is missing, instead of a screen of compiler errors.
$(BUILD)/.deps-checked: Makefile
	@mkdir -p $(BUILD)
	@for h in sys/capability.h seccomp.h yajl/yajl_parse.h archive.h nettle/sha2.h zstd.h zlib.h; do \
		echo "#include <$$h>" | $(CC) -xc -fsyntax-only - 2>/dev/null || { \
		echo "make: the header <$$h> is missing: run scripts/install-deps" >&2; exit 1; }; done
	@if [ $(STATIC) = 1 ]; then for l in seccomp cap yajl_s nettle; do \
		echo 'int main(void){return 0;}' | $(CC) -xc - -static -l$$l -o $(BUILD)/.try 2>/dev/null || { \
		echo "make: no static lib$$l.a here: use make STATIC=0 (slower start: about 1 ms)" >&2; exit 1; }; done; fi
	@rm -f $(BUILD)/.try; touch $@

# The completion files are made by a program of the same tables (runtime/completion/completion.c).
COMPLETION_OBJ := $(COMPLETION_SRC:%.c=$(BUILD)/obj/%.o)
$(BUILD)/completion/generate: $(COMPLETION_OBJ) $(filter-out %/runtime/main.o %/runtime/start.o %/cmd/options.o,$(CORE_OBJ))
	@mkdir -p $(dir $@)
	$(say) LINK $@
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CORE_LIBS)
$(BUILD)/completion/mrun: SHELL_NAME := bash
$(BUILD)/completion/_mrun: SHELL_NAME := zsh
$(BUILD)/completion/mrun.fish: SHELL_NAME := fish
$(COMPLETION): $(BUILD)/completion/generate $(wildcard runtime/completion/*.in)
	$(say) SHELL $@
	$(Q)$(BUILD)/completion/generate $(SHELL_NAME) <runtime/completion/mrun.$(SHELL_NAME).in >$@.new
	$(Q)mv -f $@.new $@
$(BUILD)/completion/table: $(BUILD)/completion/generate
	$(Q)echo @TABLES@ | $< table >$@

# The manual, by go-md2man; mrun-start(1) and the like, all that a page's NAME names, lead to the page.
MAN_SRC := $(wildcard docs/man/*.1.md)
MAN := $(MAN_SRC:docs/man/%.md=$(BUILD)/man/man1/%)
$(BUILD)/man/man1/%.1: docs/man/%.1.md docs/man/roff.awk Makefile
	@command -v go-md2man >/dev/null || { echo "make: go-md2man is missing: run scripts/install-deps man" >&2; exit 1; }
	@mkdir -p $(dir $@)
	$(say) MAN $@
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< | go-md2man | awk -f docs/man/roff.awk >$@.new
	$(Q)for page in $$(sed -n '/^## NAME/,/^## SYNOPSIS/s/ - .*//p' $< | tr -d ,); do \
		[ $$page = $* ] || ln -sf $*.1 $(BUILD)/man/man1/$$page.1; done
	$(Q)mv -f $@.new $@
.PHONY: man
man: $(MAN) ## make the manual pages (build/man/man1/), which install takes along

# Unit tests of pure functions (cmocka). They link everything but main.
CORE_TEST_OBJ = $(filter-out %/runtime/main.o %/runtime/start.o,$(CORE_OBJ))
LAYER_TEST_OBJ = $(filter-out $(BUILD)/obj/oci/unpack/main.o $(BUILD)/obj/oci/base/%,$(UNPACK_OBJ))
$(BUILD)/tests/unit-%: tests/unit/test_%.c $(CORE_TEST_OBJ) $(LAYER_TEST_OBJ)
	@mkdir -p $(dir $@)
	$(say) TEST $@
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(CORE_TEST_OBJ) $(LAYER_TEST_OBJ) \
		-lcmocka $(filter-out -static,$(CORE_LIBS:-lyajl_s=)) $(UNPACK_LIBS)
$(BUILD)/tests/cgroup-tool: tests/unit/cgroup_tool.c $(CORE_TEST_OBJ)
	@mkdir -p $(dir $@)
	$(say) TEST $@
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(CORE_TEST_OBJ) $(CORE_LIBS)
PROBE_SRC := $(wildcard tests/probe/probe*.c)
$(BUILD)/tests/probe: $(PROBE_SRC) tests/probe/probe.h tests/probe/json.h
	@mkdir -p $(dir $@)
	$(say) TEST $@
	$(Q)$(CC) -std=gnu17 -O1 -D_GNU_SOURCE -I. -Wall -Wextra -static -o $@ $(PROBE_SRC)
$(BUILD)/tests/syscalls $(BUILD)/tests/filter $(BUILD)/tests/notify $(BUILD)/tests/cpuid: \
	$(BUILD)/tests/%: tests/probe/%.c
	@mkdir -p $(dir $@)
	$(say) TEST $@
	$(Q)$(CC) -std=gnu17 -O1 -D_GNU_SOURCE -Wall -Wextra -static -o $@ $<
# Started as mrun is, and how that is looked at.
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
START_TESTS := $(BUILD)/tests/start $(BUILD)/tests/cpuid
endif
$(BUILD)/tests/start: tests/probe/start.c runtime/start.c
	@mkdir -p $(dir $@)
	$(say) TEST $@
	$(Q)$(CC) -std=gnu17 -Os -D_GNU_SOURCE -Wall -Wextra -fno-stack-protector -c runtime/start.c -o $@.o
	$(Q)$(CC) -std=gnu17 -O1 -D_GNU_SOURCE -Wall -Wextra -fstack-protector-strong -static \
		-Wl,--wrap=__libc_start_main -o $@ $< $@.o
# What tests/security attacks with.
ATTACKS := $(patsubst tests/probe/attack-%.c,$(BUILD)/tests/attack-%,$(wildcard tests/probe/attack-*.c))
$(ATTACKS): $(BUILD)/tests/attack-%: tests/probe/attack-%.c
	@mkdir -p $(dir $@)
	$(say) TEST $@
	$(Q)$(CC) -std=gnu17 -O1 -D_GNU_SOURCE -I. -Wall -Wextra -static -o $@ $<
# Makes each system call of a command fail once, or kills at it (tests/faults/sweep.c).
.PHONY: sweep
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
SWEEP := $(BUILD)/tests/sweep
endif
sweep: $(SWEEP) ## build what makes system calls fail one by one (x86_64)
$(BUILD)/tests/sweep: $(wildcard tests/faults/*.c tests/faults/*.h)
	@mkdir -p $(dir $@)
	$(say) TEST $@
	$(Q)$(CC) -std=gnu17 -O1 -D_GNU_SOURCE -I. -Wall -Wextra -o $@ $(filter %.c,$^)
.PHONY: tests-build
tests-build: all $(ATTACKS) $(BUILD)/completion/table $(UNIT) \
	$(BUILD)/tests/probe $(BUILD)/tests/syscalls $(BUILD)/tests/filter $(BUILD)/tests/notify \
	$(START_TESTS) $(BUILD)/tests/cgroup-tool $(SWEEP)

.PHONY: deps-test
deps-test:
	@scripts/install-deps build test clients

.PHONY: test
test: deps-test ## install what is missing and run the whole suite (TESTS="tests/30-run.bats" for a part)
	@$(MAKE) --no-print-directory tests-build
	@BUILD=$(abspath $(BUILD)) tests/run $(TESTS)

.PHONY: test-unit
test-unit: $(UNIT) ## the unit tests alone
	@for t in $(UNIT); do $$t || exit 1; done

# Linked dynamically, and much the slower. What the sanitizers say goes to files, since the programs'
# standard error is the tests' own; any is a failure.
SANITIZED := $(abspath $(BUILD))/sanitize
.PHONY: test-sanitize
test-sanitize: deps-test ## the suite under the address and undefined behaviour sanitizers (TESTS="…")
	@$(MAKE) --no-print-directory SANITIZE=1 BUILD=$(SANITIZED) tests-build
	@rm -rf $(SANITIZED)/found && mkdir -p -m 1777 $(SANITIZED)/found
	@ASAN_OPTIONS=detect_leaks=0:log_path=$(SANITIZED)/found/asan UBSAN_OPTIONS=log_path=$(SANITIZED)/found/ubsan \
		TEST_TIMEOUT=2400 JOBS=1 BUILD=$(SANITIZED) tests/run $(TESTS); status=$$?; \
	for f in $(SANITIZED)/found/*; do [ ! -e "$$f" ] || { cat "$$f"; status=1; }; done; exit $$status

.PHONY: test-vm
test-vm: deps-test ## the tests in guests with systemd and cgroup v2 (SUITES="bookworm trixie", TESTS="limits …")
	@scripts/install-deps vm
	@$(MAKE) --no-print-directory all $(BUILD)/tests/cgroup-tool
	@BUILD=$(abspath $(BUILD)) SUITES="$(SUITES)" TESTS="$(TESTS)" TEST_TIMEOUT=1500 tests/run tests/vm/run

.PHONY: demo
demo: ## install what is missing, build, make the example image and run it
	@scripts/install-deps build demo
	@$(MAKE) --no-print-directory all
	@BUILD=$(abspath $(BUILD)) scripts/demo

.PHONY: bench
bench: all ## measure mrun against its floor and its peers (ROUNDS=50 RESULTS=build/bench/results ONLY="image load")
	@BUILD=$(abspath $(BUILD)) ONLY="$(ONLY)" tests/bench/run "$(or $(ROUNDS),50)" "$(or $(RESULTS),$(abspath $(BUILD))/bench/results)"

# libFuzzer's programs (clang): the same objects again, with its counters and the sanitizers.
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz-%,$(wildcard tests/fuzz/*.c))
FUZZ_FLAGS := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined
.PHONY: fuzz fuzz-programs
fuzz: all ## fuzz each parser (FUZZ_TIME=10 seconds each, FUZZ_ONLY="layer config"); needs clang
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang STATIC=0 \
		CFLAGS="$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined" fuzz-programs
	@BUILD=$(abspath $(BUILD)) tests/fuzz/run $(FUZZ_ONLY)
fuzz-programs: $(FUZZ)
$(BUILD)/fuzz-%: tests/fuzz/%.c tests/fuzz/fuzz.h $(CORE_TEST_OBJ) $(LAYER_TEST_OBJ)
	$(say) FUZZ $@
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -fsanitize=fuzzer,address,undefined $(LDFLAGS) -o $@ $< \
		$(CORE_TEST_OBJ) $(LAYER_TEST_OBJ) $(CORE_LIBS) $(UNPACK_LIBS)

.PHONY: lint
lint: ## the project's rules, clang-format, cppcheck, clang-tidy; warnings are errors
	@scripts/lint

.PHONY: print-flags
print-flags:
	@echo -std=gnu17 $(CPPFLAGS) $(WARN)

.PHONY: install
install: all ## install below DESTDIR and PREFIX
	install -D -m 755 $(BUILD)/mrun $(DESTDIR)$(PREFIX)/bin/mrun
	for p in $(HELPERS); do install -D -m 755 -t $(DESTDIR)$(LIBEXECDIR) $$p || exit 1; done
	install -D -m 644 $(BUILD)/completion/mrun $(DESTDIR)$(BASHDIR)/mrun
	install -D -m 644 $(BUILD)/completion/_mrun $(DESTDIR)$(ZSHDIR)/_mrun
	install -D -m 644 $(BUILD)/completion/mrun.fish $(DESTDIR)$(FISHDIR)/mrun.fish
	[ ! -d $(BUILD)/man/man1 ] || { install -d -m 755 $(DESTDIR)$(MANDIR)/man1 && \
		cp -Pf $(BUILD)/man/man1/*.1 $(DESTDIR)$(MANDIR)/man1/ && \
		chmod 644 $(DESTDIR)$(MANDIR)/man1/mrun*.1; }

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/mrun $(addprefix $(DESTDIR)$(LIBEXECDIR)/,mrun-unpack mrun-systemd) \
		$(DESTDIR)$(BASHDIR)/mrun $(DESTDIR)$(ZSHDIR)/_mrun $(DESTDIR)$(FISHDIR)/mrun.fish \
		$(DESTDIR)$(MANDIR)/man1/mrun.1 $(DESTDIR)$(MANDIR)/man1/mrun-*.1

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

-include $(CORE_OBJ:.o=.d) $(UNPACK_OBJ:.o=.d) $(SYSTEMD_OBJ:.o=.d) $(COMPLETION_OBJ:.o=.d)
