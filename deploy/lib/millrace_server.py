"""What all servers of a set have in common: a port, a directory, a process.

A server's `start` and `stop` are generators that yield while they wait, so
that one process without threads starts several servers at once (threads would
break the parent-death signal, which is tied to the thread that forked).
"""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
PORTS = range(20000, 32000)  # below the range for outgoing connections
START_PATIENCE_S = 60
STOP_PATIENCE_S = 15

libc = ctypes.CDLL(None, use_errno=True)


class ServerError(Exception):
    """A server could not do what was asked; the text says how to mend it."""


class Port:
    """A free port, reserved against other sets until `close`, also while its
    server is down: the reservation is a name in the abstract socket space,
    which the kernel releases with the process."""

    def __init__(self):
        for number in random.sample(PORTS, len(PORTS)):
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(f"\0millrace-port-{number}")
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET,
                                     socket.SO_REUSEADDR, 1)
                    probe.bind((LOOPBACK, number))
            except OSError:
                claim.close()
                continue
            self.number, self.claim = number, claim
            return
        raise ServerError("no free port between "
                          f"{PORTS.start} and {PORTS.stop}")

    def close(self):
        self.claim.close()


def wait_for(condition, patience_s, what):
    """Yields until the condition holds. Raises ServerError when it takes
    longer than its patience."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"{what} took longer than {patience_s} s")
        yield


class Server:
    """One server: its directory, its process, and what became of it."""

    name = ""
    death_signal = signal.SIGKILL  # sent when the keeper is killed

    def __init__(self, home, settings):
        self.home = Path(home)
        self.settings = settings
        self.state = "stopped"
        self.process = None
        self.on_spawn = lambda server: None

    @property
    def log(self):
        return self.home / f"{self.name}.log"

    @property
    def pid_file(self):
        return self.home / f"{self.name}.pid"

    def prepare(self):
        """Creates what the first start needs. A generator, like `start`."""
        yield from ()

    def start(self):
        if self.alive():
            return
        self.state = "starting"
        yield from self.launch()
        self.state = "running"

    def stop(self, how="fast"):
        """how: fast (orderly), immediate (as a crash, but clean), or kill."""
        process = self.process
        if process is None or process.poll() is not None:
            self.gone()
            return
        process.send_signal(self.signal_for(how))
        deadline = time.monotonic() + STOP_PATIENCE_S
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                deadline += STOP_PATIENCE_S
            yield
        self.gone()

    def signal_for(self, how):
        return signal.SIGTERM if how == "fast" else signal.SIGKILL

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def gone(self):
        self.state = "stopped"
        self.pid_file.unlink(missing_ok=True)

    def clean(self):
        """Removes what would outlive the directory. Called when stopped."""

    def look(self):
        """Notices a death nobody asked for."""
        if self.state == "running" and not self.alive():
            self.state = f"died (exit {self.process.returncode})"
            self.pid_file.unlink(missing_ok=True)

    def spawn(self, argv, user=None, log=None, serves=True, **options):
        """Starts a program whose output goes to the log and which the kernel
        ends when the keeper dies. The signal is set after the change of user,
        which would clear it."""
        number = self.death_signal if serves else signal.SIGKILL
        keeper = os.getpid()

        def die_with_keeper():
            libc.prctl(1, int(number))
            if os.getppid() != keeper:
                os._exit(1)

        if user:
            options |= {"user": user.pw_uid, "group": user.pw_gid,
                        "extra_groups": []}
        with open(log or self.log, "ab") as out:
            options = {"stdin": subprocess.DEVNULL, "stdout": out,
                       "stderr": out, "cwd": self.home,
                       "start_new_session": True,
                       "preexec_fn": die_with_keeper} | options
            process = subprocess.Popen([str(a) for a in argv], **options)
        if serves:
            self.process = process
            self.pid_file.write_text(f"{process.pid}\n")
            self.on_spawn(self)
        return process

    def run(self, argv, **options):
        """A helper program that has to succeed."""
        process = self.spawn(argv, serves=False, **options)
        yield from wait_for(lambda: process.poll() is not None,
                            START_PATIENCE_S, argv[0])
        if process.returncode != 0:
            raise ServerError(f"{argv[0]} failed{self.tail()}")

    def until_ready(self, ready):
        def answered():
            if not self.alive():
                raise ServerError(f"{self.name} ended while starting"
                                  f"{self.tail()}")
            return ready()

        yield from wait_for(answered, START_PATIENCE_S,
                            f"starting {self.name}")

    def tail(self, lines=15):
        try:
            text = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "; its log ends:\n  " + "\n  ".join(text[-lines:])

    def report(self):
        pid = self.process.pid if self.alive() else None
        return {"state": self.state, "pid": pid, "log": str(self.log)} \
            | self.address()

    def address(self):
        return {}

    def environment(self):
        return {}
