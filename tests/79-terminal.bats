#!/usr/bin/env bats
# The caller's terminal and streams while mrun is attached: nothing blocks, nothing is lost, and the
# terminal is given back as it was on every way out.
# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154
bats_require_minimum_version 1.5.0
load lib

setup_file() {
	user_make
	export PTY=$BATS_FILE_TMPDIR/terminal.py
	cat >"$PTY" <<-'END'
		# terminal.py SCRIPT COMMAND…: COMMAND on a terminal of its own, driven by SCRIPT (Python), which has
		#   wait(TEXT) until that came out   type(TEXT)   signal(NAME) to mrun   size(ROWS, COLS)
		#   stuck() nothing is read from now on, until mrun can write no more
		# Prints what came out, and at the end "restored BOOL code N" of COMMAND.
		import fcntl, os, pty, select, signal as sig, struct, subprocess, sys, termios, time
		def set_size(fd, rows, cols):
		    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
		master, slave = pty.openpty()
		set_size(master, 41, 123)
		before = termios.tcgetattr(slave)
		def child():
		    os.setsid()
		    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
		p = subprocess.Popen(sys.argv[2:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=child)
		out = b""
		def pump(t):
		    global out
		    if select.select([master], [], [], t)[0]:
		        out += os.read(master, 65536)
		        return True
		    return False
		def wait(text):
		    end = time.time() + 30
		    while text.encode() not in out:
		        pump(0.1)
		        if time.time() > end:
		            sys.exit(f"no {text!r} in {out[-2000:]!r}")
		def type(text):
		    os.write(master, text.encode())
		def signal(name):
		    os.kill(p.pid, getattr(sig, "SIG" + name))
		def size(rows, cols):
		    set_size(master, rows, cols)
		def stuck():
		    def waiting():
		        return struct.unpack("I", fcntl.ioctl(master, termios.FIONREAD, b"0000"))[0]
		    n = -1
		    while waiting() != n:
		        n = waiting()
		        time.sleep(0.3)
		def cooked():
		    flags = termios.tcgetattr(slave)[3]
		    return flags & termios.ICANON and flags & termios.ECHO
		def until(condition):
		    end = time.time() + 30
		    while not condition():
		        pump(0.05)
		        if time.time() > end:
		            sys.exit(f"never so; cooked {cooked()}, below {state(below())}, {out[-2000:]!r}")
		def state(pid):
		    return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
		def below(): # the shell's job
		    return int(open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()[0])
		def forget(): # wait() is for what comes from now on
		    global out
		    while pump(0):
		        pass
		    out = b""
		def ended(t=30):
		    p.wait(t)
		try:
		    exec(sys.argv[1])
		    end = time.time() + 30
		    while p.poll() is None and time.time() < end:
		        pump(0.1)
		    while pump(0):
		        pass
		finally:
		    if p.poll() is None:
		        p.kill()
		        print("KILLED")
		sys.stdout.write(out.decode(errors="replace")[-3000:])
		print("\nrestored", termios.tcgetattr(slave) == before, "code", p.wait())
	END
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	need python3
	ID=mrun-e$$-$RANDOM
	WHO=root
}
teardown() {
	"$MRUN" delete -f "$ID" >/dev/null 2>&1
	[ "$WHO" = root ] || m delete -f "$ID" >/dev/null 2>&1
	lib_teardown
}
sh_bundle() { # SCRIPT [JQ]
	rm -rf b
	bundle b ".process.terminal = true | .process.args = [\"/bin/sh\", \"-c\", $(jq -n --arg s "$1" '$s')] | ${2:-.}"
}
# A pid 1 without a handler would not even see the signal.
host_pids() {
	jq '.linux.namespaces |= map(select(.type != "pid")) | .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .mounts |= map(if .destination == "/proc" then {destination: "/proc", type: "bind", source: "/proc", options: ["rbind"]} else . end)' b/config.json >c &&
		mv c b/config.json
}
on_pty() { timeout 100 python3 "$PTY" "$@"; }
TRAP='trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done'

@test "the terminal is restored: exit, crash, kill, signals to mrun, faults of mrun" {
	need_root
	sh_bundle "$TRAP"
	run -0 on_pty 'wait("ready"); signal("TERM")' "$MRUN" run --bundle b "$ID"
	[[ $output == *"restored True code 7" ]]
	sh_bundle 'trap "" HUP TERM INT QUIT; echo ready; kill -SEGV $$; sleep 1000'
	host_pids
	run -0 on_pty 'wait("ready")' "$MRUN" run --bundle b "$ID"
	[[ $output == *"restored True code 139" ]]
	sh_bundle 'echo ready; sleep 1000'
	run -0 on_pty "wait('ready'); subprocess.run(['$MRUN', 'kill', '$ID', 'KILL'])" "$MRUN" run --bundle b "$ID"
	[[ $output == *"restored True code 137" ]]
	for sig in SEGV ABRT BUS; do
		run -0 on_pty "wait('ready'); signal('$sig')" "$MRUN" run --bundle b "$ID"
		[[ $output == *"restored True code -"* ]]
		"$MRUN" delete -f "$ID"
	done
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1 || jq '.process.terminal = false' b/config.json >c
	mv c b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run -0 on_pty 'wait("ready"); signal("TERM")' "$MRUN" exec -t "$ID" sh -c "$TRAP"
	[[ $output == *"restored True code 7" ]]
	run -0 on_pty 'wait("ready"); signal("SEGV")' "$MRUN" exec -t "$ID" sh -c "$TRAP"
	[[ $output == *"restored True code -11" ]]
	# The container's end, from outside.
	run -0 on_pty "wait('ready'); subprocess.run(['$MRUN', 'delete', '-f', '$ID'])" "$MRUN" exec -t "$ID" sh -c 'echo ready; sleep 1000'
	[[ $output == *"restored True code 137" ]]
	# A start that fails leaves it alone.
	sh_bundle true '.process.args = ["/none"]'
	run -0 on_pty '' "$MRUN" run --bundle b "$ID"
	[[ $output == *"restored True code 1" ]]
}

@test "a terminal that nobody reads: mrun takes signals all the same" {
	need_root
	sh_bundle 'echo ready; while :; do echo "a line that is somewhat long, so that it does not take for ever"; done'
	host_pids
	# The first ends the container, the second the wait for a reader.
	run -0 on_pty 'wait("ready"); stuck(); signal("TERM"); time.sleep(1); signal("TERM"); ended()' "$MRUN" run --bundle b "$ID"
	[[ $output == *"restored True code 143" ]]
	[[ $output != *KILLED* ]]
	[ -z "$("$MRUN" list -q)" ]
}

@test "a container that does not read its terminal: mrun takes signals all the same" {
	need_root
	sh_bundle 'stty raw -echo; '"$TRAP"
	run -0 on_pty 'wait("ready")
os.set_blocking(master, False)
for i in range(100):
    try:
        type("x" * 1000)
    except BlockingIOError:
        pass
    time.sleep(0.01)
signal("TERM")' "$MRUN" run --bundle b "$ID"
	[[ $output == *"restored True code 7" ]]
	[[ $output != *KILLED* ]]
}

@test "a slow reader loses nothing, also after the container's end" {
	need_root
	sh_bundle 'seq 14000'
	# The reader begins when the container has ended: all is in the pipe, in mrun and in the terminal.
	"$MRUN" run --bundle b "$ID" </dev/null 2>err | {
		sleep "${MRUN_TEST_SLOW:-2}"
		cat >out
	}
	[ ! -s err ]
	[ "$(md5sum <out)" = "$(seq 14000 | md5sum)" ]
	# A reader that goes away ends nothing.
	sh_bundle 'seq 20000; exit 4'
	run -0 bash -c "'$MRUN' run --bundle b '$ID' </dev/null | head -n 1 >out; echo \${PIPESTATUS[0]}"
	[ "$output" = 4 ]
	[ "$(cat out)" = 1 ]
	# What is started in the background keeps the terminal, and nobody waits for that.
	sh_bundle 'sleep 1000'
	jq '.process.terminal = false' b/config.json >c && mv c b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	[ "$(timeout 20 "$MRUN" exec -t "$ID" sh -c 'trap "" HUP; sleep 500 & echo done' </dev/null)" = "done" ]
}

@test "the end of standard input reaches a program that changes the mode of the terminal when it is there" {
	need_root
	need cc
	cat >end.c <<-'END'
		#include <poll.h>
		#include <stdio.h>
		#include <termios.h>
		#include <unistd.h>
		int main(void)
		{
			struct pollfd p = { 0, POLLIN, 0 };
			struct termios t;
			char c;

			poll(&p, 1, 20000); /* the end is there, and nobody has read it */
			tcgetattr(0, &t);
			t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
			tcsetattr(0, TCSANOW, &t);
			write(1, "ready\n", 6);
			while (poll(&p, 1, 20000) == 1 && read(0, &c, 1) == 1)
				if (c == 4)
					return 7;
			return 1;
		}
	END
	cc -static -o end end.c
	sh_bundle 'sleep 1000'
	cp end b/rootfs/end
	jq '.process.args = ["/end"]' b/config.json >c && mv c b/config.json
	run -7 bash -c "'$MRUN' run --bundle b '$ID' </dev/null"
	jq '.process.args = ["sleep", "1000"] | .process.terminal = false' b/config.json >c && mv c b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run -7 "$MRUN" exec -t "$ID" /end </dev/null
}

# A shell with job control, whose one job is COMMAND: it is stopped in each way, and goes on.
job_control() { # COMMAND…
	local script='
wait("$ ")
type("eval \"$JOB\"\r")
wait("ready"); until(lambda: not cooked())
job = below()
for rows, name in (20, "STOP"), (30, "TSTP"), (31, "TTIN"):
    forget()
    os.kill(job, getattr(sig, "SIG" + name))
    wait("Stopped"); until(lambda: state(job) == "T" and cooked())
    size(rows, 90)
    if name == "TTIN":
        # In the background it is stopped again: it has no terminal there.
        forget(); type("bg\r")
        until(lambda: type("\r") or b"Stopped" in out and state(job) == "T" and cooked())
    forget(); type("fg\r")
    until(lambda: not cooked())
    # The container has the keys again, and knows the size that nobody told mrun of.
    forget(); type("k")
    wait(f"key k of {rows} 90")
    assert b"kk" not in out
    until(lambda: below() == job and state(job) in "SRD")
forget(); type("q")
wait("$ "); until(cooked)
type("echo code $?\r"); wait("code 9"); type("exit\r")
'
	run on_pty "$script" env 'PS1=$ ' JOB="${*@Q}" bash --norc --noprofile --noediting -i
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output != *KILLED* ]]
}

