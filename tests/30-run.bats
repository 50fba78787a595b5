#!/usr/bin/env bats
# `mrun IMAGE`: the program's trip from image to exit code, as root and as an ordinary user.
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() {
	user_make
	user_make_plain
	as_user "$MRUN" load -q -i "$(hello_image)"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	"$MRUN" load -q -i "$(hello_image)"
}
teardown() { lib_teardown; }

@test "the final image runs" {
	hello() {
		run -0 --separate-stderr m $I
		[ "$output" = "Hello world!" ]
		[ -z "$stderr" ]
	}
	both hello
}

@test "another user may open /dev/stdout when it is a pipe" {
	[ "$("$MRUN" -u nobody $I sh -c 'echo out >/dev/stdout')" = out ]
	# A pipe of his own: one of root's he could not give away.
	[ "$(as_user sh -c "'$MRUN' -u nobody $I sh -c 'echo out >/dev/stdout' | cat")" = out ]
}

@test "an image is run from its file as well" {
	cp "$(hello_image)" image.tar
	run -0 "$MRUN" ./image.tar
	[ "$output" = "Hello world!" ]
	run -0 "$MRUN" docker-archive:image.tar
	[ "$output" = "Hello world!" ]
}

@test "exit codes are the program's, 125, 126, 127 and 128+n" {
	codes() {
		run -0 m $I true
		run -7 --separate-stderr m --network none $I sh -c 'exit 7'
		[ -z "$stderr" ]
		run -127 m $I no-such-program
		[[ $output == *no-such-program*"not found"* ]]
		run -126 m $I /etc/passwd
		[[ $output == *"permission denied"* ]]
		run -137 m --init $I sh -c 'kill -KILL $$'
		run -143 m --init $I sh -c 'kill -TERM $$'
		run -125 m --no-such-option $I
		run -125 m no-such-image
	}
	both codes
}

@test "a failure without network hints at it, unless none was asked for" {
	run -3 "$MRUN" $I sh -c 'exit 3'
	[[ $output == *"hint: no network; try --network pasta"* ]]
	run -3 "$MRUN" --network none $I sh -c 'exit 3'
	[[ $output != *hint* ]]
}

@test "what the container writes is its own and gone afterwards" {
	writes() {
		run -0 m $I sh -c 'echo x >/etc/passwd && rm -rf /usr /var && mkdir /new && chmod 700 / && echo done'
		[ "$output" = "done" ]
		run -0 m $I sh -c '[ -d /usr ] && [ ! -e /new ] && grep -q root /etc/passwd && stat -c %a /'
		[ "$output" = 755 ]
		# As another id of the container, in a directory that root of the host's side cannot read.
		run -0 m $I sh -c 'mkdir -m 700 /tmp/d && touch /tmp/d/f && chown -R 1000:1000 /tmp/d'
		run -0 m $I sh -c '[ ! -e /tmp/d ]'
	}
	both writes
}

@test "two containers at once have files of their own" {
	"$MRUN" -i $I sh -c 'echo one >/own; cat >/dev/null; cat /own' < <(sleep 1) >one &
	sleep 0.3
	run -0 "$MRUN" $I sh -c '[ ! -e /own ] && echo two'
	[ "$output" = two ]
	wait $!
	[ "$(cat one)" = one ]
}

@test "a file in the container belongs to who made it" {
	owners() {
		run -0 m $I sh -c 'touch /f && stat -c %u:%g /f /bin/busybox && chown 12:34 /f && stat -c %u:%g /f'
		[ "$output" = $'0:0\n0:0\n12:34' ]
	}
	both owners
}

@test "standard input is passed on with -i only" {
	input() {
		[ "$(echo given | m -i $I cat)" = given ]
		[ -z "$(echo given | m $I cat)" ]
	}
	both input
}

