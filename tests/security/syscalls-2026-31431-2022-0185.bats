#!/usr/bin/env bats
# Kernel interfaces that need no privilege, are rarely needed, and broke often: AF_ALG (CVE-2026-31431),
# AF_VSOCK, AF_RXRPC, io_uring, bpf, keyctl, userfaultfd, and nested user namespaces, with which fsopen
# and all of the rest come into reach (CVE-2022-0185); each also from a 32-bit program, and by clone3,
# whose flags a filter cannot see. socketcall from 32-bit programs is the stated exception.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # programs for other shells; bats's subshells and variables
bats_require_minimum_version 1.5.0
load ../lib
load sentinel

setup_file() { user_make; }
teardown_file() { user_clean; }
setup() {
	sec_setup
	[ -x "$BUILD/tests/syscalls" ] || skip "$BUILD/tests/syscalls is not built"
	[ "$(uname -m)" = x86_64 ] || skip "the probe knows the numbers of x86_64 only"
	install -m 755 "$BUILD/tests/syscalls" "$T/syscalls"
	hostile_image image
}
teardown() { sec_teardown; }

# Denied by the filter, and with which errno.
EXPECTED='af_alg EPERM|EAFNOSUPPORT|EINVAL
af_alg_high EPERM|EAFNOSUPPORT|EINVAL
af_vsock EPERM|EAFNOSUPPORT|EINVAL
af_rxrpc EPERM|EAFNOSUPPORT|EINVAL
pair_alg EPERM|EAFNOSUPPORT|EINVAL
io_uring_setup ENOSYS|EPERM
io_uring_enter ENOSYS|EPERM
io_uring_register ENOSYS|EPERM
bpf EPERM|ENOSYS
keyctl EPERM|ENOSYS
add_key EPERM|ENOSYS
request_key EPERM|ENOSYS
userfaultfd EPERM|ENOSYS
clone_newuser EPERM
unshare_newuser EPERM
setns_newuser EPERM
clone3 ENOSYS
fsopen EPERM|ENOSYS
unknown ENOSYS'

probe() { # ABI -> $T/out
	m -v "$T/syscalls:/probe:ro" "$IMAGE" /probe "$1" >"$T/out" || status=$?
	[ -s "$T/out" ]
}

@test "control: without the filter the kernel answers, and otherwise" {
	for WHO in $(roles); do
		m --security-opt seccomp=unconfined -v "$T/syscalls:/probe:ro" "$IMAGE" /probe 64 >"$T/out"
		# These are refused for their arguments, not for what they are.
		grep -qx 'clone_newuser EINVAL' "$T/out"
		grep -qx 'unshare_newuser EINVAL' "$T/out"
		grep -qx 'setns_newuser EBADF' "$T/out"
		grep -qx 'clone3 EINVAL' "$T/out"
		run ! grep -qxE 'keyctl (EPERM|ENOSYS)' "$T/out"
	done
}

@test "images: 64-bit, 32-bit, x32, also with capabilities" {
	local name errnos abi
	for WHO in $(roles); do
		for abi in 64 32 x32; do
			status=0
			probe "$abi"
			echo "as $WHO, $abi:"
			cat "$T/out"
			# A kernel without that ABI says so.
			! grep -q "does not have the ABI" "$T/out" || continue
			grep -q '^getpid' "$T/out"
			while read -r name errnos; do
				grep -qxE "$name ($errnos)" "$T/out" || {
					echo "$name is not denied"
					false
				}
			done <<<"$EXPECTED"
		done
		# Capabilities open other doors, not these.
		m --cap-add NET_ADMIN --cap-add SYS_PTRACE -v "$T/syscalls:/probe:ro" "$IMAGE" /probe 64 >"$T/out"
		while read -r name errnos; do
			grep -qxE "$name ($errnos)" "$T/out"
		done <<<"$EXPECTED"
	done
}

# SECURITY.md says so: no filter sees its arguments.
@test "socketcall is the exception" {
	for WHO in $(roles); do
		m -v "$T/syscalls:/probe:ro" "$IMAGE" /probe socketcall >"$T/out" || true
		grep -qE "socketcall OK|does not have the ABI" "$T/out"
	done
}

@test "a user namespace from inside, by the programs that make one" {
	for WHO in $(roles); do
		run m "$IMAGE" unshare -Ur true
		[ "$status" -ne 0 ]
		run m "$IMAGE" unshare -U true
		[ "$status" -ne 0 ]
		# The control.
		m --security-opt seccomp=unconfined "$IMAGE" unshare -U true
	done
}
