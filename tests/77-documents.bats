#!/usr/bin/env bats
# What tells people about mrun's commands: --help, the manual pages, README's table, and the completion
# of bash, zsh and fish. All of it is compared with the tables in the program, which
# $BUILD/completion/table prints (runtime/completion/completion.c).
# shellcheck disable=SC2016,SC2030,SC2031 # backquotes of Markdown; bats: run sets output in the test
bats_require_minimum_version 1.5.0
load lib

setup() {
	lib_setup
	TABLE=$BUILD/completion/table
	[ -f "$TABLE" ] || skip "$TABLE is not built (make tests-build)"
}
teardown() {
	[ -z "${ID:-}" ] || "$MRUN" delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}

commands() {
	awk -F '\t' '$1 == "command" && $2 != "" && $2 != "IMAGE" { print $2 }' "$TABLE"
}
# "COMMAND|--NAME|-X|VALUE" a line, sorted; of `mrun IMAGE` as IMAGE, of the global options without a name.
options() {
	awk -F '\t' '$1 == "option" { print $2 "|" $3 "|" $4 "|" $5 }' "$TABLE" | sort
}

# --- --help ----------------------------------------------------------------------------------

@test "--help, -h and help: each command's begins with NAME: and has its options" {
	[ "$(commands | wc -l)" -ge 29 ]
	for command in $(commands); do
		for call in "$command --help" "$command -h" "help $command"; do
			# shellcheck disable=SC2086 # words
			run -0 "$MRUN" $call
			[ "${lines[0]}" = NAME: ]
			[[ ${lines[1]} == "   mrun $command - "* ]]
		done
		while IFS='|' read -r _ name letter value; do
			[[ $output == *"   ${letter:-  }${letter:+,} "*"$name${value:+ $value} "* ]] || {
				echo "$command: $name $letter $value"
				return 1
			}
		done < <(options | grep "^$command|")
	done
	run -0 "$MRUN" help IMAGE
	[ "${lines[0]}" = NAME: ]
	[[ $output == *"USAGE:"*"   mrun [OPTIONS] IMAGE [COMMAND [ARG...]]"*"-i, --interactive "* ]]
	for call in --help -h help ''; do
		# shellcheck disable=SC2086 # words
		run -0 "$MRUN" $call
		[ "${lines[0]}" = NAME: ]
		for command in $(commands); do
			[[ $output == *"   $command "* ]]
		done
	done
}

@test "help of something unknown says so" {
	run -3 "$MRUN" help nonsense
	[[ $output == *"No help topic for 'nonsense'"* ]]
}

# --- the manual ------------------------------------------------------------------------------

# The Markdown files as "COMMAND|--NAME|-X|VALUE" lines, as options prints them.
manual_options() {
	awk '
		/^### mrun / { command = $3 }
		/^### mrun \[OPTIONS\] IMAGE/ { command = "IMAGE" }
		/^## GLOBAL OPTIONS/ { command = "" ; global = 1 }
		/^## / && !/GLOBAL/ { global = 0; if (command != "IMAGE" || !/OPTIONS/) command = "none" }
		/^\*\*-/ && (command != "none" || global) {
			name = letter = value = ""
			n = split($0, word, /,? +/)
			for (i = 1; i <= n; i++) {
				w = word[i]
				if (w ~ /^\*\*--/) { gsub(/\*/, "", w); name = w }
				else if (w ~ /^\*\*-/) { gsub(/\*/, "", w); letter = w }
				else { gsub(/^\*|\*$/, "", w); value = w }
			}
			if (name != "--help" && name != "--version") print command "|" name "|" letter "|" value
		}' "$ROOT"/docs/man/*.1.md | sort
}

@test "manual: every option of every command is there, and nothing else" {
	[ "$(options | wc -l)" -gt 100 ]
	diff <(options) <(manual_options)
}