KEYS='stty raw -echo; echo ready
	while k=$(dd bs=1 count=1 2>/dev/null); do echo "key $k of $(stty size)"; [ "$k" != q ] || exit 9; done'

@test "stopped and continued: the shell has its terminal meanwhile, mrun has it raw again and knows its size" {
	need_root
	sh_bundle "$KEYS"
	job_control "$MRUN" run --bundle b "$ID"
	jq '.process.args = ["sleep", "1000"] | .process.terminal = false' b/config.json >c && mv c b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	job_control "$MRUN" exec -t "$ID" sh -c "$KEYS"
	"$MRUN" delete -f "$ID"
	local dir=$TEST_HOME image user
	image=$(hello_image)
	user=(setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups env -i -C "$dir" HOME="$dir" XDG_RUNTIME_DIR="$dir/run"
		PATH="$PATH" MRUN_TEST_MARK="$T")
	job_control "${user[@]}" "$MRUN" --rm -it --name "$ID" "$image" sh -c "$KEYS"
	# Where no shell could continue it, it is not stopped.
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run -0 on_pty 'wait("ready"); signal("TSTP"); time.sleep(0.3)
assert not cooked(); type("k"); wait("key k"); type("q")' "$MRUN" exec -t "$ID" sh -c "$KEYS"
	[[ $output == *"restored True code 9" ]]
}

