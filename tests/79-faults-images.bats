#!/usr/bin/env bats
# Images with one system call failing, or mrun or one of its helpers killed at one (tests/faults/
# sweep.c): a run from an empty cache and from a warm one, in the foreground and detached, with
# pasta, load, import, rmi and prune; as root, as a user with subordinate ids and as one without. Whatever
# fails: the command succeeds or says one clear error in time, and nothing is left; whatever is
# killed: the store holds whole blobs only (fsck), and the next command clears up.
#
# By default as many trials as fit into some seconds, at random: the seed is printed, and
# MRUN_SWEEP_SEED repeats it. MRUN_SWEEP=full tries all (an hour or two; -f NAME and
# MRUN_SWEEP_WHO=user for a part).
bats_require_minimum_version 1.5.0
load lib
load images

SWEEP=$BUILD/tests/sweep

setup_file() {
	[ -x "$SWEEP" ] || export LIB_SKIP="the sweep is for x86_64"
	[ "$(id -u)" -eq 0 ] || export LIB_SKIP="needs root: to trace as several users"
	[ -z "${LIB_SKIP:-}" ] || return 0
	user_make
	user_make_plain
	make_image "$BATS_FILE_TMPDIR"
}
teardown_file() { user_clean; }

setup() {
	lib_setup
	# /tmp is made private for the sweeps, and so must not be where they work.
	case $T$TEST_HOME in /tmp*) skip "needs room in /dev/shm" ;; esac
}
teardown() { lib_teardown; }

# image.tar in DIR: two layers of a few entries, compressed, with a static program; and root.tar, a root to
# import.
make_image() { # DIR
	local d=$1/image i
	mkdir -p "$d/1/bin" "$d/1/etc" "$d/2/data/empty" "$d/1/proc" "$d/1/dev" "$d/1/sys" "$d/1/tmp"
	cp "$BUILD/tests/probe" "$d/1/bin/probe"
	echo 'root:x:0:0:root:/:/bin/probe' >"$d/1/etc/passwd"
	echo 'root:x:0:' >"$d/1/etc/group"
	echo one >"$d/2/data/file"
	ln -s file "$d/2/data/link"
	ln "$d/2/data/file" "$d/2/data/hard"
	for i in 1 2; do
		tar -C "$d/$i" -cf "$d/$i.tar" --sort=name --mtime=@1704067200 --owner=0 --group=0 .
	done
	"$ROOT/scripts/make-image" --base none --no-hello --layer "$d/1.tar" --layer "$d/2.tar" \
		--compress gzip --name small:1 --cmd '["/bin/probe"]' --env 'PROBE=exit 0' --output "$1/image.tar" 2>/dev/null
	gzip -n <"$d/1.tar" >"$1/root.tar"
	# The same with a layer that a thread digests (runtime/image/digest_thread.c), as a layout.
	head -c 1200000 /dev/urandom >"$d/2/data/large"
	tar -C "$d/2" -cf "$d/2.tar" --sort=name --mtime=@1704067200 --owner=0 --group=0 .
	"$ROOT/scripts/make-image" --base none --no-hello --layer "$d/1.tar" --layer "$d/2.tar" --compress gzip --format oci \
		--name large:1 --cmd '["/bin/probe"]' --env 'PROBE=exit 0' --output "$d/layout.tar" 2>/dev/null
	mkdir "$1/layout"
	tar -C "$1/layout" -xf "$d/layout.tar"
}

