"""The keeper: one process per set, the parent of its servers.

It starts them, obeys commands on a socket in the set's directory, and ends
them all when told to, when its owner dies, or when it is asked by a signal.
Should the keeper itself be killed, the kernel ends the servers, and the
undertaker, a second process that waits on a pipe from the keeper, sees to the
rest: whatever still runs, and the directory.
"""

import json
import os
import select
import selectors
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import millrace_kinds as kinds
from millrace_server import ServerError, libc

STEP_S = 0.02
LOOK_EVERY_S = 0.5


def run_together(*tasks):
    """Runs generators in turns until all have ended."""
    tasks = list(tasks)
    while tasks:
        for task in list(tasks):
            try:
                next(task)
            except StopIteration:
                tasks.remove(task)
        if tasks:
            time.sleep(STEP_S)


def create_directory(directory):
    """False when it is there already. Nobody else may write to its parent."""
    root = directory.parent
    for _ in range(10):
        try:
            root.mkdir(mode=0o755, parents=True, exist_ok=True)
            if root.stat().st_uid != os.getuid():
                raise ServerError(f"{root} belongs to somebody else; set "
                                  "MILLRACE_STATE to a directory of your own")
            directory.mkdir(mode=0o755)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:  # the last set just removed the root
            continue
    raise ServerError(f"cannot create {directory}")


