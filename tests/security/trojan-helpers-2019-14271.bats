#!/usr/bin/env bats
# The programs and libraries that mrun uses come from the image, or from the caller's environment or
# working directory: newuidmap, pasta, mrun-unpack, unpigz, NSS modules, LD_PRELOAD (CVE-2019-14271 and
# kin). Each of these leaves a mark when it runs.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	MARKS=$T/marks
	mkdir -m 777 "$MARKS"
}
teardown() { sec_teardown; }

NAMES='newuidmap newgidmap pasta slirp4netns fuse-overlayfs mrun-unpack unpigz pigz gzip gunzip tar xz zstd sh runc crun'

# In DIR a trojan for each name.
trojans() { # DIR
	local name
	mkdir -p "$1"
	for name in $NAMES; do
		printf '#!/bin/sh\necho "%s ran from %s" >>"%s/ran"\nexit 1\n' "$name" "$1" "$MARKS" >"$1/$name"
		chmod 755 "$1/$name"
	done
}

# A library whose constructor leaves a mark, under the names that are loaded by themselves.
library() { # DIR
	local name
	mkdir -p "$1"
	cat >"$T/evil.c" <<-END
		#include <fcntl.h>
		#include <unistd.h>
		__attribute__((constructor)) static void run(void)
		{
			int fd = open("$MARKS/loaded", O_WRONLY | O_CREAT | O_APPEND, 0666);
			if (fd >= 0 && write(fd, "loaded\n", 7) == 7)
				close(fd);
		}
	END
	[ -f "$T/evil.so" ] || "${CC:-gcc}" -shared -fPIC -o "$T/evil.so" "$T/evil.c" || skip "no C compiler for shared libraries"
	chmod 755 "$T/evil.so"
	for name in libnss_files.so.2 libnss_compat.so.2 libnss_dns.so.2 libarchive.so.13 libz.so.1 libc.so.6; do
		cp "$T/evil.so" "$1/$name"
	done
}

no_marks() {
	[ -z "$(ls "$MARKS")" ] || {
		cat "$MARKS"/*
		return 1
	}
	sentinel_same
}

@test "control: both leave their marks" {
	trojans "$T/bin"
	library "$T/lib"
	PATH=$T/bin:$PATH newuidmap 1 || true
	LD_PRELOAD=$T/evil.so /bin/ls >/dev/null
	[ -s "$MARKS/ran" ]
	[ -s "$MARKS/loaded" ]
}

@test "the caller's PATH, LD_PRELOAD, LD_LIBRARY_PATH and working directory" {
	need_static
	local network
	trojans "$T/bin"
	library "$T/lib"
	mkdir "$T/cwd"
	cp "$T/bin"/* "$T/cwd"
	chmod 755 "$T/cwd"
	hostile_image image
	for WHO in $(roles); do
		network=
		if command -v pasta >/dev/null; then
			case $WHO in
			root) [ ! -w /dev/net/tun ] || network='--network pasta' ;;
			user) ! as_user test -w /dev/net/tun || network='--network pasta' ;;
			esac
		fi
		cp "$T/image.tar" "$T/$WHO.tar"
		gzip -k "$T/$WHO.tar"
		chmod 644 "$T/$WHO".tar*
		# env, and not assignments: only mrun shall see them.
		local evil=(env "PATH=$T/bin:." "LD_PRELOAD=$T/evil.so" "LD_LIBRARY_PATH=$T/lib:." "LD_AUDIT=$T/evil.so"
			"GCONV_PATH=$T/lib" "GLIBC_TUNABLES=glibc.malloc.check=3" "BASH_ENV=$T/bin/sh" "ENV=$T/bin/sh")
		# The static mrun does not load them; an ASan or dynamic build does, by itself.
		env LD_PRELOAD="$T/evil.so" "$MRUN" --version >/dev/null
		[ ! -e "$MARKS/loaded" ] || skip "this mrun is linked dynamically: what it loads is the caller's word"
		# shellcheck disable=SC2086 # several words
		case $WHO in
		root) (cd "$T/cwd" && /usr/bin/env "${evil[@]:1}" "$MRUN" $network "docker-archive:$T/root.tar.gz" true) ;;
		user) as_user /usr/bin/env "${evil[@]:1}" "$MRUN" $network "docker-archive:$T/user.tar.gz" true ;;
		esac
		no_marks
		hostile '.process.args = ["/bin/true"]'
		case $WHO in
		root) (cd "$T/cwd" && /usr/bin/env "${evil[@]:1}" "$MRUN" run --bundle "$B" "$ID") ;;
		user) as_user /usr/bin/env "${evil[@]:1}" "$MRUN" run --bundle "$B" "$ID" ;;
		esac
		no_marks
	done
}

@test "the image's own programs, libraries and environment" {
	mkdir -p "$T/image/etc"
	trojans "$T/image/usr/local/bin"
	library "$T/image/lib"
	cp -r "$T/image/lib" "$T/image/lib64"
	cp "$T/image/usr/local/bin"/* "$T/image/"
	echo /lib/libnss_files.so.2 >"$T/image/etc/ld.so.preload"
	printf 'passwd: files evil\ngroup: files evil\n' >"$T/image/etc/nsswitch.conf"
	echo 'somebody:x:1000:1000::/:/bin/sh' >"$T/image/etc/passwd"
	# Marks that programs of the container itself leave end up in the container.
	hostile_image image '{User: "somebody", Env: ["PATH=/usr/local/bin:/bin", "LD_PRELOAD=/lib/libnss_files.so.2",
		"LD_LIBRARY_PATH=/lib", "MRUN_STORAGE_DRIVER=copy", "XDG_DATA_HOME=/", "HOME=/"]}'
	for WHO in $(roles); do
		m "$IMAGE" /bin/busybox true || true
		[ "$WHO" = user ] || m --network none --init "$IMAGE" /bin/busybox true || true
		no_marks
		hostile '.process.args = ["/bin/sleep", "1000"] | .process.env = ["PATH=/usr/local/bin:/bin", "LD_PRELOAD=/lib/evil.so"]'
		trojans "$B/rootfs/usr/local/bin"
		start
		m exec "$ID" /bin/true
		m ps "$ID" >/dev/null
		m delete -f "$ID"
		no_marks
	done
}
