#!/usr/bin/env bats
# buildah with --runtime mrun and isolation oci, as root and as an ordinary user.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154,SC2317 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load podman

setup_file() { podman_make buildah; }
teardown_file() { podman_clean; }
setup() { podman_setup; }
teardown() { podman_teardown; }

bud() {
	b bud --runtime "$P/bin/mrun" --isolation oci --no-cache "${NONE[@]}" "$@"
}
brun() { b run --runtime "$P/bin/mrun" --isolation oci --network none "$@"; }
# buildah's cgroups are below the root or its own.
none_of_buildah() { [ -z "$(find /sys/fs/cgroup -type d -name 'buildah-buildah*' 2>/dev/null)" ]; }

@test "bud: the multi-stage example, pushed as an archive, loaded and run by mrun" {
	need go
	archive=$(lib_cached "golang-$BASE_KIND.tar" golang_image)
	example() {
		context=$(own_dir context)
		cp "$EXAMPLE"/* "$context/"
		p load -q <"$archive" >/dev/null 2>&1
		calls_begin
		run -0 bud -t built "$context"
		# What buildah calls, and that it was mrun.
		for command in create start state delete; do
			grep -q "^$command " "$P/calls"
		done
		out=$(own_dir out)
		b push -q built "docker-archive:$out/built.tar:built:latest" >/dev/null 2>&1
		if [ "$WHO" = user ]; then
			as_user "$MRUN" load -q -i "$out/built.tar"
			run -0 --separate-stderr as_user "$MRUN" built
		else
			"$MRUN" load -q -i "$out/built.tar"
			run -0 --separate-stderr "$MRUN" built
		fi
		[ "$output" = "Hello world!" ]
		b rmi -f built golang:alpine >/dev/null 2>&1
		eventually none_of_buildah
	}
	both example
}

@test "bud: mounts of RUN, USER, WORKDIR, SHELL; a step that fails" {
	steps() {
		context=$(own_dir context)
		echo secret >"$context/secret"
		echo bound >"$context/file"
		cat >"$context/Dockerfile" <<-'END'
			FROM alpine AS one
			RUN mkdir /made && echo from one >/made/f && chown -R 1000:1000 /made
			FROM alpine
			RUN --mount=type=bind,source=file,target=/bound --mount=type=tmpfs,target=/t --mount=type=secret,id=s \
			    cat /bound /run/secrets/s && touch /t/x && ! touch /bound 2>/dev/null && grep -c ' /t .*tmpfs' /proc/self/mountinfo
			RUN --mount=type=bind,source=file,target=/bound,z --mount=type=bind,from=one,source=/made,target=/one,Z,rslave cat /bound /one/f
			COPY --from=one /made /made
			USER 1000:1000
			WORKDIR /made
			RUN id -u && pwd && cat f && echo more >>f
			SHELL ["/bin/sh", "-e", "-c"]
			RUN cat f; false; echo never
		END
		chmod -R a+rX "$context"
		run ! bud --format docker --secret "id=s,src=$context/secret" -t failed "$context"
		printed=$(grep -v -e '^\[' -e '^time=' <<<"$output")
		[[ $printed == *$'bound\nsecret\n1\n'*$'bound\nfrom one\n'*$'1000\n/made\nfrom one\n'*$'from one\nmore\n'* ]]
		[[ $output == *"exit status 1"* ]]
		[[ $printed != *$'\nnever'* ]]
		# The containers of a failed build stay: buildah's way.
		b rm -a >/dev/null
		eventually none_of_buildah
	}
	both steps
}

@test "run: output, input, exit code, terminal, user, capabilities, volumes, networks; errors" {
	running() {
		name=$(b from alpine)
		run -3 --separate-stderr brun "$name" sh -c 'echo out; echo err >&2; echo kept >/kept; exit 3'
		[ "$output" = out ]
		[[ $stderr == *err* ]]
		run -0 brun "$name" cat /kept
		[ "$output" = kept ]
		run -0 brun "$name" wc -c < <(head -c 100000 /dev/zero)
		[ "$output" = 100000 ]
		run -0 typed size=33x99 'wait=@' 'send=x\n' -- brun -t "$name" sh -c 'tty; until stty size 2>/dev/null | grep [1-9]; do sleep 0.1; done; echo @; read x; echo "got $x"'
		[[ $output == */dev/pts/0*"33 99"*@*"got x"* ]]
		dir=$(own_dir v)
		as_who sh -c "echo text >'$dir/f'"
		run -0 brun --user 5:6 --cap-drop all --env A=b --hostname box --workingdir /tmp -v "$dir:/v:ro" "$name" sh -c '
			id -u; id -g; echo $A; hostname; pwd; cat /v/f; touch /v/x 2>&1 | grep -o Read-only; grep CapEff /proc/self/status'
		[ "$output" = $'5\n6\nb\nbox\n/tmp\ntext\nRead-only\nCapEff:	0000000000000000' ]
		run -0 b run --runtime "$P/bin/mrun" --isolation oci --network host "$name" readlink /proc/self/ns/net
		[ "$output" = "$(in_ns readlink /proc/self/ns/net)" ]
		run ! brun "$name" /nonexistent
		[[ $output == *"exec /nonexistent: no such file or directory"* ]]
		run ! brun "$name" nonexistent
		[[ $output == *'executable file not found in $PATH'* ]]
		if [ "$WHO" = user ]; then
			run -0 b run --runtime "$P/bin/mrun" --isolation rootless "${NONE[@]}" "$name" id -u
			[ "$output" = 0 ]
		fi
		b commit -q "$name" committed >/dev/null 2>&1
		b rm "$name" >/dev/null
		run -0 prun --rm "${NONE[@]}" committed cat /kept
		[ "$output" = kept ]
		b rmi -f committed >/dev/null
		eventually none_of_buildah
	}
	export -f brun
	both running
}