def log_to(directory):
    log = os.open(directory / "keeper.log", os.O_WRONLY | os.O_CREAT
                  | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def remove_tree(directory):
    """Servers that are just ending may still write for a moment."""
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not Path(directory).exists():
            break
        time.sleep(STEP_S)
    try:
        Path(directory).parent.rmdir()  # only when it was the last set
    except OSError:
        pass


class Undertaker:
    """Holds a file descriptor per server, so that a recycled pid is never
    mistaken for one of them."""

    def __init__(self, directory, env_file):
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            # Nothing else may stay open: others wait for the end of a pipe.
            os.closerange(3, read_end)
            os.closerange(read_end + 1, 1024)
            status = 1
            try:
                self.wait(read_end, directory, env_file)
                status = 0
            finally:
                os._exit(status)
        os.close(read_end)
        self.pipe = write_end

    def add(self, server):
        self.tell({"pid": server.process.pid,
                   "signal": int(server.death_signal)})

    def tell(self, message):
        try:
            os.write(self.pipe, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            pass  # it was killed; the kernel's signal is still there

    def dismiss(self):
        self.tell({"bye": True})
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass

    @staticmethod
    def wait(pipe, directory, env_file):
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        servers = []
        with os.fdopen(pipe) as lines:
            for line in lines:
                message = json.loads(line)
                if message.get("bye"):
                    return
                try:
                    servers.append((os.pidfd_open(message["pid"]),
                                    message["signal"]))
                except ProcessLookupError:
                    pass
        for how in (None, signal.SIGKILL):
            for descriptor, number in servers:
                try:
                    signal.pidfd_send_signal(descriptor, how or number)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + 5
            for descriptor, _ in servers:
                left = max(0, deadline - time.monotonic())
                select.select([descriptor], [], [], left)
        kinds.remove_shared_memory(Path(directory) / "pg" / "data")
        if env_file:
            Path(env_file).unlink(missing_ok=True)
        remove_tree(directory)


class Keeper:
    def __init__(self, plan):
        self.plan = plan
        self.directory = Path(plan["directory"])
        self.env_file = plan.get("env_file")
        self.servers = {}
        self.unavailable = {}
        self.undertaker = Undertaker(self.directory, self.env_file)
        self.running = True
        libc.prctl(36, 1)  # orphaned backends come to the keeper
        self.selector = selectors.DefaultSelector()

    def create(self, name):
        home = self.directory / name
        settings = self.plan["settings"].get(name, {})
        if name != "kafka":
            kind = {"pg": kinds.Postgres, "redis": kinds.Redis}[name]
        else:
            embedded = self.plan.get("embedded")
            reason = kinds.why_no_kafka()
            if self.plan["kafka"] == "embedded" and not embedded:
                reason = "no program for the embedded broker was given"
            elif self.plan["kafka"] == "embedded" or (
                    reason and embedded and self.plan["kafka"] == "auto"):
                kind = kinds.EmbeddedBroker
                settings = {"program": embedded,
                            "topics": self.plan.get("topics", [])}
                reason = None
            else:
                kind = kinds.Kafka
            if reason:
                if self.plan["kafka"] != "auto":
                    raise ServerError(reason)
                self.unavailable[name] = reason
                return
        home.mkdir()
        server = kind(home, settings)
        server.on_spawn = self.undertaker.add
        self.servers[name] = server

    def first_start(self):
        for name in self.plan["only"]:
            self.create(name)

        def both(server):
            yield from server.prepare()
            yield from server.start()

        run_together(*(both(s) for s in self.servers.values()))
        self.save()

    def look(self):
        """Notices deaths, and collects children that are nobody's, such as
        the backends of a killed PostgreSQL."""
        for server in self.servers.values():
            server.look()
        own = {s.process.pid for s in self.servers.values() if s.process}
        for _ in range(1000):
            try:
                child = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG
                                  | os.WNOWAIT)
                if child is None or child.si_pid in own:
                    return
                os.waitpid(child.si_pid, 0)
            except ChildProcessError:
                return

    def report(self):
        self.look()
        report = {name: s.report() for name, s in self.servers.items()}
        report |= {name: {"state": "unavailable", "why": why}
                   for name, why in self.unavailable.items()}
        environment = {"MILLRACE_SERVERS": str(self.directory)}
        for server in self.servers.values():
            environment |= server.environment()
        if "kafka" in self.unavailable:
            environment |= {"MILLRACE_KAFKA_KIND": "none",
                            "MILLRACE_KAFKA_WHY": self.unavailable["kafka"]}
        return {"name": self.plan["name"], "directory": str(self.directory),
                "keeper": os.getpid(), "servers": report,
                "environment": environment}

    def save(self):
        """What `down` needs should the keeper and the undertaker be gone."""
        write_atomically(self.directory / "state.json",
                         json.dumps(self.report(), indent=2) + "\n")
        if self.env_file:
            write_atomically(Path(self.env_file),
                             "".join(f"{key}={value}\n" for key, value in
                                     self.report()["environment"].items()))

    def obey(self, request):
        command = request["command"]
        if command == "status":
            return self.report()
        if command == "down":
            self.running = False
            self.end()
            return {}
        server = self.servers.get(request["server"])
        if server is None:
            raise ServerError(
                f"this set has no {request['server']}, only "
                + ", ".join(self.servers))
        if command in ("stop", "kill", "restart"):
            how = "kill" if command == "kill" else request["mode"]
            run_together(server.stop(how))
        if command in ("start", "restart"):
            run_together(server.start())
        self.save()
        return self.report()

    def end(self):
        # Nobody will read the data again.
        run_together(*(s.stop("immediate") for s in self.servers.values()))
        self.look()
        for server in self.servers.values():
            server.clean()
        if self.env_file:
            Path(self.env_file).unlink(missing_ok=True)
        remove_tree(self.directory)

    def stop_running(self, *_):
        self.running = False

    def serve(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.directory / "control"))
        os.chmod(self.directory / "control", 0o600)
        listener.listen()
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, self.answer)
        for owner in self.owners():
            self.selector.register(owner, selectors.EVENT_READ,
                                   self.stop_running)
        return listener

    def owners(self):
        """What becomes readable when the set's owner is gone."""
        if self.plan.get("owner_fd") is not None:
            yield self.plan["owner_fd"]
        if self.plan.get("owner"):
            try:
                yield os.pidfd_open(self.plan["owner"])
            except ProcessLookupError:
                self.running = False

    def answer(self, listener):
        try:
            link, _ = listener.accept()
        except BlockingIOError:
            return
        link.settimeout(5)
        try:
            with link, link.makefile("rw") as stream:
                request = json.loads(stream.readline())
                try:
                    reply = self.obey(request)
                except ServerError as error:
                    reply = {"error": str(error)}
                stream.write(json.dumps(reply) + "\n")
        except (OSError, ValueError):
            pass  # the client went away or spoke nonsense

    def run(self, ready):
        """ready: a pipe to the process that waits for the first start."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.stop_running)
        try:
            self.first_start()
            listener = self.serve()
            answer = self.report()
        except (ServerError, OSError) as error:
            self.end()
            self.undertaker.dismiss()
            report(ready, {"error": str(error)})
            return 1
        if not report(ready, answer):
            self.running = False  # whoever asked has been interrupted
        while self.running:
            for key, _ in self.selector.select(LOOK_EVERY_S):
                key.data(key.fileobj)
            self.look()
        listener.close()
        if self.directory.exists():
            self.end()
        self.undertaker.dismiss()
        return 0


def write_atomically(path, text):
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def report(pipe, message):
    """False when nobody listens any more."""
    try:
        with os.fdopen(pipe, "w") as stream:
            stream.write(json.dumps(message) + "\n")
    except BrokenPipeError:
        return False
    return True


def main():
    plan, ready = json.loads(sys.argv[1]), int(sys.argv[2])
    directory = Path(plan["directory"])
    try:
        if not create_directory(directory):
            report(ready, {"exists": True})
            return 1
        log_to(directory)
    except (ServerError, OSError) as error:
        report(ready, {"error": str(error)})
        return 1
    return Keeper(plan).run(ready)


if __name__ == "__main__":
    sys.exit(main())