# Sweeps as WHO in a home of its own, H; the rest are sweep's arguments, MRUN in steps being mrun
# and NAME a container's name.
# Every N where MRUN_SWEEP=full, else SECONDS.
sweep() { # SECONDS NAME ARG…
	local budget=(--budget "$1" --seed "${MRUN_SWEEP_SEED:-$RANDOM}") what=$2 args=() id=0:0 arg status=0
	# Also its cgroup's.
	local name=mrun-i$BATS_TEST_NUMBER-$$
	shift 2
	[ "${MRUN_SWEEP:-}" != full ] || budget=(--max "${MRUN_SWEEP_MAX:-1000}")
	for arg; do
		arg=${arg//MRUN/$MRUN}
		arg=${arg//NAME/$name}
		args+=("${arg//HOME/$H}")
	done
	# Without memory of its own it ends; nor does it find leaks in who is traced.
	! sanitized || budget+=(--leave "mmap,munmap,mprotect,prlimit64" --env ASAN_OPTIONS=detect_leaks=0)
	[ "$WHO" = root ] || id=$(stat -c %u:%g "$H")
	# What is put into /tmp shall be seen; others' files there are not ours.
	unshare -m --propagation private sh -c 'mount -t tmpfs -o mode=1777 tmpfs /tmp && exec "$@"' sh \
		"$SWEEP" --name "$what as $WHO" --user "$id" --dir "$H" --env "HOME=$H" --env "XDG_DATA_HOME=$H/data" \
		--env "XDG_CACHE_HOME=$H/cache" --env "XDG_RUNTIME_DIR=$H/run" --env PATH=/usr/bin:/bin \
		--env "MRUN_TEST_MARK=$T" --watch /tmp --watch "$H/run" --watch "$H/data" --watch "$H/cache" \
		--cgroups "$name" "${budget[@]}" "${args[@]}" >"$T/sweep.log" 2>&1 || status=$?
	cat "$T/sweep.log"
	grep '^# [^ ].* calls; ' "$T/sweep.log" >&3
	return "$status"
}

# The home of WHO, with the image beside it.
home_of() {
	H=$T/h
	case $WHO in
	user) H=$TEST_HOME/h ;;
	plain) H=$TEST_HOME2/h ;;
	esac
	rm -rf "$H"
	mkdir "$H"
	mkdir -m 700 "$H/run" "$H/data" "$H/cache"
	install -m 644 -t "$H" "$BATS_FILE_TMPDIR/image.tar" "$BATS_FILE_TMPDIR/root.tar"
	cp -r "$BATS_FILE_TMPDIR/layout" "$H"
	case $WHO in
	user) chown -R "$TEST_USER:" "$H" ;;
	plain) chown -R "$TEST_USER2:" "$H" ;;
	esac
}

everybody() { # FUNCTION, a single sweep
	local failed=0
	for WHO in ${MRUN_SWEEP_WHO:-root user plain}; do
		home_of
		"$1" || failed=1
		rm -rf "$H"
	done
	return "$failed"
}

ERRNOS=ENOMEM,EIO,EPERM,EMFILE
LOADED='once MRUN load -q HOME/image.tar'

load_fails() {
	sweep 0.8 load --errnos $ERRNOS --codes 125 --wipe "$H/data" --either 'before MRUN images -q' \
		'trace MRUN load HOME/image.tar' 'after MRUN fsck' 'after MRUN images'
}
# @settle: a helper of who was killed holds for a moment what it works in.
load_killed() {
	sweep 0.8 'load, killed' --kill --codes 125 --wipe "$H/data" 'before MRUN images -q' \
		'trace MRUN load HOME/image.tar' 'after @settle' 'after MRUN fsck' 'after MRUN images' "after ${LOADED#once }" \
		'after MRUN prune' 'after MRUN fsck'
}

@test "load: one system call fails" { everybody load_fails; }
@test "load: killed at a system call" { everybody load_killed; }

# The time is in it, and so its digest is another each time.
IMPORT='MRUN import HOME/root.tar root:1'
import_fails() {
	sweep 0.8 import --blur --errnos $ERRNOS --codes 125 --wipe "$H/data" --either 'before MRUN images -q' \
		"trace $IMPORT" 'after MRUN fsck' 'after MRUN images'
}
import_killed() {
	sweep 0.8 'import, killed' --blur --kill --codes 125 --wipe "$H/data" 'before MRUN images -q' \
		"trace $IMPORT" 'after @settle' 'after MRUN fsck' 'after MRUN images' "after $IMPORT" 'after MRUN prune' 'after MRUN fsck'
}

@test "import: one system call fails" { everybody import_fails; }
@test "import: killed at a system call" { everybody import_killed; }

RUN='MRUN --network none --name NAME small:1'
CODES=125,126,127

