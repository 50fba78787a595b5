#!/usr/bin/env bats
# Each option of `mrun IMAGE`, by what is seen inside the container, as root and as a user.
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() {
	user_make
	as_user "$MRUN" load -q -i "$(hello_image)"
}
teardown_file() { user_clean; }
setup() {
	lib_setup
	"$MRUN" load -q -i "$(hello_image)"
}
teardown() { lib_teardown; }

# A directory that WHO owns.
own_dir() {
	local dir
	if [ "$WHO" = user ]; then
		dir=$(as_user mktemp -d "$TEST_HOME/d.XXXXXX")
	else
		dir=$(mktemp -d "$T/d.XXXXXX")
	fi
	chmod 755 "$dir"
	echo "$dir"
}

@test "-e, --env-file: order, override, import, removal" {
	environment() {
		local dir
		dir=$(own_dir)
		printf '# c\nFILE=1\nBOTH=file\nIMPORTED\nNOT_SET_ANYWHERE\n' >"$dir/env"
		run -0 env IMPORTED=yes "$MRUN" --env-file "$dir/env" -e BOTH=option -e IMPORTED -e PATH=/bin:/usr/bin -e HOME $I env
		[[ $output == *FILE=1* && $output == *BOTH=option* && $output == *IMPORTED=yes* ]]
		[[ $output == *PATH=/bin* && $output != *NOT_SET_ANYWHERE* ]]
		run -0 m -e HOSTNAME=x -e EMPTY= $I env
		[[ $output == *HOSTNAME=x* && $output == *EMPTY=* ]]
	}
	both environment
	run -125 "$MRUN" -e =x $I env
}

@test "-u and --group-add, names from the image" {
	users() {
		run -0 m -u nobody $I sh -c 'id -u; id -un; echo $HOME'
		[ "${lines[0]}" = 65534 ]
		[ "${lines[1]}" = nobody ]
		run -0 m -u 1000:1001 --group-add 44 --group-add audio $I sh -c 'id -u; id -g; id -G'
		[ "${lines[0]}" = 1000 ] && [ "${lines[1]}" = 1001 ]
		[[ " ${lines[2]} " == *" 44 "* ]]
	}
	both users
}

@test "USER that would be misparsed as root is refused by name" {
	local user
	for user in -1 +0 4294967296 1: :0 nobody-here 1:-1; do
		run -125 "$MRUN" --user="$user" $I id -u
		[[ $output == *"'$user'"* ]] || [[ $output == *"$user"* ]]
	done
	# Digits are a number, whatever the image's passwd calls so.
	echo '1:x:0:0::/:/bin/sh' >passwd
	run -0 "$MRUN" -v "$T/passwd:/etc/passwd:ro" -u 1 $I id -u
	[ "$output" = 1 ]
	run -125 "$MRUN" -v "$T/passwd:/etc/passwd:ro" -u 4294967296 $I id -u
}

@test "-w, --entrypoint, --hostname" {
	simple() {
		[ "$(m -w /tmp $I pwd)" = /tmp ]
		[ "$(m --entrypoint /bin/echo $I a b)" = "a b" ]
		run -125 m --entrypoint "" $I
		[[ $output == *"no command specified"* ]]
		[ "$(m --entrypoint /bin/pwd $I)" = / ]
		[ "$(m --hostname box $I hostname)" = box ]
		[ "$(m -h box $I cat /etc/hostname)" = box ]
	}
	both simple
}

@test "-v: reading, writing, read-only, a file, a path with commas and backslashes" {
	volume() {
		local dir
		dir=$(own_dir)
		mkdir -p "$dir/a,b\\c"
		echo host >"$dir/a,b\\c/f"
		[ "$WHO" = root ] || chown -R "$TEST_USER:" "$dir"
		run -0 m -v "$dir/a,b\\c:/v" $I sh -c 'cat /v/f; echo new >/v/g; stat -c %u:%g /v/f'
		[ "$output" = $'host\n0:0' ]
		[ "$(cat "$dir/a,b\\c/g")" = new ]
		[ "$(stat -c %u "$dir/a,b\\c/g")" = "$(stat -c %u "$dir")" ]
		run -1 m --network none -v "$dir/a,b\\c:/v:ro" $I sh -c 'echo x >/v/g'
		[[ $output == *"Read-only"* ]]
		[ "$(m -v "$dir/a,b\\c/f:/etc/motd" $I cat /etc/motd)" = host ]
		[ "$(m --mount "type=bind,\"src=$dir/a,b\\c\",dst=/v,ro" $I cat /v/g)" = new ]
		run -125 m -v "$dir/missing:/v" $I true
		[[ $output == *"$dir/missing"* ]]
		[ ! -e "$dir/missing" ]
		run -125 m -v name:/v $I true
		[[ $output == *"named volumes"* ]]
	}
	both volume
}

