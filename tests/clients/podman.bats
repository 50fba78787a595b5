#!/usr/bin/env bats
# podman with mrun, as root and as an ordinary user: what works for both.
# podman-root.bats has what needs root (limits, networks, pausing, cgroup v2).
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154,SC2317 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load podman

setup_file() { podman_make; }
teardown_file() { podman_clean; }
setup() { podman_setup; }
teardown() { podman_teardown; }

@test "podman info names mrun, and containers.conf is read" {
	info() {
		run -0 p info --format '{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}'
		[ "${lines[-1]}" = "mrun $P/bin/mrun" ]
		run -0 p info --format '{{.Host.OCIRuntime.Version}}'
		[[ $output == *"mrun version "*"spec: 1."* ]]
		run -0 p --runtime "$P/bin/mrun" run --rm "${NONE[@]}" alpine true
		# The errors come through the JSON log, which podman asks for only where it is told to.
		calls_begin
		run -127 prun --rm "${NONE[@]}" alpine /none
		grep -q -- '--log-format=json' "$P/calls"
		# Without cgroups: only where the runtime is listed for it.
		run -0 p run --rm --cgroups=disabled "${NONE[@]}" alpine cat /proc/self/cgroup
		[[ $output != *libpod* ]]
	}
	both info
}

@test "run: output, input, exit code; --rm leaves nothing" {
	basics() {
		run -3 --separate-stderr prun --rm "${NONE[@]}" alpine sh -c 'echo out; echo err >&2; exit 3'
		[ "$output" = out ]
		[[ $stderr == *err* ]]
		run -0 prun --rm -i "${NONE[@]}" alpine wc -c < <(head -c 1000000 /dev/zero)
		[ "$output" = 1000000 ]
		# Standard input that is not given is empty.
		run -0 prun --rm "${NONE[@]}" alpine wc -c < <(echo data)
		[ "$output" = 0 ]
		run -0 prun --rm "${NONE[@]}" --env A=b --workdir /tmp --hostname box --user 1000:2000 --group-add 33 \
			--umask 077 --entrypoint sh alpine -c 'echo $A; pwd; hostname; id -u; id -G; umask'
		[ "$output" = $'b\n/tmp\nbox\n1000\n2000 33\n0077' ] || [ "$output" = $'b\n/tmp\nbox\n1000\n33 2000\n0077' ]
		eventually podman_none_left
	}
	both basics
}

@test "exit codes and messages: 125, 126, 127" {
	codes() {
		run -125 prun --rm "${NONE[@]}" --no-such-option alpine true
		run -127 --separate-stderr prun --rm "${NONE[@]}" alpine /nonexistent
		[[ $stderr == *"mrun: exec /nonexistent: no such file or directory"* ]]
		run -127 --separate-stderr prun --rm "${NONE[@]}" alpine nonexistent
		[[ $stderr == *'mrun: exec: "nonexistent": executable file not found in $PATH'* ]]
		for program in /etc /etc/passwd; do
			run -126 --separate-stderr prun --rm "${NONE[@]}" alpine $program
			[[ $stderr == *"mrun: exec $program: permission denied"* ]]
		done
		run ! prun --rm "${NONE[@]}" --user nosuch alpine true
		run ! prun --rm "${NONE[@]}" --sysctl kernel.hostname=x alpine true
		[[ $output == *sysctl* ]]
		prun -d --name c "${NONE[@]}" alpine sleep 1000 >/dev/null
		run -127 p exec c /nonexistent
		[[ $output == *"exec /nonexistent: no such file or directory"* ]]
		run -127 p exec c nonexistent
		[[ $output == *'executable file not found in $PATH'* ]]
		run -126 p exec c /etc
		[[ $output == *"permission denied"* ]]
		run -127 p exec --workdir /none c pwd
		[[ $output == *"/none: no such file or directory"* ]]
		run ! p container checkpoint c
		# podman itself looks for criu first; with it, mrun's own words.
		[[ $output == *[Cc][Rr][Ii][Uu]* || $output == *checkpoint* ]]
		run -0 p exec c true
		run -0 p rm -f -t 0 c
		run ! p exec c true
	}
	both codes
}