# A second slot, for while the first one's container is still being ended.
SLOTS=('once MRUN --network none -d --name NAME.2 -e PROBE=wait small:1' "once $RUN" 'once MRUN delete --force NAME.2')
# What a killed run leaves: its state is listed and deleted, and the next run clears the rest, once the first
# process has seen mrun's end: until then it holds the slot, and another one is taken.
AFTER=('after @settle' 'after MRUN list -q' 'after MRUN delete --force NAME' "after $RUN" 'after MRUN prune' 'after MRUN fsck')

cold_fails() {
	sweep 1.2 'run, cold' --errnos $ERRNOS --codes $CODES --wipe "$H/cache" "$LOADED" "trace $RUN" 'after MRUN fsck'
}
cold_killed() {
	sweep 1.2 'run, cold, killed' --kill --codes $CODES --wipe "$H/cache" "$LOADED" "trace $RUN" "${AFTER[@]}"
}

@test "a run from an empty cache: one system call fails" { everybody cold_fails; }
@test "a run from an empty cache: killed at a system call" { everybody cold_killed; }

LAYOUT='MRUN --network none --name NAME oci:HOME/layout'
layout_fails() {
	sweep 1.2 'run from a layout' --errnos $ERRNOS --codes $CODES --wipe "$H/cache" --wipe "$H/data" "trace $LAYOUT" \
		'after MRUN fsck'
}
layout_killed() {
	sweep 1.2 'run from a layout, killed' --kill --codes $CODES --wipe "$H/cache" --wipe "$H/data" "trace $LAYOUT" \
		'after @settle' 'after MRUN list -q' 'after MRUN delete --force NAME' "after $LAYOUT" 'after MRUN prune' 'after MRUN fsck'
}

@test "a first run from a layout: one system call fails" { everybody layout_fails; }
@test "a first run from a layout: killed at a system call" { everybody layout_killed; }

warm_fails() {
	sweep 0.8 'run, warm' --errnos $ERRNOS --codes $CODES "$LOADED" "once $RUN" "trace $RUN"
}
warm_killed() {
	sweep 0.8 'run, warm, killed' --kill --codes $CODES "$LOADED" "once $RUN" "trace $RUN" "${AFTER[@]}"
}

@test "a run from a warm cache: one system call fails" { everybody warm_fails; }
@test "a run from a warm cache: killed at a system call" { everybody warm_killed; }

PASTA="MRUN --network pasta -p 127.0.0.1:18790:80 --name NAME small:1"
# Some machines keep it for root.
tun() { [ "$WHO" = root ] || as_user test -w /dev/net/tun; }
pasta_fails() {
	! tun || sweep 0.8 'run, pasta' --errnos $ERRNOS --codes $CODES "$LOADED" "once $RUN" "trace $PASTA"
}
pasta_killed() {
	# Prune leaves alone what somebody may be using just now.
	! tun || sweep 0.8 'run, pasta, killed' --kill --codes $CODES "$LOADED" "${SLOTS[@]}" "trace $PASTA" \
		'after /usr/bin/find /tmp -mindepth 1 -maxdepth 1 -exec touch -d 2000-01-01 {} +' "${AFTER[@]}"
}

@test "a run with pasta: one system call fails" {
	need pasta
	everybody pasta_fails
}
@test "a run with pasta: killed at a system call" {
	need pasta
	everybody pasta_killed
}

DETACHED=("trace ${RUN/--name/-d --name}" 'trace MRUN wait NAME' 'trace MRUN delete NAME')
detached_fails() {
	sweep 1.2 'run -d' --errnos $ERRNOS --codes 1,$CODES "$LOADED" "once $RUN" "${DETACHED[@]}" \
		'after MRUN delete --force NAME'
}
detached_killed() {
	sweep 1.2 'run -d, killed' --kill --codes 1,$CODES "$LOADED" "${SLOTS[@]}" "${DETACHED[@]}" "${AFTER[@]}"
}

@test "a detached run, wait and delete: one system call fails" { everybody detached_fails; }
@test "a detached run, wait and delete: killed at a system call" { everybody detached_killed; }

STOPPED=('before MRUN --network none -d --name NAME -e PROBE=wait small:1' 'trace MRUN logs NAME'
	'trace MRUN stop -t 0 NAME' 'trace MRUN delete NAME')