@test "size: before the program starts, from whichever stream is a terminal, and each change" {
	need_root
	# shellcheck disable=SC2089
	sh_bundle 'stty size; trap "stty size; exit 3" WINCH; echo ready; while :; do sleep 0.05; done'
	run -0 on_pty 'wait("ready"); size(30, 90)' "$MRUN" run --bundle b "$ID"
	[[ $output == *"41 123"*ready*"30 90"*"restored True code 3" ]]
	run -0 on_pty 'wait("ready"); size(30, 90)' sh -c "exec '$MRUN' run --bundle b '$ID' </dev/null"
	[[ $output == *"41 123"*ready*"30 90"*"restored True code 3" ]]
	# config.json's own comes before that.
	sh_bundle 'stty size' '.process.consoleSize = {height: 5, width: 6}'
	run -0 bash -c "'$MRUN' run --bundle b '$ID' </dev/null"
	[ "$output" = "5 6" ]
	jq '.process.args = ["sleep", "1000"] | .process.terminal = false' b/config.json >c && mv c b/config.json
	"$MRUN" run -d --bundle b "$ID" </dev/null >log 2>&1
	run -0 on_pty 'wait("ready"); size(30, 90)' sh -c "exec '$MRUN' exec -t '$ID' sh -c 'stty size; trap \"stty size; exit 3\" WINCH; echo ready; while :; do sleep 0.05; done' </dev/null"
	[[ $output == *"41 123"*ready*"30 90"*"restored True code 3" ]]
}

stdin_detached() {
	local dir=$T
	[ "$WHO" = root ] || dir=$TEST_HOME
	rm -rf b
	bundle b '.process.args = ["/bin/sh", "-c", "read x; echo \"got $x\"; sleep 1000"]'
	if [ "$WHO" != root ]; then
		m spec --rootless --bundle "$dir" && jq -s '.[1].process = .[0].process | .[1]' b/config.json "$dir/config.json" >c && mv c b/config.json
		rm "$dir/config.json"
		mv b "$dir/b"
		chown -R "$TEST_USER:" "$dir/b"
	fi
	# run -d and create: the program has mrun's own streams, and mrun does not stay between.
	echo one | m run -d --bundle "$dir/b" "$ID" >out 2>err
	for _ in {1..100}; do grep -q got out && break; sleep 0.05; done
	[ "$(cat out)" = "got one" ]
	m delete -f "$ID"
	echo two | m create --bundle "$dir/b" "$ID" >out 2>err
	echo three | m start "$ID"
	for _ in {1..100}; do grep -q got out && break; sleep 0.05; done
	[ "$(cat out)" = "got two" ]
	[ ! -s err ]
	echo four | m exec -d "$ID" sh -c 'cat; echo end' >out
	for _ in {1..100}; do grep -q end out && break; sleep 0.05; done
	[ "$(tr '\n' ' ' <out)" = "four end " ]
	m delete -f "$ID"
	rm -rf "$dir/b"
}
@test "stdin of a detached container is the caller's" {
	both stdin_detached
}
