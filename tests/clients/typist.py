#!/usr/bin/env python3
"""Runs a command under a terminal of its own and talks to it.

    typist.py [STEP…] -- COMMAND [ARG…]

Steps, in this order of the command line:
    size=ROWSxCOLS   sets the terminal's size (before the command runs, if it comes first)
    wait=REGEX       reads until this appears in what came since the last wait
    send=TEXT        types it; \\n, \\x03 and the like are understood

Prints all that the command printed; ends with its exit status (128+n after a signal), or 124 if
something did not come within 60 seconds.
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 60


def main():
    split = sys.argv.index("--")
    steps, command = sys.argv[1:split], sys.argv[split + 1:]
    # The command waits on a pipe for the first size.
    go_read, go_write = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.close(go_write)
        os.read(go_read, 1)
        os.execvp(command[0], command)
    os.close(go_read)
    seen, mark, started, deadline = b"", 0, False, time.monotonic() + LIMIT

    def give_up(what):
        sys.stderr.write(f"typist.py: {what} did not come within {LIMIT} s\n")
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sys.exit(124)

    def read():
        """One piece of output; False at its end."""
        nonlocal seen
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            return None
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        seen += data
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return bool(data)

    for step in steps:
        kind, _, value = step.partition("=")
        if kind != "size" and not started:
            os.close(go_write)
            started = True
        if kind == "size":
            rows, cols = map(int, value.split("x"))
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        elif kind == "send":
            os.write(terminal, codecs.decode(value, "unicode_escape").encode())
        elif kind == "wait":
            deadline = time.monotonic() + LIMIT
            while not (match := re.search(value.encode(), seen[mark:])):
                more = read()
                if more is None:
                    give_up(f"'{value}'")
                if not more:
                    break
            if match:
                mark += match.end()
        else:
            sys.exit(f"typist.py: unknown step '{step}'")
    if not started:
        os.close(go_write)
    deadline = time.monotonic() + LIMIT
    while more := read():
        pass
    if more is None:
        give_up("the end")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


main()