stopped_fails() {
	sweep 1.2 'logs, stop' --errnos $ERRNOS --codes 1,$CODES "$LOADED" "once $RUN" "${STOPPED[@]}" \
		'after MRUN delete --force NAME'
}
stopped_killed() {
	sweep 1.2 'logs, stop, killed' --kill --codes 1,$CODES "$LOADED" "${SLOTS[@]}" "${STOPPED[@]}" "${AFTER[@]}"
}

@test "logs, stop and delete: one system call fails" { everybody stopped_fails; }
@test "logs, stop and delete: killed at a system call" { everybody stopped_killed; }

REMOVE=('before MRUN load -q HOME/image.tar' "before $RUN" 'trace MRUN rmi small:1' 'trace MRUN prune --all'
	'after MRUN fsck' 'after MRUN prune --all')
remove_fails() {
	sweep 0.8 'rmi and prune' --errnos $ERRNOS --codes 125 --wipe "$H/data" --wipe "$H/cache" "${REMOVE[@]}"
}
remove_killed() {
	sweep 0.8 'rmi and prune, killed' --kill --codes 125 --wipe "$H/data" --wipe "$H/cache" "${REMOVE[@]}"
}

@test "rmi and prune: one system call fails" { everybody remove_fails; }
@test "rmi and prune: killed at a system call" { everybody remove_killed; }

kept_fails() {
	mkdir "$H/out"
	chown --reference="$H" "$H/out"
	sweep 0.8 'tag, save, unpack' --errnos $ERRNOS --codes 125 --watch "$H/out" --wipe "$H/out" --wipe "$H/data" \
		'before MRUN load -q HOME/image.tar' 'trace MRUN tag small:1 other:2' \
		'trace MRUN save -o HOME/out/saved.tar small:1' 'trace MRUN unpack --rootless small:1 HOME/out/bundle' \
		'after MRUN fsck'
}

@test "tag, save, unpack: one system call fails" { everybody kept_fails; }

@test "an /etc/subuid that may not be read is the reason that is given" {
	WHO=user
	home_of
	as_user env "XDG_DATA_HOME=$H/data" "$MRUN" load -q "$H/image.tar"
	touch secret
	chmod 600 secret
	# shellcheck disable=SC2016 # the inner shell's
	hidden() {
		unshare -m --propagation private sh -c 'mount --bind secret /etc/subuid && exec "$@"' sh \
			setpriv --reuid "$TEST_UID" --regid "$TEST_GID" --clear-groups -- env "HOME=$H" "XDG_DATA_HOME=$H/data" \
			"XDG_CACHE_HOME=$H/cache" "XDG_RUNTIME_DIR=$H/run" "$MRUN" --network none small:1
	}
	run -0 hidden
	[[ $output == *"/etc/subuid: permission denied: only your own id is mapped"* ]]
}

@test "a FIFO in a blob's place keeps nobody waiting" {
	local image=$BATS_FILE_TMPDIR/image.tar blobs=$XDG_DATA_HOME/mrun/blobs/sha256 blob
	"$MRUN" load -q "$image"
	mkfifo "$XDG_DATA_HOME/mrun/tmp/fifo"
	for blob in "$blobs"/*; do
		rm "$blob"
		mkfifo "$blob"
		run timeout 10 "$MRUN" fsck
		[ "$status" -eq 125 ]
		run timeout 10 "$MRUN" --network none small:1
		[ "$status" -eq 125 ]
		# And is put right by loading the image again.
		timeout 10 "$MRUN" load -q "$image"
		timeout 10 "$MRUN" fsck
		timeout 10 "$MRUN" --network none small:1
		rm -r "$XDG_CACHE_HOME/mrun"
	done
}

@test "a resolv.conf that cannot be read is not an empty one" {
	need strace
	local call
	"$MRUN" load -q "$BATS_FILE_TMPDIR/image.tar"
	for call in openat read; do
		run -125 strace -o /dev/null -P /etc/resolv.conf -e "inject=$call:error=EIO" "$MRUN" --network none small:1
		[[ $output == *"/etc/resolv.conf: input/output error"* ]]
	done
}