@test "a detached container: exec, logs, inspect, top, healthcheck, stop, restart, kill, wait" {
	detached() {
		prun -d --name c --label k=v --health-cmd 'test -f /healthy' --health-interval disable "${NONE[@]}" \
			--env A=b alpine sh -c 'trap "echo got term; exit 7" TERM; echo started; echo error >&2; while :; do sleep 0.1; done' >/dev/null
		[ "$(p inspect c --format '{{.OCIRuntime}} {{.State.Status}} {{index .Config.Labels "k"}}')" = "mrun running v" ]
		pid=$(p inspect c --format '{{.State.Pid}}')
		as_who grep -q started "/proc/$pid/cmdline"

		run -4 p exec --env B=c --user 1000:1000 --workdir /tmp c sh -c 'echo $A $B; id -u; pwd; exit 4'
		[ "$output" = $'b c\n1000\n/tmp' ]
		run -0 p exec -i c cat < <(echo through exec)
		[ "$output" = "through exec" ]
		run -0 p exec --privileged c grep CapEff /proc/self/status
		[ "$((16#${output##*[[:space:]]}))" -ne 0 ]
		p exec -d c sh -c 'sleep 0.3; echo x >/detached' >/dev/null
		eventually p exec c test -s /detached

		run -1 p healthcheck run c
		p exec c touch /healthy
		run -0 p healthcheck run c
		[ "$(p inspect c --format '{{.State.Health.Status}}' 2>/dev/null || p inspect c --format '{{.State.Healthcheck.Status}}')" = healthy ]

		run -0 p top c pid user args
		[[ ${lines[1]} == 1*root*"sh -c"* ]]
		run -0 p top c -ef
		[[ $output == *"got term"* ]]

		run -0 p stop -t 60 c
		[ "$(p wait c)" = 7 ]
		[ "$(p inspect c --format '{{.State.Status}} {{.State.ExitCode}}')" = "exited 7" ]
		run -0 --separate-stderr p logs c
		[ "$output" = $'started\ngot term' ]
		[[ $stderr == *error* ]]
		run -0 p restart c
		run -0 p exec c ls /detached
		run -0 p kill c
		[ "$(p wait c)" = 137 ]
		run -0 p start c
		run -0 p kill --signal TERM c
		[ "$(p wait c)" = 7 ]
		run -0 p rm c
	}
	both detached
}