@test "-v PATH and VOLUME: writable, with the image's content, also below a read-only root" {
	anonymous() {
		run -0 m --read-only -v /etc -v /new/dir $I sh -c 'touch /etc/x /new/dir/y && [ -e /etc/passwd ] && ! touch /z 2>/dev/null && echo ok'
		[ "$output" = ok ]
		run -0 m -v /new/dir $I sh -c 'touch /new/dir/y && echo ok'
		[ "$output" = ok ]
	}
	both anonymous
}

@test "--tmpfs and --mount type=tmpfs" {
	tmpfs() {
		run -0 m --tmpfs /t:size=64k,mode=700 --mount type=tmpfs,dst=/u,tmpfs-size=1m --tmpfs /x:exec $I sh -c '
			stat -c %a /t; grep -c " /t tmpfs rw,nosuid,nodev,noexec" /proc/mounts
			head -c 100000 /dev/zero 2>/dev/null >/t/f || echo full
			cp /bin/busybox /u/b && ! /u/b true 2>/dev/null && cp /bin/busybox /x/sh && /x/sh -c "echo runs"'
		[ "$output" = $'700\n1\nfull\nruns' ]
	}
	both tmpfs
}

@test "--read-only" {
	read_only() {
		run -0 m --read-only $I sh -c '! touch /x 2>/dev/null && touch /dev/shm/x && echo ok'
		[ "$output" = ok ]
	}
	both read_only
}

@test "--cap-add and --cap-drop, any case, with or without CAP_" {
	caps() {
		[ "$(m --cap-drop all $I grep CapBnd /proc/self/status)" = $'CapBnd:\t0000000000000000' ]
		[ "$(m --cap-drop ALL --cap-add chown $I grep CapEff /proc/self/status)" = $'CapEff:\t0000000000000001' ]
		[ "$(m --cap-add CAP_NET_ADMIN $I ip link set lo down && echo ok)" = ok ]
		run m --network none $I ip link set lo down
		[ "$status" -ne 0 ]
		run -125 m --cap-add FOO $I true
		[[ $output == *"no such capability"* ]]
	}
	both caps
}

@test "--security-opt: seccomp and no-new-privileges" {
	security() {
		[ "$(m $I grep Seccomp: /proc/self/status)" = $'Seccomp:\t2' ]
		[ "$(m --security-opt seccomp=unconfined $I grep Seccomp: /proc/self/status)" = $'Seccomp:\t0' ]
		[ "$(m $I grep NoNewPrivs /proc/self/status)" = $'NoNewPrivs:\t0' ]
		[ "$(m --security-opt no-new-privileges $I grep NoNewPrivs /proc/self/status)" = $'NoNewPrivs:\t1' ]
		local dir
		dir=$(own_dir)
		echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}' >"$dir/p.json"
		run -1 m --network none --security-opt "seccomp=$dir/p.json" $I mkdir /x
		[[ $output == *"not permitted"* ]]
		run -125 m --security-opt label=type:x $I true
		run -125 m --security-opt "seccomp=$dir/missing" $I true
	}
	both security
}

