#!/usr/bin/env bats
# A container's root file system: the kernel's overlay, an upper directory in memory, fuse-overlayfs
# and a copy; which is taken where, said in one line; and that an image looks the same under each.
# The file systems that refuse an overlay are real ones that the tests mount: another overlay (cannot
# hold an upper directory), an overlay on an overlay (the kernel stacks no third one), ramfs (no
# extended attributes, as NFS before version 4.2 has none).
# shellcheck disable=SC2016,SC2030,SC2031,SC2154,SC2317 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load lib

I=multistage-hello-world

setup_file() {
	user_make
}
teardown_file() { user_clean; }
setup() { lib_setup; }
teardown() {
	[ ! -f "$T/.mounts.before" ] || mv "$T/.mounts.before" "$T/.mounts"
	lib_teardown
}
# The mounts made up to here are the test's own, until it ends.
own_mounts() {
	cp "$T/.mounts" "$T/.mounts.before"
	lib_mounts >"$T/.mounts"
}

m() {
	case $WHO in
	user) as_user env "${ENV[@]}" "$MRUN" "$@" ;;
	*) env "${ENV[@]}" "$MRUN" "$@" ;;
	esac
}
ENV=(A=B)

# Runs a function or m in a mount namespace where everybody may open /dev/fuse; by its own subshell,
# which the namespace ends with.
need_fuse() {
	need fuse-overlayfs
	[ -c /dev/fuse ] || skip "there is no /dev/fuse"
	[ "$(stat -c %a /dev/fuse)" = 666 ] || need_root
}
with_fuse() {
	if [ "$(stat -c %a /dev/fuse)" = 666 ]; then
		"$@"
		return
	fi
	mkdir -p "$T/dev"
	# A tmpfs of its own: the directory of the tests may be nodev.
	export -f m lib_as as_user
	WITH_ENV="${ENV[*]}" WITH_WHO=$WHO unshare -m --propagation private bash -c '
		mount -t tmpfs -o mode=755 none "$T/dev" && mknod -m 666 "$T/dev/fuse" c 10 229 &&
			mount --bind "$T/dev/fuse" /dev/fuse || exit 99
		read -ra ENV <<<"$WITH_ENV"
		WHO=$WITH_WHO
		"$@"' bash "$@"
}
# The cache is the run's own; its place is where WHO may write.
cache_at() { # DIR
	rm -rf "$1"
	mkdir -p "$1"
	chmod 700 "$1"
	[ "$WHO" != user ] || [ "$(id -u)" -ne 0 ] || chown "$TEST_USER:" "$1"
	ENV=(XDG_CACHE_HOME="$1" "${@:2}")
}
load_hello() {
	m load -q -i "$(hello_image)" >/dev/null
}