@test "standard output and error stay apart" {
	run -0 --separate-stderr "$MRUN" $I sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "the environment: defaults, image, options, nothing of the host's" {
	environment() {
		SECRET=leak run -0 m $I env
		[[ $output == *"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"* ]]
		[[ $output == *HOME=/root* ]]
		[[ $output == *HOSTNAME=* ]]
		[[ $output != *TERM=* ]]
		[[ $output != *SECRET* ]]
		[[ $output != *MRUN_TEST_MARK* ]]
	}
	both environment
}

@test "HOSTNAME, hostname and /etc/hostname agree and are the id's beginning" {
	run -0 "$MRUN" --cidfile id $I sh -c 'echo $HOSTNAME; hostname; cat /etc/hostname; grep -c $HOSTNAME /etc/hosts'
	short=$(head -c 12 id)
	[ "$output" = "$short"$'\n'"$short"$'\n'"$short"$'\n1' ]
}

@test "malformed Env entries of an image are left out with one warning" {
	"$MRUN" save -o plain.tar $I
	mkdir x && tar -C x -xf plain.tar
	config=$(jq -r '.[0].Config' x/manifest.json)
	jq '.config.Env = ["SECRET", "*", "=x", "", "GOOD=1", "bad name=1"]' "x/$config" >x/new.json
	digest=$(sha256sum x/new.json | cut -d' ' -f1)
	# The new layout names blobs by digest; the old one has DIGEST.json.
	case $config in blobs/*) new=blobs/sha256/$digest ;; *) new=$digest.json ;; esac
	mv x/new.json "x/$new" && rm "x/$config"
	jq --arg c "$new" '.[0].Config = $c | .[0].RepoTags = ["odd:1"]' x/manifest.json >x/m &&
		mv x/m x/manifest.json
	rm -f x/index.json x/oci-layout x/repositories
	tar -C x -cf odd.tar .
	export SECRET=leaked
	run -0 --separate-stderr "$MRUN" ./odd.tar env
	[[ $output == *GOOD=1* ]]
	[[ $output != *SECRET* ]]
	[[ $output != *"bad name"* ]]
	[[ $output != *leaked* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *"5 malformed Env entries"* ]]
}

@test "namespaces are the container's own" {
	namespaces() {
		local ns
		for ns in user mnt pid net ipc uts cgroup; do
			[ "$(m $I readlink /proc/self/ns/$ns)" != "$(readlink /proc/self/ns/$ns)" ]
		done
		[ "$(m $I sh -c 'echo $$')" = 1 ]
	}
	both namespaces
}

@test "capabilities are Docker's default ones, none inheritable or ambient" {
	capabilities() {
		run -0 m $I grep ^Cap /proc/self/status
		[ "$output" = $'CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000' ]
		run -0 m -u 1000 $I grep -E 'CapPrm|CapEff' /proc/self/status
		[ "$output" = $'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000' ]
	}
	both capabilities
}

@test "/proc and /sys are masked and read-only where Docker has them so" {
	masked() {
		# shellcheck disable=SC2016
		run -0 m $I sh -c '
			[ -z "$(cat /proc/keys 2>/dev/null)" ] && [ -z "$(cat /proc/timer_list 2>/dev/null)" ] &&
			[ -z "$(ls /sys/firmware)" ] && ! echo 1 2>/dev/null >/proc/sys/kernel/core_pattern &&
			! echo h 2>/dev/null >/proc/sysrq-trigger && ! mkdir /sys/fs/cgroup/x 2>/dev/null && echo ok'
		[ "$output" = ok ]
	}
	both masked
}

@test "/dev has what a container needs and no more" {
	devices() {
		run -0 m $I sh -c 'ls /dev | tr "\n" " "; echo x >/dev/null; head -c 3 /dev/zero | wc -c; stat -c %a /dev/shm'
		[ "$output" = $'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 3\n1777' ]
	}
	both devices
}

@test "no descriptor but the three standard ones reaches the program" {
	exec 7</etc/passwd 8<"$T"
	run -0 "$MRUN" $I sh -c 'ls /proc/self/fd'
	exec 7<&- 8<&-
	# 3 is ls's own, of the directory that it lists.
	[ "$output" = $'0\n1\n2\n3' ]
}

@test "signals are passed on to the program" {
	signals() {
		local pid
		m $I sh -c 'trap "echo got TERM; exit 5" TERM; echo ready; while :; do sleep 0.1; done' >out &
		pid=$!
		for _ in {1..600}; do
			grep -q ready out && break
			sleep 0.1
		done
		# $! is a shell's, of as_user.
		kill -TERM "$(lib_processes | sed -n "s|^\([0-9]*\) $MRUN .*got TERM.*|\1|p" | head -1)"
		local code=0
		wait $pid || code=$?
		[ "$code" -eq 5 ]
		grep -q 'got TERM' out
	}
	both signals
}

@test "three interrupts within two seconds end a program that ignores them" {
	# In the background a shell ignores SIGINT for its children.
	env --default-signal=INT "$MRUN" $I sh -c 'trap "" INT; echo ready; while :; do sleep 0.1; done' >out &
	pid=$!
	for _ in {1..200}; do
		grep -q ready out && break
		sleep 0.1
	done
	kill -INT $pid
	sleep 0.2
	kill -0 $pid
	kill -INT $pid
	sleep 0.2
	kill -INT $pid
	code=0
	wait $pid || code=$?
	[ "$code" -eq 137 ] || [ "$code" -eq 130 ]
}

@test "a killed mrun takes its container with it" {
	"$MRUN" $I sleep 47.11 &
	pid=$!
	for _ in {1..200}; do
		pgrep -f '^sleep 47.11$' >/dev/null && break
		sleep 0.1
	done
	pgrep -f '^sleep 47.11$'
	kill -KILL $pid
	wait $pid || true
	for _ in {1..200}; do
		pgrep -f '^sleep 47.11$' >/dev/null || break
		sleep 0.1
	done
	run ! pgrep -f '^sleep 47.11$'
	"$MRUN" list -q | while read -r id; do "$MRUN" delete --force "$id"; done
}

@test "--init reaps orphans and passes signals on" {
	# shellcheck disable=SC2016
	run -0 "$MRUN" --init $I sh -c '(sh -c "sleep 0.1 & exit" &); sleep 0.5; for i in 1 2 3 4 5 6 7 8 9; do ps | grep -q "sleep" || break; sleep 1; done; ps | grep -c "[Zz]ombie\|\[sleep\]" || true; [ $$ -ne 1 ]'
	[ "${lines[0]}" = 0 ]
	run -9 "$MRUN" --network none --init $I sh -c 'exit 9'
	"$MRUN" --init $I sh -c 'echo up; exec sleep 60' >up 3>&- &
	pid=$!
	for _ in {1..200}; do grep -q up up && break; sleep 0.05; done
	kill -TERM $pid
	code=0
	wait $pid || code=$?
	[ "$code" -eq 143 ]
}

@test "-t gives a terminal of the caller's size" {
	need script
	terminal() {
		cat >"$T/t.sh" <<-END
			stty rows 33 cols 77
			exec "\$@"
		END
		chmod 755 "$T/t.sh"
		# shellcheck disable=SC2016
		run -0 m_script -it $I sh -c '"tty; stty size; echo \$TERM; test -t 0 && test -t 1 && test -t 2 && echo all"'
		output=${output//$'\r'/}
		# script types the end of its input, which the terminal may echo anywhere in between.
		output=${output//'^@'/} output=${output//'^D'/} output=${output//$'\b'/}
		[[ $output == *$'/dev/pts/0\n33 77\nxterm\nall'* ]]
	}
	m_script() {
		case $WHO in
		user) as_user script -qec "sh $T/t.sh $MRUN $*" /dev/null ;;
		*) script -qec "sh $T/t.sh $MRUN $*" /dev/null ;;
		esac </dev/null
	}
	both terminal
	run -125 "$MRUN" -it $I true </dev/null
	[[ $output == *"not a terminal"* ]]
}

@test "a relative or missing working directory, and one that links lead to" {
	run -0 "$MRUN" -w /not/there $I pwd
	[ "$output" = /not/there ]
	run -125 "$MRUN" -w rel $I pwd
	[[ $output == *"not an absolute path"* ]]
	[ ! -e /not/there ]
}

@test "without subordinate ids one line says what is lost, and it runs" {
	as_user2 "$MRUN" load -q -i "$(hello_image)" || {
		cp "$(hello_image)" "$TEST_HOME2/hello.tar"
		as_user2 "$MRUN" load -q -i "$TEST_HOME2/hello.tar"
	}
	run -0 --separate-stderr as_user2 "$MRUN" $I
	code=$?
	[ "$output" = "Hello world!" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	run -0 --separate-stderr as_user2 "$MRUN" $I sh -c 'id -u; grep NoNewPrivs /proc/self/status'
	[ "$output" = $'0\nNoNewPrivs:\t1' ]
	[ "$code" -eq 0 ]
}

@test "a cache whose file system takes no user attributes: it runs, and says what was done instead" {
	need_root
	# ramfs has no extended attributes.
	mkdir ram && mount -t ramfs ramfs ram
	XDG_CACHE_HOME=$T/ram run -0 --separate-stderr "$MRUN" $I
	umount ram
	[ "$output" = "Hello world!" ]
	[[ $stderr == *overlay* ]]
}

# crun refuses hosts with hybrid cgroups.
crun_works() { command -v crun >/dev/null && [ ! -d /sys/fs/cgroup/unified ]; }

@test "unpack makes a bundle that runc and crun run" {
	local runtime
	run -0 "$MRUN" unpack $I bundle
	jq -e '.process.args == ["/app/hello-world"] and .root.path == "rootfs"' bundle/config.json
	for runtime in runc crun; do
		command -v $runtime >/dev/null || continue
		[ $runtime = runc ] || crun_works || continue
		run -0 --separate-stderr $runtime --root "$T/$runtime" run -b bundle "mrun-test-$$"
		[ "$output" = "Hello world!" ]
	done
	run -125 "$MRUN" unpack $I bundle
	[[ $output == *"has a config.json already"* ]]
	run -125 "$MRUN" unpack no-such-image new
	[ ! -e new ]
}

@test "unpack as an ordinary user makes a rootless bundle" {
	run -0 as_user "$MRUN" unpack $I "$TEST_HOME/bundle"
	jq -e '.linux.uidMappings[0].containerID == 0 and ([.linux.namespaces[].type] | index("user"))' "$TEST_HOME/bundle/config.json"
	if crun_works; then
		[ "$(as_user crun --root "$TEST_HOME/run/crun" --cgroup-manager disabled run -b "$TEST_HOME/bundle" x)" = "Hello world!" ]
	fi
	if command -v runc >/dev/null; then
		[ "$(as_user runc --root "$TEST_HOME/run/runc" --rootless true run -b "$TEST_HOME/bundle" x)" = "Hello world!" ]
	fi
	[ "$(as_user "$MRUN" run -b "$TEST_HOME/bundle" x)" = "Hello world!" ]
	rm -rf "$TEST_HOME/bundle"
}

@test "--stop-signal: what a SIGTERM to mrun becomes in the container" {
	"$MRUN" --stop-signal USR1 $I sh -c 'trap "exit 9" USR1; trap "exit 8" TERM; echo up; while :; do sleep 0.05; done' >out 2>&1 3>&- &
	pid=$!
	for _ in {1..100}; do grep -q up out && break; sleep 0.05; done
	kill -TERM $pid
	code=0
	wait $pid || code=$?
	[ $code -eq 9 ]
}