@test "--ulimit, --shm-size, --sysctl" {
	limits() {
		[ "$(m --ulimit nofile=100:200 $I sh -c 'ulimit -n; ulimit -Hn')" = $'100\n200' ]
		[ "$(m --ulimit core=0 $I sh -c 'ulimit -c')" = 0 ]
		[ "$(m $I sh -c 'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2')" = 65536 ]
		[ "$(m --shm-size 1m $I sh -c 'df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2')" = 1024 ]
		[ "$(m --sysctl net.ipv4.ip_forward=1 $I cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
		[ "$(m $I cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" = 0 ]
		run -125 m --sysctl kernel.core_pattern=x $I true
		[[ $output == *core_pattern* ]]
	}
	both limits
}

@test "--device" {
	device() {
		[ "$(m --device /dev/zero:/dev/my-zero $I sh -c 'head -c 2 /dev/my-zero | wc -c')" = 2 ]
		run -125 m --device /etc/passwd $I true
		[[ $output == *"not a device"* ]]
	}
	both device
}

@test "--pid host, --ipc host, --network host" {
	host() {
		local ns
		for ns in pid ipc; do
			[ "$(m --$ns host $I readlink /proc/self/ns/$ns)" = "$(readlink /proc/self/ns/$ns)" ]
		done
		[ "$(m --network host $I readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" ]
		[ "$(m --network host $I cat /sys/class/net/lo/address)" = 00:00:00:00:00:00 ]
		run -125 m --pid container:x $I true
	}
	both host
}

@test "--userns keep-id: one's own ids inside" {
	run -0 as_user "$MRUN" --userns keep-id -v "$TEST_HOME:/h" $I sh -c 'id -u; id -g; touch /h/mine && stat -c %u /h/mine'
	[ "$output" = "$TEST_UID"$'\n'"$TEST_GID"$'\n'"$TEST_UID" ]
	[ "$(stat -c %u "$TEST_HOME/mine")" = "$TEST_UID" ]
	[ "$(as_user "$MRUN" --userns=keep-id -u 0 $I id -u)" = 0 ]
	run -125 as_user "$MRUN" --userns=host $I true
	need_root
	run -125 "$MRUN" --userns=keep-id $I true
	[[ $output == *"ordinary users"* ]]
}

@test "--name, --cidfile, --label, --keep" {
	"$MRUN" --name twice $I sleep 30 &
	pid=$!
	for _ in {1..200}; do
		[ "$("$MRUN" state twice 2>/dev/null | jq -r .status)" = running ] && break
		sleep 0.1
	done
	run -125 "$MRUN" --name twice $I true
	[[ $output == *twice* ]]
	kill -TERM $pid
	"$MRUN" kill twice KILL
	wait $pid || true
	run -0 "$MRUN" --name twice --label a=b --cidfile id $I true
	[ "$(cat id)" = twice ]
	run -125 "$MRUN" --cidfile id $I true
	[[ $output == *id* ]]
	run -0 "$MRUN" --keep --name kept $I sh -c 'echo x >/kept'
	run -0 "$MRUN" state kept
	[ "$(jq -r .status <<<"$output")" = stopped ]
	"$MRUN" $I true
	[ "$(cat "$XDG_CACHE_HOME"/mrun/layers/*/run/0/u/kept)" = x ]
	"$MRUN" delete kept
	"$MRUN" $I true
	[ ! -e "$(echo "$XDG_CACHE_HOME"/mrun/layers/*/run/0/u/kept)" ]
}

@test "--add-host, --dns: what /etc/hosts and /etc/resolv.conf say" {
	run -0 "$MRUN" --add-host db:192.0.2.7 --dns 192.0.2.53 --dns-search a.example $I cat /etc/hosts /etc/resolv.conf
	[[ $output == *$'192.0.2.7\tdb'* ]]
	[[ $output == *"nameserver 192.0.2.53"* && $output == *"search a.example"* ]]
	[[ $output == *$'127.0.0.1\tlocalhost'* ]]
	run -125 "$MRUN" --add-host db $I true
}

@test "--platform: another machine's image is a clear error" {
	run -125 "$MRUN" --platform linux/s390x $I
	[[ $output == *s390x* ]]
	run -0 "$MRUN" --platform "linux/$(dpkg --print-architecture 2>/dev/null || echo amd64)" $I
}

@test "options that are docker's but not ours are refused by name" {
	local option
	for option in --privileged --restart=always --gpus=all --link=x --log-driver=none -P --volumes-from=x --pull=always --pull=newer --restart=on-failure --cgroupns=host --uts=host; do
		run -125 "$MRUN" $option $I true
		[[ $output == *"is not supported"* ]]
	done
	run -125 "$MRUN" --hostnam x $I true
	[[ $output == *"--hostname"* ]]
}

@test "--help names the options" {
	run -0 "$MRUN" $I --help || true
	run -0 "$MRUN" --network none --help
	[[ $output == *--cap-add* && $output == *--publish* ]]
}