# An image whose upper layers take away, replace and link to what lower layers have.
layered_image() {
	mkdir -p 1/t/{keep,opaque,dir,renamed} 2/t/{opaque,file} 3/t 4/t
	echo one >1/t/gone
	echo kept >1/t/keep/a
	echo hidden >1/t/opaque/old
	echo under >1/t/dir/under
	echo linked >1/t/source
	echo file >1/t/file.was
	ln -s keep 1/t/alias
	ln 1/t/source 1/t/hard
	: >2/t/.wh.gone
	: >2/t/opaque/.wh..wh..opq
	echo new >2/t/opaque/new
	: >2/t/.wh.dir
	rmdir 2/t/file
	# A name that is a directory below and a file above, and the other way round.
	echo was a directory >3/t/dir
	: >3/t/.wh.file.was
	mkdir 4/t/file.was
	echo in it >4/t/file.was/x
	echo through >4/t/through
	local i
	for i in 1 2 3 4; do
		(cd $i && tar --owner=0 --group=0 --numeric-owner --mtime=@1700000000 -cf ../$i.tar t)
	done
	# A hard link to a file of a lower layer: the file itself is not in the tar.
	mkdir -p 5/t && cp 1/t/source 5/t/source && ln 5/t/source 5/t/across
	(cd 5 && tar --owner=0 --group=0 --numeric-owner --mtime=@1700000000 -cf ../5.tar t/source t/across)
	tar --delete -f 5.tar t/source
	# Owners, a setuid program.
	mkdir -p 6/t && echo o >6/t/owned
	(cd 6 && tar --owner=1000 --group=33 --numeric-owner --mtime=@1700000000 -cf ../6.tar t/owned)
	# mrun itself says when it is set that way.
	mkdir -p 7/t && cp "$MRUN" 7/t/id
	(cd 7 && tar --owner=0 --group=0 --numeric-owner --mode=4755 --mtime=@1700000000 -cf ../7.tar t/id)
	"$ROOT/scripts/make-image" --no-hello --name layered --output layered.tar \
		--layer 1.tar --layer 2.tar --layer 3.tar --layer 4.tar --layer 5.tar --layer 6.tar --layer 7.tar 2>/dev/null
	chmod 644 layered.tar
}
layered_expected() {
	cat <<-'END'
		/t
		/t/across
		/t/alias
		/t/dir
		/t/file.was
		/t/file.was/x
		/t/hard
		/t/id
		/t/keep
		/t/keep/a
		/t/opaque
		/t/opaque/new
		/t/owned
		/t/renamed
		/t/source
		/t/through
		linked linked linked
		was a directory
		in it
		kept
		new
		1000:33
		4755 0:0
		mrun: refusing to run setuid or setgid
		a directory again: new
		/t/renamed2/a
		gone
	END
}
# shellcheck disable=SC2016
LOOK='find /t | sort
	echo $(cat /t/across /t/source /t/hard)
	cat /t/dir /t/file.was/x /t/alias/a /t/opaque/new
	stat -c %u:%g /t/owned
	stat -c "%a %u:%g" /t/id
	su nobody -s /bin/sh -c "/t/id --version" 2>&1 | head -n 1
	rm -r /t/opaque && mkdir /t/opaque && touch /t/opaque/new && echo "a directory again:" $(ls /t/opaque)
	mv /t/keep /t/renamed2 && ls /t/renamed2/a
	rm -r /t && [ ! -e /t ] && echo gone'
looks_right() {
	run --separate-stderr "$@" m layered sh -c "$LOOK"
	[ "$status" -eq 0 ] || {
		printf '%s\n' "$status" "$output" "$stderr" >&2
		return 1
	}
	diff -u <(layered_expected) - <<<"$output"
}