@test "manual: every command has its section, headed by its usage, and is in its page's NAME and in mrun(1)" {
	# USAGE as the program has it.
	diff <(awk -F '\t' '$1 == "command" && $2 != "" { print ($2 == "IMAGE" ? "mrun " $5 : "mrun " $2 ($5 == "" ? "" : " " $5)) }' "$TABLE" | sort) \
		<(sed -n 's/^### \(mrun .*\)/\1/p' "$ROOT"/docs/man/*.1.md | sort)
	for command in $(commands); do
		page=$(grep -l "^### mrun $command\( \|$\)" "$ROOT"/docs/man/*.1.md)
		sed -n '/^## NAME/,/^## /p' "$page" | grep -q "mrun-$command\b"
		sed -n '/^## COMMANDS/,/^## EXIT/p' "$ROOT/docs/man/mrun.1.md" | grep -q "\*\*$command\*\*"
	done
	# All of main.c's variables.
	for variable in $(grep -rhoE '"(MRUN|XDG)_[A-Z_]+"' "$ROOT/runtime" "$ROOT/oci" | tr -d '"' | grep -v '_SOURCE$\|VERSION\|COMMIT\|LIBEXEC' | sort -u); do
		grep -q "$variable" "$ROOT/docs/man/mrun.1.md"
		grep -q "$variable" "$ROOT/README.md"
	done
}

@test "manual: the pages are made, one for each command, without a warning" {
	need go-md2man make
	make -s -C "$ROOT" BUILD="$T/build" man
	for command in $(commands); do
		[ -f "build/man/man1/mrun-$command.1" ]
	done
	for page in build/man/man1/*.1; do
		if command -v mandoc >/dev/null; then
			run -0 mandoc -Tlint -Wwarning "$page"
			[ -z "$output" ]
		fi
		if command -v man >/dev/null && [ -x "$(command -v groff)" ]; then
			run -0 env MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -l "$page"
			[[ $output != *warning:* ]]
			[[ $output == *NAME*SYNOPSIS*"SEE ALSO"* ]]
		fi
	done
	# Hyphens that are typed are minus signs.
	run ! grep -n '\\fB[^\\]*[^\\]-' build/man/man1/*.1
}

@test "README's table has every command, and nothing else" {
	diff <({
		commands
		echo IMAGE
	} | sort) \
		<(sed -n '/^## Commands/,/^## \|^### /s/^| \(`mrun [^|]*\)|.*/\1/p' "$ROOT/README.md" |
			grep -o '`[^`]*`' | tr -d '`' | sed 's/^mrun //; s/ .*//' | sort)
}

@test "install puts completion and manual where the shells and man look" {
	need make
	mkdir -p build/completion build/man/man1
	for file in mrun mrun-unpack mrun-systemd completion/mrun completion/_mrun completion/mrun.fish; do
		touch -d 2100-01-01 "build/$file"
	done
	touch build/man/man1/mrun.1
	ln -s mrun.1 build/man/man1/mrun-x.1
	# Nothing is built: these files are newer than all others.
	run -0 make -C "$ROOT" -o all BUILD="$T/build" DESTDIR="$T/to" PREFIX=/usr install
	for file in bin/mrun libexec/mrun/mrun-unpack share/bash-completion/completions/mrun share/zsh/site-functions/_mrun \
		share/fish/vendor_completions.d/mrun.fish share/man/man1/mrun.1 share/man/man1/mrun-x.1; do
		[ -e "to/usr/$file" ]
	done
	run -0 make -C "$ROOT" BUILD="$T/build" DESTDIR="$T/to" PREFIX=/usr uninstall
	[ -z "$(find to ! -type d)" ]
}

# --- completion ------------------------------------------------------------------------------

# What each shell offers behind LINE must be all of the WORDs, and with `only` nothing else.
offers() { # SHELL only|also LINE WORD…
	local file expected
	case $1 in
	bash) file=mrun ;;
	zsh) file=_mrun ;;
	fish) file=mrun.fish ;;
	esac
	run -0 env PATH="${MRUN%/*}:$PATH" "$ROOT/tests/completion/$1-complete" "$BUILD/completion/$file" "$3"
	expected=$(printf '%s\n' "${@:4}" | sort -u)
	if [ "$2" = only ]; then
		[ "$(sort -u <<<"$output")" = "$expected" ]
	else
		[ -z "$(grep -vxFf <(printf '%s\n' "$output") <<<"$expected" || true)" ]
	fi || {
		printf '%s, behind "%s": %s\n' "$1" "$3" "$output"
		return 1
	}
}

