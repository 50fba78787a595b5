#!/usr/bin/env bats
# Docker: a dockerd of the file's own, with examples/daemon.json and everything else below one
# directory, in a network namespace of its own (its bridge and its firewall rules stay there).
# mrun is a runtime by name, the default, and, as `runc` in dockerd's PATH, what BuildKit takes.
# What cannot be put elsewhere is /run/docker/plugins and /etc/docker/key.json: taken away at the end
# where they were not there before.
# shellcheck disable=SC2016,SC2030,SC2031
bats_require_minimum_version 1.5.0
load ../lib
load containerd

I=multistage-hello-world

setup_file() {
	docker_can || return 0
	user_make
	lib_setup
	D=$T
	CGROUP=mrun-test-$LIB_RUN-$RANDOM
	export D CGROUP DOCKER_HOST=unix://$D/docker.sock DOCKER_CONFIG=$D/config
	docker_prepare
	docker_start
	docker load -qi "$(hello_image)"
	docker import - alpine:latest <"$(lib_cached "base-$BASE_KIND.tar" lib_make_base)"
}
teardown_file() {
	[ -z "$LIB_SKIP" ] || return 0
	local failed=0
	T=$D
	docker_clean || failed=1
	lib_teardown || failed=1
	user_clean || failed=1
	return "$failed"
}
setup() {
	lib_setup
	N=mrun-$LIB_RUN-$RANDOM
}
teardown() {
	local failed=0
	[ -z "$LIB_SKIP" ] || return 0
	if [ -n "${BATS_TEST_COMPLETED:-}" ]; then
		docker_idle || failed=1
	else
		tail -5 "$D/log" >&2
	fi
	docker_end_containers
	lib_teardown || failed=1
	return "$failed"
}

docker_can() {
	local program
	LIB_SKIP=
	# A client that belongs to the daemon, if there is one: another may want plugins that are not there.
	if [ -x /usr/bin/docker ]; then DOCKER=/usr/bin/docker; else DOCKER=$(command -v docker || echo docker); fi
	[ "$(id -u)" -eq 0 ] || LIB_SKIP="needs root"
	for program in dockerd containerd containerd-shim-runc-v2 "$DOCKER" jq python3; do
		[ -n "$LIB_SKIP" ] || command -v "$program" >/dev/null ||
			LIB_SKIP="$program is not installed (scripts/install-deps clients)"
	done
	[ -n "$LIB_SKIP" ] || unshare -mn true 2>/dev/null || LIB_SKIP="no right to mount and to make network namespaces here"
	export LIB_SKIP DOCKER
	[ -z "$LIB_SKIP" ]
}

docker() { timeout -k 5 120 "$DOCKER" "$@"; }

docker_prepare() {
	local had='' path
	for path in /etc/docker/key.json /etc/docker /run/docker; do [ ! -e $path ] || had="$had $path "; done
	export DOCKER_HAD=$had
	# mrun serves under that name, too: BuildKit looks for it in PATH.
	mkdir "$D/bin" "$D/config"
	ln -s "$MRUN" "$D/bin/runc"
	jq --arg d "$D" --arg mrun "$MRUN" --arg parent "/$CGROUP" \
		--argjson iptables "$(unshare -n iptables -t nat -S >/dev/null 2>&1 && echo true || echo false)" \
		'.runtimes.mrun.path = $mrun | . + {
			"data-root": "\($d)/data", "exec-root": "\($d)/exec", pidfile: "\($d)/pid",
			hosts: ["unix://\($d)/docker.sock"], "cgroup-parent": $parent, iptables: $iptables}' \
		"$ROOT/examples/daemon.json" >"$D/daemon.json"
	unshare -n ip link add name probe type bridge 2>/dev/null || {
		jq '.bridge = "none"' "$D/daemon.json" >"$D/none.json"
		mv -f "$D/none.json" "$D/daemon.json"
	}
}

docker_start() {
	PATH=$D/bin:$PATH unshare -n sh -c 'ip link set lo up; exec dockerd --config-file "$1"' sh "$D/daemon.json" \
		>"$D/log" 2>&1 </dev/null 3>&- &
	echo $! >"$D/dockerd"
	disown
	for _ in {1..600}; do
		! docker version >/dev/null 2>&1 || return 0
		kill -0 "$(cat "$D/dockerd")" 2>/dev/null || break
		sleep 0.1
	done
	echo "dockerd does not start:" >&2
	tail -20 "$D/log" >&2
	return 1
}

docker_stop() {
	[ ! -S "$D/docker.sock" ] || docker_end_containers
	kill "$(cat "$D/dockerd")" || true
	for _ in {1..300}; do
		kill -0 "$(cat "$D/dockerd")" 2>/dev/null || break
		sleep 0.1
	done
}

