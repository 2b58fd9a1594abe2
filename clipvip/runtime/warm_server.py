"""The warm process: loads the libraries, then forks a child for each command that is asked for (see warm.py).

One thread waits for requests, for children that end, for whoever asked to hang up (its command is then stopped) and for
the end of standard input, with which everything ends.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

from clipvip.runtime.warm import ACCEPTED, ADDRESS, DECLINED, differing, receive

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


def serve(listen: socket.socket, libraries: Sequence[str]) -> None:
    """Answer requests that come to `listen` until standard input ends; a child runs its command.

    `libraries` are loaded first; whoever asks earlier waits. None of them may start a thread.
    """
    server = _Server(listen)
    for name in libraries:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # children do not copy what they only look through
    words = server.until_child()
    if words is not None:
        _run(words)


def _run(words: list[str]) -> NoReturn:
    """The command as `python -m clipvip` runs it, and the end of this process without taking the interpreter apart,
    which would copy all that the libraries hold."""
    sys.argv, code = ["clipvip", *words], 0
    try:
        runpy.run_module("clipvip", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


class _Server:
    """The socket, and the children by process id with the line of whoever asked for each."""

    def __init__(self, listen: socket.socket) -> None:
        self._environment, self._children = dict(os.environ), dict[int, socket.socket]()
        self._listen = listen
        self._ended, wake = socket.socketpair()
        wake.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake us
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: children see it themselves
        self._selector = selectors.DefaultSelector()
        for source in (self._listen, self._ended, sys.stdin):
            self._selector.register(source, selectors.EVENT_READ)

    def until_child(self) -> list[str] | None:
        """Answer until standard input ends: None. In a child: the words of its command."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    if not os.read(0, 1):
                        self._stop(list(self._children))
                        return None
                elif key.fileobj is self._ended:
                    self._ended.recv(4096)
                    self._bury()
                elif key.fileobj is self._listen:
                    if (words := self._take(self._listen.accept()[0])) is not None:
                        return words
                else:  # who asked has hung up
                    self._stop([pid for pid, line in self._children.items() if line is key.fileobj])
                    with contextlib.suppress(KeyError):  # its child has ended meanwhile
                        self._selector.unregister(key.fileobj)

    def _take(self, line: socket.socket) -> list[str] | None:
        """Fork for a request whose environment is ours. In the child: its words."""
        try:
            request, terminal = receive(line)
        except (EOFError, ValueError, OSError):
            line.close()
            return None
        try:
            others = differing(request["environment"], self._environment)
            if others or request["prefix"] != sys.prefix:
                with contextlib.suppress(OSError):
                    line.sendall(DECLINED + ", ".join(others or ["its Python"]).encode())
                line.close()
                return None
            pid = os.fork()
            if pid == 0:
                line.close()
                self._become(request, terminal)
                words: list[str] = request["words"]
                return words
            self._children[pid] = line
            self._selector.register(line, selectors.EVENT_READ)
            with contextlib.suppress(OSError):
                line.sendall(ACCEPTED)
            return None
        finally:
            for descriptor in terminal:
                os.close(descriptor)

    def _bury(self) -> None:
        """Tell whoever asked how the children that have ended did."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            line, code = self._children.pop(pid), os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                line.sendall(bytes([code if code >= 0 else 128 - code]))
            with contextlib.suppress(KeyError):
                self._selector.unregister(line)
            line.close()

    def _stop(self, children: list[int]) -> None:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _become(self, request: dict[str, Any], terminal: list[int]) -> None:
        """In the child: the terminal, folder and environment of whoever asked, and none of the server's doings."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
        self._selector.close()
        for held in (self._listen, self._ended, self._wake, *self._children.values()):
            held.close()
        for descriptor, given in enumerate(terminal):
            os.dup2(given, descriptor)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ.pop(ADDRESS, None)
        tempfile.tempdir = None  # where the environment says now
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=os.isatty(stream.fileno()) or stream is sys.stderr)  # type: ignore[union-attr]
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()  # as in any new process


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