completes() { # SHELL
	local all
	mapfile -t all < <(commands)
	export XDG_DATA_HOME=$T/data
	"$MRUN" load -q -i "$(hello_image)"
	"$MRUN" tag multistage-hello-world other:v1

	# Commands and images; the options that go before them.
	offers "$1" also "mrun " "${all[@]}" help multistage-hello-world:latest other:v1
	offers "$1" only "mrun st" start state stop
	offers "$1" also "mrun --" --root --log-format --version --env --network
	offers "$1" only "mrun --rootl" --rootless
	offers "$1" only "mrun help st" start state stop
	# Options of each command, to the last.
	for command in "${all[@]}"; do
		mapfile -t names < <(options | awk -F '|' -v c="$command" '$1 == c { print $2 }')
		offers "$1" only "mrun $command --" "${names[@]}" --help
	done
	# Values that are a fixed set.
	offers "$1" only "mrun --log-format " text json
	offers "$1" only "mrun list --format j" json
	offers "$1" only "mrun list -f t" table
	offers "$1" also "mrun kill x " TERM KILL HUP
	offers "$1" only "mrun exec --cap CAP_SYS_PT" CAP_SYS_PTRACE
	# An option's value is no command, an option may have been given.
	offers "$1" only "mrun --root start --log-format json pau" pause
	offers "$1" only "mrun --log-format=json --debug pau" pause
	# Images.
	offers "$1" only "mrun rmi mult" multistage-hello-world:latest
	offers "$1" only "mrun rmi -f other:v1 mult" multistage-hello-world:latest
	offers "$1" only "mrun unpack --rootless mult" multistage-hello-world:latest
	# What is behind an image or belongs to a container's program is not ours.
	offers "$1" only "mrun -it other:v1 --"
	offers "$1" only "mrun exec x ls --"
	# Containers, also below another root.
	[ "$(id -u)" -eq 0 ] || return 0
	ID=mrun-t$$-$RANDOM
	bundle b
	"$MRUN" create --bundle b "$ID" </dev/null >log 2>&1
	offers "$1" only "mrun start mrun-t$$" "$ID"
	offers "$1" only "mrun kill mrun-t$$" "$ID"
	offers "$1" only "mrun --root $T/none start mrun-t$$"
	offers "$1" only "mrun --root $XDG_RUNTIME_DIR/mrun start mrun-t$$" "$ID"
}

@test "completion: bash" {
	completes bash
	export XDG_DATA_HOME=$T/data
	# Where a value's word begins behind '=' or ':', bash wants the rest alone.
	offers bash only "mrun --rootless=" true false auto
	offers bash only "mrun list --format=j" json
	offers bash only "mrun rmi other:" v1
	touch file
	mkdir dir
	offers bash only "mrun load -i $T/fil" "$T/file"
	offers bash only "mrun create -b $T/d" "$T/data" "$T/dir"
	shellcheck "$BUILD/completion/mrun" 2>/dev/null || ! command -v shellcheck
}

@test "completion: zsh" {
	need zsh
	export ZSH_DUMP=$T/zdump
	completes zsh
	offers zsh only "mrun --rootless=" true false auto
	mkdir dir
	touch file
	offers zsh only "mrun load -i $T/fil" file
	offers zsh only "mrun create --bundle=$T/di" dir
}

@test "completion: fish" {
	need fish
	completes fish
	offers fish only "mrun --rootless=" --rootless=true --rootless=false --rootless=auto
	mkdir dir
	touch file
	offers fish only "mrun load -i $T/fil" "$T/file"
	offers fish only "mrun create -b $T/di" "$T/dir/"
}

@test "completion: bash on a terminal finishes the word" {
	need python3
	cat >typist.py <<-'END'
		import os, pty, select, sys, time
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
		seen = b""
		def until(text, seconds=60):
		    global seen
		    end = time.monotonic() + seconds
		    while text not in seen:
		        if time.monotonic() > end:
		            sys.exit("not seen: %r in %r" % (text, seen))
		        if select.select([fd], [], [], 0.2)[0]:
		            seen += os.read(fd, 4096)
		os.write(fd, b"PS1=; bind 'set enable-bracketed-paste off'; source " + sys.argv[1].encode() + b"; echo rea''dy\n")
		until(b"ready")
		os.write(fd, b"mrun featu\t| grep -c ociVersionMin | sed 's/^/count /'\n")
		until(b"count 1")
		os.write(fd, b"exit\n")
		os.waitpid(pid, 0)
	END
	PATH=${MRUN%/*}:$PATH timeout 120 python3 typist.py "$BUILD/completion/mrun"
}