@test "the kernel's overlay with userxattr is what is taken" {
	overlay() {
		load_hello
		run -0 --separate-stderr m $I grep ' / / ' /proc/self/mountinfo
		[ -z "$stderr" ]
		[[ $output == *" - overlay "* ]]
		[[ $output == *userxattr* ]]
		[[ $output == *upperdir=run/* ]]
		ENV=(MRUN_STORAGE_DRIVER=overlay)
		run -0 --separate-stderr m $I
		[ "$output" = "Hello world!" ]
		[ -z "$stderr" ]
		ENV=(MRUN_STORAGE_DRIVER=aufs)
		run -125 m $I
		[[ $output == *"MRUN_STORAGE_DRIVER: 'aufs' is not overlay, fuse-overlayfs or copy"* ]]
		ENV=(A=B)
	}
	both overlay
}

@test "layers look right under the overlay" {
	need_static
	layered_image
	layers() {
		m load -q -i "$T/layered.tar"
		looks_right
		[ -z "$stderr" ]
		no_leftovers
	}
	both layers
}

@test "layers look right under a copy" {
	need_static
	layered_image
	layers() {
		m load -q -i "$T/layered.tar"
		ENV=(MRUN_STORAGE_DRIVER=copy)
		looks_right
		[ "$stderr" = "mrun: MRUN_STORAGE_DRIVER=copy: the image is copied for each run, which is slow" ]
		run -0 --separate-stderr m layered grep ' / rw' /proc/self/mountinfo
		[[ $output != *" - overlay "* ]]
		no_leftovers
		ENV=(A=B)
	}
	both layers
}

@test "layers look right under fuse-overlayfs" {
	need_static
	need_fuse
	layered_image
	layers() {
		m load -q -i "$T/layered.tar"
		ENV=(MRUN_STORAGE_DRIVER=fuse-overlayfs)
		looks_right with_fuse
		[ "$stderr" = "mrun: MRUN_STORAGE_DRIVER=fuse-overlayfs: fuse-overlayfs is used, which is slower" ]
		run -0 --separate-stderr with_fuse m layered grep ' / / ' /proc/self/mountinfo
		[[ $output == *" - fuse.fuse-overlayfs "* ]]
		# The program's exit code, and what is there of processes afterwards.
		run -7 --separate-stderr with_fuse m layered sh -c 'exit 7'
		no_leftovers
		ENV=(A=B)
	}
	both layers
}

@test "a fuse-overlayfs that could not be told to end is not used" {
	need_fuse
	need_root
	need strace
	WHO=root
	load_hello
	run -125 with_fuse env MRUN_STORAGE_DRIVER=fuse-overlayfs timeout -s KILL 20 strace -f -qq -o /dev/null \
		-e trace=signalfd4 -e inject=signalfd4:error=EMFILE "$MRUN" "$I" true
	echo "$output"
	[[ $output == *"signalfd: too many open files"* ]]
	no_leftovers
}

@test "fuse-overlayfs ends with a killed mrun" {
	need_fuse
	WHO=user
	load_hello
	ENV=(MRUN_STORAGE_DRIVER=fuse-overlayfs)
	with_fuse m $I sleep 47.34 2>/dev/null &
	for _ in {1..200}; do
		pgrep -u "$TEST_UID" fuse-overlayfs >/dev/null &&
			pgrep -u "$TEST_UID" -f '^sleep 47.34' >/dev/null && break
		sleep 0.1
	done
	pgrep -u "$TEST_UID" fuse-overlayfs
	# The holder has the same command line: mrun itself is the oldest.
	kill -KILL "$(pgrep -o -u "$TEST_UID" -f "^$MRUN $I sleep 47.34")"
	wait $! || true
	for _ in {1..200}; do
		pgrep -u "$TEST_UID" 'fuse-overlayfs|sleep' >/dev/null || break
		sleep 0.1
	done
	run ! pgrep -u "$TEST_UID" 'fuse-overlayfs|sleep'
	ENV=(A=B)
	m list -q | while read -r id; do m delete --force "$id"; done
	no_leftovers
}

@test "fuse-overlayfs under a detached container, with exec into it, and its end" {
	need_fuse
	detached() {
		load_hello
		ENV=(MRUN_STORAGE_DRIVER=fuse-overlayfs)
		with_fuse m -d --name fused $I sleep 1000 >log 2>&1 </dev/null 3>&-
		grep -qx fused log
		[[ $(m exec fused grep ' / / ' /proc/self/mountinfo) == *" - fuse.fuse-overlayfs "* ]]
		m exec fused sh -c 'rm -r /usr && echo new >/new'
		[ "$(m exec fused sh -c 'cat /new; ls -d /usr 2>/dev/null')" = new ]
		m stop -t 0 fused
		m delete fused
		no_leftovers
		ENV=(A=B)
	}
	both detached
}

@test "fuse-overlayfs asked for and not to be had is an error" {
	need_root
	WHO=root
	load_hello
	# A device that nobody may open, in a mount namespace of our own.
	: >closed
	run -125 --separate-stderr unshare -m --propagation private sh -c \
		"mount --bind closed /dev/fuse && MRUN_STORAGE_DRIVER=fuse-overlayfs exec '$MRUN' $I"
	[ "${#stderr_lines[@]}" -eq 2 ]
	[[ ${stderr_lines[0]} == *"MRUN_STORAGE_DRIVER: fuse-overlayfs is not installed, or /dev/fuse"* ]]
	[[ ${stderr_lines[1]} == hint:* ]]
}

@test "a cache on another overlay: what the container writes is kept in memory" {
	need_static
	need_root
	layered_image
	mkdir lower upper work ovl
	mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none ovl
	own_mounts
	in_memory() {
		m load -q -i "$T/layered.tar"
		cache_at "$T/ovl/cache-$WHO"
		looks_right
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ $stderr == "mrun: what the container writes is kept in memory: "* ]]
		# Its tmpfs covers /tmp of the host for a moment: a source in there is found all the same.
		source=$(mktemp -d /tmp/mrun-test.XXXXXXXX)
		chmod 755 "$source"
		echo seen >"$source/f"
		run --separate-stderr m -v "$source:/v" layered cat /v/f
		rm -r "$source"
		[ "$output" = seen ]
		run -0 --separate-stderr m layered grep ' / / ' /proc/self/mountinfo
		[[ $output == *"upperdir=/tmp/u"* ]]
		no_leftovers
		m prune --all >/dev/null
		ENV=(A=B)
	}
	both in_memory
	umount ovl
}

# Where the kernel refuses: $T/deep is an overlay on an overlay.
deep() {
	mkdir lower upper work ovl upper2 work2 deep
	mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none ovl
	mount -t overlay -o lowerdir=ovl,upperdir=upper2,workdir=work2 none deep
	own_mounts
}

@test "the kernel refuses an overlay: fuse-overlayfs, said in one line" {
	need_static
	need_root
	need_fuse
	layered_image
	deep
	refused() {
		m load -q -i "$T/layered.tar"
		cache_at "$T/deep/cache-$WHO"
		looks_right with_fuse
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ $stderr == "mrun: no kernel overlay can be had here ("*"): fuse-overlayfs is used, which is slower" ]]
		no_leftovers
		# Asked for, it is that or nothing.
		ENV+=(MRUN_STORAGE_DRIVER=overlay)
		run -125 --separate-stderr with_fuse m layered true
		[[ $stderr != *"fuse-overlayfs is used"* ]]
		ENV=(A=B)
	}
	both refused
	umount deep ovl
}

@test "the kernel refuses an overlay and there is no /dev/fuse: a copy, said in one line" {
	need_static
	need_root
	layered_image
	deep
	: >closed
	refused() {
		m load -q -i "$T/layered.tar"
		cache_at "$T/deep/cache-$WHO"
		looks_right without_fuse
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ $stderr == "mrun: no kernel overlay can be had here ("*"): the image is copied for each run, which is slow" ]]
		no_leftovers
		ENV=(A=B)
	}
	without_fuse() {
		export -f m lib_as as_user
		WITH_ENV="${ENV[*]}" WITH_WHO=$WHO unshare -m --propagation private bash -c '
			[ ! -e /dev/fuse ] || mount --bind "$T/closed" /dev/fuse || exit 99
			read -ra ENV <<<"$WITH_ENV"
			WHO=$WITH_WHO
			"$@"' bash "$@"
	}
	both refused
	umount deep ovl
}

@test "a cache without user attributes: a copy, said in one line, fuse-overlayfs or not" {
	need_static
	need_root
	layered_image
	mkdir ram && mount -t ramfs -o mode=755 none ram
	own_mounts
	no_attributes() {
		m load -q -i "$T/layered.tar"
		cache_at "$T/ram/cache-$WHO"
		looks_right
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ $stderr == "mrun: the layer cache's file system has no user attributes, "*": the image is copied for each run, which is slow" ]]
		no_leftovers
		if command -v fuse-overlayfs >/dev/null && [ -c /dev/fuse ]; then
			looks_right with_fuse
			[[ $stderr == *": the image is copied for each run, which is slow" ]]
		fi
		ENV=(A=B)
	}
	both no_attributes
	umount ram
}

@test "an image of 127 layers" {
	many_layers() {
		local i options=() dir
		dir=$(mktemp -d "$T/many.XXXX")
		for i in {1..126}; do
			mkdir -p "$dir/x/m"
			echo "$i" >"$dir/x/m/$i"
			echo "$i" >"$dir/x/m/top"
			# Every third layer takes its predecessor's file away.
			[ $((i % 3)) -ne 0 ] || : >"$dir/x/m/.wh.$((i - 1))"
			tar -C "$dir/x" --owner=0 --group=0 --mtime=@1700000000 -cf "$dir/$i.tar" m
			rm -r "$dir/x"
			options+=(--layer "$dir/$i.tar")
		done
		"$ROOT/scripts/make-image" --no-hello --name many --output "$1" "${options[@]}" 2>/dev/null
	}
	image=$(lib_cached "many-$BASE_KIND.tar" many_layers)
	cp "$image" many.tar
	chmod 644 many.tar
	many() {
		m load -q -i "$T/many.tar"
		# shellcheck disable=SC2016
		run -0 --separate-stderr m many sh -c 'ls /m | wc -l; cat /m/top /m/1 /m/126; [ -e /m/125 ] || echo taken away; grep -o " - [a-z]*" /proc/self/mountinfo | head -1'
		[ "$output" = $'85\n126\n1\n126\ntaken away\n - overlay' ]
		[ -z "$stderr" ]
	}
	both many
	need_fuse
	WHO=user ENV=(MRUN_STORAGE_DRIVER=fuse-overlayfs)
	run -0 --separate-stderr with_fuse m many sh -c 'ls /m | wc -l; cat /m/top'
	[ "$output" = $'85\n126' ]
}