@test "under a terminal: run, exec, attach; its size and a change of it" {
	terminal() {
		# The client sends the size once it is attached: in the beginning there is none.
		size='until stty size 2>/dev/null | grep [1-9]; do sleep 0.1; done; echo @; read x;'
		run -5 typed size=33x99 'wait=@' size=44x111 'send=x\n' -- prun --rm -it "${NONE[@]}" alpine \
			sh -c "tty; $size until stty size | grep 44; do sleep 0.1; done; test -t 0 && test -t 2 && exit 5"
		[[ $output == */dev/pts/0*"33 99"*@*"44 111"* ]]
		prun -d --name c "${NONE[@]}" -i -t alpine sh >/dev/null 2>&1
		run -6 typed size=31x91 'wait=@' 'send=x\n' -- p exec -it c sh -c "$size ls /dev/console; exit 6"
		[[ $output == *"31 91"*@*/dev/console* ]]
		run -0 p exec -t c tty
		[[ $output == /dev/pts/* ]]
		# To what runs already.
		run -0 typed size=35x95 'send=\n' 'wait=#' 'send=until stty size | grep 35; do sleep 0.1; done; echo in-$((40+2))\n' 'wait=in-42' 'send=exit 9\n' -- p attach c
		[[ $output == *"35 95"* ]]
		[ "$(p wait c)" = 9 ]
		run -0 p rm -f -t 0 c
	}
	both terminal
}

@test "create, init, start --attach; three at once; a killed conmon" {
	life() {
		p create --name c -i "${NONE[@]}" alpine sh -c 'read x; echo "got $x"; exit 8' >/dev/null
		run -0 p init c
		[ "$(p inspect c --format '{{.State.Status}}')" = initialized ]
		run -8 p start -a -i c < <(echo line)
		[ "$output" = "got line" ]
		run -0 p rm c

		for i in 1 2 3; do
			prun --rm "${NONE[@]}" alpine sh -c "echo $i" >"out.$i" 2>"err.$i" &
		done
		wait
		[ "$(cat out.1 out.2 out.3)" = $'1\n2\n3' ]

		prun -d --name c "${NONE[@]}" alpine sleep 1000 >/dev/null
		id=$(p inspect c --format '{{.Id}}')
		as_who kill -KILL "$(p inspect c --format '{{.State.ConmonPid}}')"
		run -0 p rm -f -t 0 c
		# podman does not call for it then (nor with runc): the state is what `delete` clears away.
		run -0 as_who "$MRUN" state "$id"
		[ "$(jq -r .status <<<"$output")" = stopped ]
		run -0 as_who "$MRUN" delete --force "$id"
	}
	both life
}

@test "a restart policy, and a limit of time" {
	again() {
		prun -d --name c --restart on-failure:2 "${NONE[@]}" alpine sh -c 'echo once; exit 3' >/dev/null
		restarted() { [ "$(p inspect c --format '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}')" = "2 exited 3" ]; }
		eventually restarted
		[ "$(p logs c | grep -c once)" -eq 3 ]
		run -0 p rm c
		run ! prun --rm --timeout 1 "${NONE[@]}" alpine sleep 1000
	}
	both again
}

@test "--read-only, --tmpfs, --cap-drop, --cap-add, no-new-privileges, masks, --init" {
	confined() {
		run -0 prun --rm --read-only --tmpfs /t:size=1m,mode=1711,noexec --init --cap-drop all --cap-add net_raw \
			--security-opt no-new-privileges --security-opt mask=/etc/group --security-opt unmask=/proc/sys \
			--ulimit core=4096:8192 --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --oom-score-adj 500 --shm-size 1m --sysctl kernel.msgmax=1000 "${NONE[@]}" alpine sh -c '
			touch /x 2>&1 | grep -o Read-only; touch /t/x /run/x /tmp/x /dev/shm/x && echo written
			stat -c %a /t; grep -c " /t .*noexec.*size=1024k" /proc/self/mountinfo
			grep -E "^(CapPrm|CapEff|CapBnd|CapInh|CapAmb|NoNewPrivs|Seccomp):" /proc/self/status
			cat /proc/1/cmdline | tr "\0" " "; echo
			cat /etc/group | wc -c; ulimit -c; cat /proc/self/oom_score_adj /proc/sys/kernel/msgmax
			df -k /dev/shm | awk "NR == 2 { print \$2 }"'
		expected="Read-only|written|1711|1|CapInh:	0000000000000000|CapPrm:	0000000000002000|CapEff:	0000000000002000"
		expected+="|CapBnd:	0000000000002000|CapAmb:	0000000000000000|NoNewPrivs:	1|Seccomp:	2"
		[[ $(paste -sd '|' <<<"$output") == "$expected|"*init*"|0|8|500|1000|1024" ]]
		# As another user nothing is effective.
		run -0 prun --rm --user 1000 "${NONE[@]}" alpine grep -E '^Cap(Eff|Prm|Amb)' /proc/self/status
		[ "$(grep -c 0000000000000000 <<<"$output")" -eq 3 ]
	}
	both confined
}

@test "seccomp: a profile of one's own, unconfined, --privileged" {
	filter() {
		dir=$(own_dir seccomp)
		cat >"$dir/p.json" <<-'END'
			{"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
				[{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}
		END
		run -1 prun --rm --security-opt "seccomp=$dir/p.json" "${NONE[@]}" alpine mkdir /q
		[[ $output == *"ot supported"* ]]
		run -0 prun --rm --security-opt seccomp=unconfined "${NONE[@]}" alpine grep ^Seccomp: /proc/self/status
		[ "$output" = "Seccomp:	0" ]
		run -0 prun --rm --privileged "${NONE[@]}" alpine sh -c 'grep ^Seccomp: /proc/self/status; mount -t tmpfs none /mnt && echo mounted'
		[ "$output" = $'Seccomp:	0\nmounted' ]
	}
	both filter
}

@test "-v: read-only, flags, z, U, O, volumes, a file" {
	volumes() {
		dir=$(own_dir v)
		as_who sh -c "echo text >'$dir/f'; chmod 777 '$dir'"
		run -0 prun --rm -v "$dir:/ro:ro" -v "$dir:/rw:nosuid,nodev,noexec,rprivate,z" -v "$dir/f:/etc/motd:ro" -v "$dir:/o:O" \
			-v vol:/vol "${NONE[@]}" alpine sh -c '
			cat /etc/motd; touch /ro/x 2>&1 | grep -o Read-only; touch /rw/y; touch /o/only-here; touch /vol/z && echo vol
			grep -c " /rw rw,nosuid,nodev,noexec,relatime" /proc/self/mountinfo'
		[ "$output" = $'text\nRead-only\nvol\n1' ]
		[ "$(ls "$dir")" = $'f\ny' ]
		run -0 prun --rm -v vol:/vol:ro "${NONE[@]}" alpine ls /vol
		[ "$output" = z ]
		p volume rm vol >/dev/null
		# What is said to podman and gets as far as the runtime.
		for o in nocopy copy nocopy,z,ro; do
			run -0 prun --rm -v "vol:/vol:$o" "${NONE[@]}" alpine grep -c " /vol r[ow]," /proc/self/mountinfo
			[ "$output" = 1 ]
			p volume rm vol >/dev/null
		done
		run -0 prun --rm --mount "type=bind,src=$dir,dst=/a,relabel=shared,bind-propagation=rslave,ro" -v "$dir:/b:cached,rbind" \
			--mount "type=bind,src=$dir,dst=/c,bind-nonrecursive,consistency=delegated" --mount type=tmpfs,dst=/d,tmpfs-mode=700,tmpfs-size=1m,tmpcopyup \
			"${NONE[@]}" alpine sh -c "grep -E -o ' /[abcd] r[ow],' /proc/self/mountinfo | sort"
		[ "$output" = $' /a ro,\n /b rw,\n /c rw,\n /d rw,' ]
		# Given to the container's user.
		run -0 prun --rm --user 33:44 -v "$dir:/v:U" "${NONE[@]}" alpine sh -c 'stat -c %u:%g /v /v/f; touch /v/mine'
		[ "$output" = $'33:44\n33:44' ]
		if [ "$WHO" = root ]; then
			[ "$(stat -c %u:%g "$dir/mine")" = 33:44 ]
		else
			[ "$(stat -c %u "$dir/mine")" -eq $(($(lib_subid "$TEST_USER" /etc/subuid) + 32)) ]
		fi
		p unshare true 2>/dev/null && as_who podman unshare rm -rf "$dir" || rm -rf "$dir"
	}
	both volumes
}

@test "--userns: keep-id, auto, a mapping of one's own" {
	mapped() {
		[ "$WHO" = user ] || subids_for_auto
		run -0 prun --rm --userns=auto:size=2000 "${NONE[@]}" alpine sh -c 'id -u; awk "{ print \$1, \$3 }" /proc/self/uid_map; touch /f; stat -c %u /f'
		[ "$output" = $'0\n0 2000\n0' ]
		run -0 prun --rm --uidmap 0:1000:500 --gidmap 0:2000:500 "${NONE[@]}" alpine sh -c 'awk "{ print \$1, \$2, \$3 }" /proc/self/uid_map /proc/self/gid_map'
		[ "$output" = $'0 1000 500\n0 2000 500' ]
		[ "$WHO" = user ] || {
			# Gone already where another test's user was made or removed meanwhile: that replaces
			# the files, and what is mounted on a replaced file goes with it.
			in_ns umount /etc/subuid /etc/subgid 2>/dev/null || true
			return 0
		}
		dir=$(own_dir keep)
		run -0 prun --rm --userns=keep-id -v "$dir:/v" "${NONE[@]}" alpine sh -c 'id -u; id -g; touch /v/f; ! touch /x 2>/dev/null && echo no root'
		[ "$output" = "$TEST_UID"$'\n'"$TEST_GID"$'\nno root' ]
		[ "$(stat -c %u:%g "$dir/f")" = "$TEST_UID:$TEST_GID" ]
	}
	both mapped
}

@test "pods: shared namespaces, with an infra container and without" {
	# The infra container's program is catatonit, from this machine.
	[ -x /usr/libexec/podman/catatonit ] || [ -x /usr/lib/podman/catatonit ] || need catatonit
	pod() {
		local parent=()
		[ "$WHO" = user ] || parent=(--cgroup-parent "/$CGROUP")
		p pod create --name pod --network none --share ipc,uts,net,pid "${parent[@]}" >/dev/null
		p run -d --pod pod --name a alpine sh -c 'echo shared >/dev/shm/x; exec sleep 1000' >/dev/null
		eventually p exec a test -s /dev/shm/x
		run -0 p run --rm --pod pod alpine sh -c 'cat /dev/shm/x; hostname; ps -o args'
		[ "${lines[0]}" = shared ]
		[ "${lines[1]}" = pod ]
		[[ $output == *catatonit*"sleep 1000"* ]]
		[ "$(p pod inspect pod --format '{{.State}}')" = Running ]
		run -0 p pod top pod args
		[[ $output == *"sleep 1000"* ]]
		run -0 p pod stop -t 0 pod
		run -0 p pod start pod
		eventually p exec a true
		run -0 p pod rm -f -t 0 pod
		p pod create --name pod --infra=false --share "" "${parent[@]}" >/dev/null
		run -0 p run --rm --pod pod "${NONE[@]}" alpine echo without
		[ "$output" = without ]
		run -0 p pod rm -f pod
		p rmi -f "$(p images --format '{{.Repository}}:{{.Tag}}' | grep podman-pause)" >/dev/null
	}
	both pod
}

@test "--network host, another container's, slirp4netns" {
	need slirp4netns
	if [ -z "$HOLDER" ] && ! [ -w /dev/net/tun ]; then
		skip "/dev/net/tun is not open to $TEST_USER, and without root it cannot be made so"
	fi
	network() {
		[ "$(prun --rm --network host alpine readlink /proc/self/ns/net)" = "$(in_ns readlink /proc/self/ns/net)" ]
		prun -d --name c --network slirp4netns -p 127.0.0.1:18080:80 alpine sh -c 'while :; do echo from the inside | nc -l -p 80; done' >/dev/null
		run -0 prun --rm --network container:c alpine ip addr show tap0
		[[ $output == *10.0.2.100/24* ]]
		ask() { [ "$(in_ns bash -c 'cat </dev/tcp/127.0.0.1/18080')" = "from the inside" ]; }
		eventually ask
		run -0 p rm -f -t 0 c
	}
	both network
}

@test "--network pasta" {
	run p info --format '{{.Version.Version}}'
	version=${lines[-1]}
	run prun --rm --network pasta alpine ip addr
	case $output in
	*"unable to find network with name"*) skip "podman $version has no --network pasta (5.0 has)" ;;
	*"could not find pasta"*) skip "pasta is not installed" ;;
	esac
	pasta() {
		run -0 prun --rm --network pasta alpine ip addr
		[[ $output == *"inet "* ]]
	}
	both pasta
}

@test "--systemd=always: the mounts and variables of a container with systemd" {
	systemd() {
		run -0 prun --rm --systemd=always "${NONE[@]}" alpine sh -c '
			for d in /run /run/lock /tmp; do grep -c " $d .* tmpfs " /proc/self/mountinfo; touch $d/x; done
			echo $container; [ -n "$container_uuid" ] && echo uuid
			grep -c " /sys/fs/cgroup\(/systemd\)\? .*rw" /proc/self/mountinfo'
		[ "$(head -n 5 <<<"$output")" = $'1\n1\n1\npodman\nuuid' ] || [ "$(head -n 5 <<<"$output")" = $'1\n1\n1\noci\nuuid' ]
		[ "${lines[5]}" -ge 1 ]
	}
	both systemd
}

@test "descriptors: --preserve-fds, socket activation" {
	descriptors() {
		run -0 prun --rm --preserve-fds 2 "${NONE[@]}" alpine sh -c 'cat <&3; cat <&4; ls /proc/self/fd | wc -l' 3<<<three 4<<<four
		[ "$output" = $'three\nfour\n6' ]
		run -0 prun --rm "${NONE[@]}" alpine sh -c 'ls /proc/self/fd | wc -l' 9<<<leak
		[ "$output" = 4 ]
		prun -d --name c "${NONE[@]}" alpine sleep 1000 >/dev/null
		run -0 p exec --preserve-fds 1 c sh -c 'cat <&3' 3<<<"to exec"
		[ "$output" = "to exec" ]
		run -0 p rm -f -t 0 c
		# As systemd starts a service with a socket: LISTEN_PID is podman's own.
		run -0 as_who python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("\0mrun-test-" + str(os.getpid()))
s.listen()
os.dup2(s.fileno(), 3, inheritable=True)
os.environ.update({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"})
os.execvp(sys.argv[1], sys.argv[1:])' podman "${OWN[@]}" run --rm "${NONE[@]}" alpine sh -c '
			echo $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES; readlink /proc/self/fd/3 | grep -o socket; echo end'
		[ "$(grep -v '^time=' <<<"$output")" = $'1 1 web\nsocket\nend' ]
	}
	both descriptors
}

@test "--sdnotify=container: what the program sends reaches NOTIFY_SOCKET" {
	need cc
	cat >notify.c <<-'END'
		#include <stdlib.h>
		#include <string.h>
		#include <sys/socket.h>
		#include <sys/un.h>
		int main(void)
		{
			struct sockaddr_un a = { .sun_family = AF_UNIX };
			int s = socket(AF_UNIX, SOCK_DGRAM, 0);

			strncpy(a.sun_path, getenv("NOTIFY_SOCKET"), sizeof(a.sun_path) - 1);
			return sendto(s, "READY=1", 7, 0, (struct sockaddr *)&a, sizeof(a)) != 7;
		}
	END
	cc -static -o notify notify.c
	cat >listen.py <<-'END'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		os.chmod(sys.argv[1], 0o777)
		s.settimeout(60)
		got = ""
		while "READY=1" not in got:
		    got += s.recv(4096).decode() + "\n"
		print(got)
	END
	notify() {
		dir=$(own_dir sd)
		cp notify "$dir/"
		chmod 755 "$dir/notify"
		python3 listen.py "$dir/socket" >got 3>&- &
		eventually test -S "$dir/socket"
		PODMAN_ENV=("NOTIFY_SOCKET=$dir/socket")
		prun -d --name c --sdnotify=container -v "$dir/notify:/notify:ro" "${NONE[@]}" alpine sh -c '/notify && sleep 1000' >/dev/null
		PODMAN_ENV=()
		wait $!
		grep -q READY=1 got
		run -0 p rm -f -t 0 c
	}
	both notify
}

@test "build: the multi-stage example from its Dockerfile, on local bases" {
	need go
	archive=$(lib_cached "golang-$BASE_KIND.tar" golang_image)
	build() {
		context=$(own_dir context)
		cp "$EXAMPLE"/* "$context/"
		p load -q <"$archive" >/dev/null 2>&1
		calls_begin
		run -0 p --runtime mrun build --isolation oci --no-cache "${NONE[@]}" -t multistage-hello-world "$context"
		grep -q '^create ' "$P/calls"
		grep -q '^start ' "$P/calls"
		grep -q '^delete ' "$P/calls"
		run -0 --separate-stderr prun --rm "${NONE[@]}" multistage-hello-world
		[ "$output" = "Hello world!" ]
		# A step that fails stops the build.
		printf 'FROM alpine\nRUN echo here && exit 6\nRUN echo never\n' >"$context/Dockerfile"
		run ! p build --isolation oci --no-cache "${NONE[@]}" "$context"
		[[ $output == *here*"exit status 6"* ]]
		[[ $output != *never$'\n'* ]]
		# What podman built, mrun runs: podman's image is the same one.
		p save multistage-hello-world >hello.tar 2>/dev/null
		if [ "$WHO" = user ]; then
			as_user "$MRUN" load -q <hello.tar
			run -0 as_user "$MRUN" multistage-hello-world
		else
			"$MRUN" load -q -i hello.tar
			run -0 "$MRUN" multistage-hello-world
		fi
		[ "$output" = "Hello world!" ]
		p rmi -f multistage-hello-world golang:alpine >/dev/null 2>&1
	}
	both build
}
