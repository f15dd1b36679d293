"""Private servers for development and tests, as a module.

    servers = millrace_servers.up("mine", only=["pg", "kafka"])
    servers.environment["MILLRACE_PG_URL"]
    servers.restart("pg", mode="immediate")
    servers.down()

A set lives in its own directory below `root()`, and any number of sets can run
side by side. Every failure is a ServerError whose text says how to mend it.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import millrace_kinds as kinds
import millrace_keeper as keeper
from millrace_server import ServerError

NAMES = ("pg", "kafka", "redis")
MODES = ("fast", "immediate", "kill")
ANSWER_PATIENCE_S = 120


def root():
    state = os.environ.get("MILLRACE_STATE")
    return Path(state).resolve() if state \
        else Path(f"/tmp/millrace-{os.getuid()}")


def directory_of(name):
    if not name or name.startswith(".") or "/" in name:
        raise ServerError(f"'{name}' is no name for a set of servers")
    directory = root() / name
    if len(str(directory / "control")) > 100:
        raise ServerError(f"{directory} is too long for a socket; set "
                          "MILLRACE_STATE to a shorter path")
    return directory


keepers = {}  # by name of the set: the ones this process started


class Servers:
    """A set that is up."""

    def __init__(self, name):
        self.name = name
        self.directory = root() / name

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(ANSWER_PATIENCE_S)
            try:
                link.connect(str(self.directory / "control"))
                with link.makefile("rw") as stream:
                    stream.write(json.dumps(request) + "\n")
                    stream.flush()
                    reply = json.loads(stream.readline() or "null")
            except OSError as error:
                raise ServerError(
                    f"no servers named '{self.name}' are up "
                    f"({error.strerror or error}); "
                    "`deploy/dev-servers up` starts them") from error
        if reply is None:
            raise ServerError(f"the keeper of '{self.name}' ended meanwhile")
        if "error" in reply:
            raise ServerError(reply["error"])
        return reply

    def status(self):
        return self.ask(command="status")

    @property
    def environment(self):
        return self.status()["environment"]

    def start(self, server):
        return self.ask(command="start", server=server)

    def stop(self, server, mode="fast"):
        return self.ask(command="stop", server=server, mode=mode)

    def restart(self, server, mode="fast"):
        return self.ask(command="restart", server=server, mode=mode)

    def kill(self, server):
        return self.ask(command="kill", server=server)

    def down(self):
        """Ends the servers and waits until all are gone. Does nothing when
        there are none."""
        if not self.directory.exists():
            return
        try:
            pid = self.status()["keeper"]
            watch = os.pidfd_open(pid)
            self.ask(command="down")
            select.select([watch], [], [], ANSWER_PATIENCE_S)
            os.close(watch)
        except (ServerError, ProcessLookupError):
            self.bury()
        if self.name in keepers:
            keepers.pop(self.name).wait(ANSWER_PATIENCE_S)

    def bury(self):
        """For a set whose keeper is gone. The undertaker is given a moment;
        then the pid files are all there is to go by."""
        deadline = time.monotonic() + 12
        while self.directory.exists() and time.monotonic() < deadline:
            if not self.pids():
                break
            time.sleep(0.1)
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        kinds.remove_shared_memory(self.directory / "pg" / "data")
        keeper.remove_tree(self.directory)

    def pids(self):
        """Living processes that belong to this set: named by a pid file, and
        at work in the set's directory."""
        found = []
        for name in NAMES:
            try:
                pid = int((self.directory / name / f"{name}.pid").read_text())
                where = os.readlink(f"/proc/{pid}/cwd")
            except (OSError, ValueError):
                continue
            if where.startswith(f"{self.directory}/"):
                found.append(pid)
        return found


def up(name="dev", *, only=NAMES, kafka="auto", embedded=None, topics=(),
       owner=None, owner_fd=None, env_file=None, settings=None):
    """Starts a set and returns when every server answers. A set that is up
    already is returned as it is.

    kafka: auto (real when it can be, else the embedded broker when `embedded`
    names its program, else none), real, or embedded.
    topics: NAME:PARTITIONS, what the embedded broker holds from its start, for
    it creates none on request; real Kafka does.
    owner, owner_fd: the set ends when this process does, or when this pipe is
    closed by its writer. settings: {"pg": {"fsync": "off"}} and so on.
    """
    for server in only:
        if server not in NAMES:
            raise ServerError(f"there is no server '{server}', only "
                              + ", ".join(NAMES))
    plan = {"name": name, "directory": str(directory_of(name)),
            "only": list(only), "kafka": kafka, "embedded": embedded,
            "topics": list(topics), "owner": owner, "owner_fd": owner_fd,
            "settings": settings or {},
            "env_file": env_file and str(Path(env_file).resolve())}
    reply = start_keeper(name, plan)
    if reply.get("exists"):
        try:
            Servers(name).status()
            return Servers(name)
        except ServerError:
            Servers(name).down()
            reply = start_keeper(name, plan)
    if reply.get("exists"):
        raise ServerError(f"somebody else starts '{name}' at the same time")
    if "error" in reply:
        raise ServerError(reply["error"])
    return Servers(name)


def start_keeper(name, plan):
    """Its first words. The keeper makes the directory: should this process be
    killed meanwhile, there is always somebody who removes it."""
    owner_fd = plan["owner_fd"]
    reader, writer = os.pipe()
    kept = [writer] + ([owner_fd] if owner_fd is not None else [])
    process = subprocess.Popen(
        [sys.executable, "-B", keeper.__file__, json.dumps(plan),
         str(writer)], pass_fds=kept, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        start_new_session=True)
    os.close(writer)
    with os.fdopen(reader) as stream:
        reply = json.loads(stream.readline() or "null")
    if reply is None:
        reply = {"error": "the keeper ended while starting"}
    if "error" in reply or "exists" in reply:
        process.wait(ANSWER_PATIENCE_S)
    else:
        keepers[name] = process
    return reply


def every():
    """The sets of this user that have a directory."""
    try:
        return [Servers(d.name) for d in sorted(root().iterdir())
                if d.is_dir()]
    except FileNotFoundError:
        return []