docker_clean() {
	local failed=0
	docker_stop
	containerd_clean_run
	lib_processes >"$D/left"
	lib_mounts | lib_new "$D/.mounts" >>"$D/left"
	find /sys/fs/cgroup -maxdepth 2 -name "$CGROUP" >>"$D/left" 2>/dev/null
	[ ! -s "$D/left" ] || {
		failed=1
		echo "left behind:" >&2
		cat "$D/left" >&2
	}
	[[ $DOCKER_HAD == *" /etc/docker/key.json "* ]] || rm -f /etc/docker/key.json
	[[ $DOCKER_HAD == *" /etc/docker "* ]] || rmdir /etc/docker
	[[ $DOCKER_HAD == *" /run/docker "* ]] || rmdir /run/docker/plugins /run/docker
	return "$failed"
}

docker_end_containers() {
	local dir ids
	mapfile -t ids < <(docker ps -aq)
	[ ${#ids[@]} -eq 0 ] || docker rm -fv "${ids[@]}" >/dev/null 2>&1
	for dir in "/sys/fs/cgroup/$CGROUP"/* /sys/fs/cgroup/*/"$CGROUP"/*; do
		[ ! -d "$dir" ] || xargs -r kill -KILL <"$dir/cgroup.procs" 2>/dev/null
	done
}

docker_leftovers() {
	docker ps -aq | sed 's/^/container /'
	find "$D/exec/runtime-runc/moby" "$D/exec/containerd/daemon/io.containerd.runtime.v2.task/moby" \
		-mindepth 1 -maxdepth 1 2>/dev/null
	find /sys/fs/cgroup -maxdepth 2 -name "$CGROUP" 2>/dev/null
	# The files that network namespaces were mounted on go when dockerd collects them, once a minute.
	awk -v a="$D/data/" -v b="$D/exec/netns/" '(index($5, a) && $5 ~ "/(overlay2|containers)/") ||
		(index($5, b) && $5 !~ "/default$") { print "mount " $5 }' /proc/self/mountinfo
}

docker_idle() {
	local left _
	for _ in {1..150}; do
		left=$(docker_leftovers)
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	printf 'left behind:\n%s\n' "$left" >&2
	return 1
}

inspect() { docker inspect -f "{{$1}}" "$N"; }
is() { [ "$(inspect .State.Status)" = "$1" ]; }
detached() { # [OPTION…] IMAGE COMMAND…
	docker run -d --name "$N" "$@" >id
}

@test "docker knows mrun: by name, as the default, with its version" {
	run -0 docker info
	[[ $output == *"Runtimes: "*" mrun"* ]]
	[[ $output == *"Default Runtime: mrun"* ]]
	run -0 docker version
	[[ $output == *"mrun:"*"$("$MRUN" --version | sed -n '1s/.* //p')"* ]]
}

@test "Hello world!, by default and by name" {
	run -0 docker run --rm $I
	[ "$output" = "Hello world!" ]
	run -0 docker run --rm --runtime mrun --network none $I
	[ "$output" = "Hello world!" ]
}

@test "options of docker run, as the program sees them" {
	mkdir src
	echo host >src/file
	run -7 docker run --rm -e A=b -w /tmp -u 1000:2000 --group-add 3000 -h inside --add-host other:10.0.0.1 \
		-v "$T/src:/src:ro" --tmpfs /scratch:size=1m --read-only --cap-drop ALL --security-opt no-new-privileges \
		--ulimit nofile=99:99 --sysctl net.ipv4.ip_default_ttl=33 --shm-size 2m --init --network none $I sh -c '
			echo "$A $(pwd) $(id -u) $(id -g) $(id -G | grep -o 3000) $(hostname)"
			grep other /etc/hosts | tr "\t" " "
			cat /src/file
			touch /src/x 2>/dev/null || echo "ro volume"
			touch /x 2>/dev/null || echo "ro root"
			sed -n "s/^CapBnd:.//p; s/^NoNewPrivs:./nnp /p; s/^Seccomp:./seccomp /p" /proc/self/status
			ulimit -n
			cat /proc/sys/net/ipv4/ip_default_ttl
			df -k /scratch /dev/shm | sed -n "s/^[^ ]* *\([0-9]*\) .*/\1/p" | xargs
			tr "\0" "\n" </proc/1/cmdline | sed -n "1s,.*/,,p"
			exit 7'
	[ "$output" = "b /tmp 1000 2000 3000 inside
10.0.0.1 other
host
ro volume
ro root
0000000000000000
nnp 1
seccomp 2
99
33
1024 2048
docker-init" ] || {
		echo "$output"
		false
	}
}

@test "what is said to docker of a volume does not reach the runtime as an option of the mount" {
	mkdir src
	run -0 docker run --rm --network none -v "$T/src:/a:z" -v "$T/src:/b:ro,Z" -v "$T/src:/c:cached" -v "$T/src:/d:delegated" -v "$T/src:/e:consistent" \
		-v vol:/f:nocopy --mount "type=bind,src=$T/src,dst=/g,readonly,bind-propagation=rprivate,consistency=cached" \
		--mount type=volume,src=vol,dst=/h,volume-nocopy --mount type=tmpfs,dst=/i,tmpfs-size=1m,tmpfs-mode=700 --tmpfs /j:rw,noexec,size=1m,mode=711 \
		$I sh -c 'grep -E -o " /[a-j] r[ow]," /proc/self/mountinfo | sort'
	docker volume rm vol >/dev/null
	[ "$(tr -d '\n' <<<"$output")" = " /a rw, /b ro, /c rw, /d rw, /e rw, /f rw, /g ro, /h rw, /i rw, /j rw," ]
}

@test "privileged" {
	# docker asks for every capability that the kernel knows, and runc fails without, too.
	[ "$(sed -n 's/^CapBnd:\t//p' /proc/self/status)" = "$(printf '%016x' $(((2 << $(cat /proc/sys/kernel/cap_last_cap)) - 1)))" ] ||
		skip "root has not every capability here"
	run -0 docker run --rm --privileged --network none $I sh -c 'mount -t tmpfs x /mnt && grep -c "^Seccomp:.0" /proc/self/status'
	[ "$output" = 1 ]
	detached $I sleep 1000
	run -0 docker exec --privileged "$N" sh -c 'mount -t tmpfs x /mnt'
	docker rm -f "$N"
}

@test "a device, the host's and another container's namespaces" {
	run -0 docker run --rm --device /dev/fuse:/dev/f --network none $I stat -c %t:%T /dev/f
	[ "$output" = "$(stat -c %t:%T /dev/fuse)" ]
	run -1 docker run --rm --network none $I sh -c 'mknod /tmp/m b 7 0 && exec 3</tmp/m'
	[[ $output == *"Operation not permitted"* ]]
	detached --ipc shareable $I sleep 1000
	run -0 docker run --rm --pid "container:$N" --ipc "container:$N" --network "container:$N" $I \
		sh -c 'tr "\0" " " </proc/1/cmdline; for n in net ipc pid; do readlink /proc/self/ns/$n; done'
	pid=$(inspect .State.Pid)
	[ "$output" = "sleep 1000 $(readlink "/proc/$pid/ns/net" "/proc/$pid/ns/ipc" "/proc/$pid/ns/pid")" ]
	docker rm -f "$N"
	run -0 docker run --rm --cgroupns private --network none $I cat /proc/self/cgroup
	run ! grep -v ':/$' <<<"$output"
	run -0 docker run --rm --pid host --uts host --network none $I readlink /proc/self/ns/pid
	[ "$output" = "$(readlink /proc/self/ns/pid)" ]
}

@test "the bridge network: docker's prestart hook puts the interface in" {
	[ "$(jq -r .bridge "$D/daemon.json")" != none ] || skip "no bridge can be made here"
	run -0 docker run --rm $I sh -c 'ls /sys/class/net | xargs; ping -c 1 -W 10 "$(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p")"'
	[ "${lines[0]}" = "eth0 lo" ]
	[[ $output == *" 0% packet loss"* ]]
}

@test "exec: user, directory, environment, streams, exit codes, a terminal" {
	detached $I sleep 1000
	run -3 --separate-stderr docker exec -i -u 1000 -w /tmp -e A=b "$N" \
		sh -c 'echo "$A $(pwd) $(id -u)"; cat; echo oops >&2; exit 3' <<<typed
	[ "$output" = $'b /tmp 1000\ntyped' ]
	# shellcheck disable=SC2154 # bats sets it
	[ "$stderr" = oops ]
	run -4 "$TYPIST" size=31x91 'wait=31 91' 'send=\x03' -- "$DOCKER" exec -it "$N" \
		sh -c 'trap "exit 4" INT; tty; while :; do stty size; sleep 0.1; done'
	[[ $output == */dev/pts/0* ]]
	docker exec -d "$N" sleep 2000
	run -0 docker top "$N" -o pid,args
	[[ $output == *"sleep 1000"*"sleep 2000"* ]]
	docker rm -f "$N"
}

@test "run -it: the size and a change of it, detach and attach, the exit code" {
	run -0 "$TYPIST" size=33x99 'wait=33 99' size=21x43 'wait=21 43' 'send=\x10\x11' -- \
		"$DOCKER" run -it --name "$N" $I sh -c 'trap "exit 5" INT; tty; while :; do stty size; sleep 0.1; done'
	[[ $output == */dev/pts/0* ]]
	is running
	run -5 "$TYPIST" size=44x55 'wait=44 55' 'send=\x03' -- "$DOCKER" attach "$N"
	is exited
	docker rm "$N"
}

@test "stop, kill, wait, restart, and what inspect says of it" {
	detached $I sh -c 'trap "echo term; exit 42" TERM; trap "echo hup" HUP; echo ready; while :; do sleep 0.1; done'
	said() { docker logs "$N" | grep -qx "$1"; }
	until_true said ready
	docker kill -s HUP "$N"
	until_true said hup
	docker stop "$N"
	[ "$(docker logs "$N")" = $'ready\nhup\nterm' ]
	[ "$(inspect '.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled')" = "exited 42 false" ]
	docker start "$N"
	is running
	docker restart -t 0 "$N"
	is running
	docker kill "$N"
	run -0 docker wait "$N"
	[ "$output" = 137 ]
	run -1 docker kill "$N"
	[[ $output == *"is not running"* ]]
	docker rm "$N"
	# One that does not listen is killed; one that fails is started again.
	detached --stop-timeout 1 $I sleep 1000
	docker stop "$N"
	[ "$(inspect .State.ExitCode)" -eq 137 ]
	docker rm "$N"
	detached --restart on-failure:2 $I sh -c 'exit 9'
	ended() { [ "$(inspect '.State.Status}} {{.RestartCount')" = "exited 2" ]; }
	until_true ended
	docker rm "$N"
}

@test "pause, stats, logs, copy, healthcheck" {
	detached --health-cmd 'test -e /tmp/well' --health-interval 0.2s --health-retries 1 $I \
		sh -c 'while :; do echo x >>/tmp/beat; usleep 20000; done'
	health() { [ "$(inspect .State.Health.Status)" = "$1" ]; }
	until_true health unhealthy
	docker exec "$N" touch /tmp/well
	until_true health healthy
	docker pause "$N"
	is paused
	beats() { docker cp "$N:/tmp/beat" - | tar -xO | wc -l; }
	before=$(beats)
	sleep 0.5
	[ "$(beats)" -eq "$before" ]
	run -1 docker exec "$N" true
	[[ $output == *"is paused"* ]]
	docker unpause "$N"
	more() { [ "$(beats)" -gt "$before" ]; }
	until_true more
	run -0 docker stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' "$N"
	[[ $output =~ ^[1-9][0-9]*\ [1-9][0-9.]*[KM]iB\ / ]]
	docker rm -f "$N"
}

@test "limits are kept: memory, processes, processors; update changes them" {
	detached --memory 32m --memory-swap 32m --pids-limit 20 --cpus 0.25 $I sleep 1000
	quota() { docker exec "$N" sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d" " -f1 /sys/fs/cgroup/cpu.max'; }
	fork() { docker exec "$N" sh -c 'for i in $(seq 40); do sleep 1000 & done; killall sleep'; }
	run -137 docker exec "$N" dd if=/dev/zero of=/dev/null bs=100M count=1
	[ "$(quota)" = 25000 ]
	docker update --memory 200m --memory-swap 200m --cpus 0.5 "$N"
	run -0 docker exec "$N" dd if=/dev/zero of=/dev/null bs=100M count=1
	[ "$(quota)" = 50000 ]
	run fork
	[[ $output == *"can't fork"* ]]
	docker rm -f "$N"
	detached --pids-limit 20 $I sh -c 'trap : TERM; while :; do sleep 1; done'
	docker update --pids-limit 100 "$N"
	run fork
	[[ $output != *"can't fork"* ]]
	docker rm -f "$N"
	run -137 docker run --name "$N" --memory 16m --memory-swap 16m --network none $I dd if=/dev/zero of=/dev/null bs=100M count=1
	[ "$(inspect .State.OOMKilled)" = true ]
	docker rm "$N"
}

@test "what cannot be run: docker's exit codes, which it takes from the runtime's words" {
	local case
	for case in '127 no-such-program' '127 /no/such/program' '126 /etc/passwd' '126 /etc'; do
		run -"${case% *}" docker run --rm --network none $I "${case#* }"
		[[ $output == *"${case#* }"* ]]
	done
	detached $I sleep 1000
	# Of exec's failures docker makes 126, and newer releases 127.
	run docker exec "$N" no-such-program
	[[ $status =~ ^12[67]$ ]]
	[[ $output == *"no-such-program"*"executable file not found in \$PATH"* ]]
	run -126 docker exec "$N" /etc/passwd
	[[ $output == *"/etc/passwd"*"permission denied"* ]]
	docker rm -f "$N"
	touch file
	for case in "$T:/etc/passwd" "$T/file:/etc"; do
		run docker run --rm --network none -v "$case" $I true
		[[ $status =~ ^12[57]$ ]]
		[[ $output == *"Are you trying to mount a directory onto a file"* ]]
	done
}

@test "twenty at once" {
	local i
	for i in {1..20}; do
		docker run --rm --network none $I >"out.$i" 2>&1 </dev/null 3>&- &
	done
	wait
	[ "$(cat out.* | sort | uniq -c | sed 's/^ *//')" = "20 Hello world!" ]
}

# A stand-in for golang:alpine: the base with this machine's Go. podman.bash makes the same.
golang_image() { # FILE
	"$ROOT/tests/clients/golang-layer" "$1.layer" &&
		"$ROOT/scripts/make-image" --no-hello --layer "$1.layer" --name golang:alpine --output "$1" &&
		rm "$1.layer"
}

need_golang_image() {
	need go
	docker image inspect golang:alpine >/dev/null 2>&1 ||
		docker load -qi "$(lib_cached "golang-$BASE_KIND.tar" golang_image)"
}

# The built image by docker and, saved and loaded, by mrun.
says_hello() { # IMAGE
	run -0 docker run --rm --network none "$1"
	[ "$output" = "Hello world!" ]
	docker save "$1" | "$MRUN" load -q
	run -0 "$MRUN" "$1"
	[ "$output" = "Hello world!" ]
	docker rmi "$1"
}

@test "docker build of the multi-stage example, the classic builder; then mrun runs it" {
	need_golang_image
	DOCKER_BUILDKIT=0 docker build -t "$N:1" "$ROOT/examples/multistage-hello-world"
	says_hello "$N:1"
}

@test "docker build with BuildKit, which runs runc from its PATH; then mrun runs it" {
	need_golang_image
	DOCKER_BUILDKIT=1 docker build --progress plain -t "$N:2" "$ROOT/examples/multistage-hello-world" >log 2>&1 || {
		! grep -q buildx log || skip "this docker builds with a plugin that is not installed (docker-buildx)"
		cat log
		false
	}
	# BuildKit keeps a cache of its steps, and no container.
	says_hello "$N:2"
}

@test "docker reads what mrun saves, and mrun what docker saves" {
	local small=$N:1 id
	mkdir layer
	echo hello >layer/hello.txt
	tar -C layer -cf layer.tar hello.txt
	"$ROOT/scripts/make-image" --base none --no-hello --layer layer.tar --name "$small" --cmd '["/x"]' --output i.tar
	"$MRUN" load -q i.tar
	id=$("$MRUN" inspect -f '{{.Id}}' "$small")
	"$MRUN" save "$small" | docker load -q
	[ "$(docker image inspect -f '{{.Id}}' "$small")" = "$id" ]
	"$MRUN" rmi "$small"
	docker save "$small" | "$MRUN" load -q
	[ "$("$MRUN" inspect -f '{{.Id}}' "$small")" = "$id" ]
	docker rmi "$small"
}

@test "userns-remap: root of a container is nobody outside" {
	# Last in the file: it needs another daemon, with a store of its own.
	docker_stop
	jq --arg user "$TEST_USER" '."userns-remap" = $user' "$D/daemon.json" >"$D/remap.json"
	mv -f "$D/remap.json" "$D/daemon.json"
	MRUN_TEST_MARK=$D docker_start
	docker load -qi "$(hello_image)"
	low=$(lib_subid "$TEST_USER" /etc/subuid)
	detached -v /data $I sh -c 'touch /root/file /data/file && exec sleep 1000'
	run -0 docker exec "$N" sh -c 'id -u; cat /proc/self/uid_map; chown 1000 /root/file && stat -c %u /root/file; ls /sys/class/net | xargs'
	[ "${lines[0]}" = 0 ]
	[[ ${lines[1]} =~ ^\ *0\ +$low\ +[0-9]+$ ]]
	[ "${lines[2]}" = 1000 ]
	[ "$(stat -c %u "/proc/$(inspect .State.Pid)")" -eq "$low" ]
	docker rm -fv "$N"
	run -0 docker run --rm --userns host --network none $I cat /proc/self/uid_map
	[[ $output =~ ^\ *0\ +0\ +4294967295$ ]]
}
