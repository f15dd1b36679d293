"""One storm: servers, a world, a feed, the checker, and faults by schedule."""

import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import bugs
import faults
import network
from events import Feed
from laboratory import BUSY, millrace_kinds, up
from millrace_server import ServerError
from schedule import plan
from world import World

HERE = Path(__file__).resolve().parent
DISK_BYTES = 192 << 20
SAMPLE_S = 2
EVIDENCE = {
    "lanes": "SELECT * FROM millrace.lane ORDER BY pipeline, tenant, shard",
    "floors": "SELECT * FROM millrace.partition_floor",
    "waiting": "SELECT tenant, shard, seq, partition, \"offset\", "
               "encode(key, 'escape'), reason, since FROM millrace.waiting "
               "ORDER BY tenant, shard, seq",
    "sessions": "SELECT now(), pid, application_name, state, query_start, "
                "left(query, 300) FROM pg_stat_activity",
}
CATCH_UP_S = 60  # of a machine that does nothing else
PAUSE_S = .1


class Storm:
    def __init__(self, options, out, say):
        self.options = options
        self.out = Path(out)
        self.say = say
        self.timeline = []
        self.samples = []
        self.nodes_seen = []
        self.violations = []
        self.verdict = None
        self.spares = 0
        self.heard = queue.Queue()
        self.feeding = True
        self.servers = up("storm")
        self.why_no_network = network.why_no_rules()
        self.disk = Path(self.servers.directory) / "disk"
        self.why_no_disk = self.mount()
        self.world = World(options.bin, self.servers, "storm",
                           topology=options.topology, nodes=options.nodes)
        if options.bug and any(x.in_node for x in bugs.BUGS
                               if x.name == options.bug):
            self.world.defect = {"MILLRACE_SEEDED_BUG": options.bug}
        self.choice = faults.choose(self, options.faults)

    # -- set up ---------------------------------------------------------------

    def mount(self):
        """A disk of its own for the smaller tenant, or why there is none."""
        if not self.options.disk:
            return "not asked for"
        self.disk.mkdir()
        done = network.tried("mount", "-t", "tmpfs", "-o",
                             f"size={DISK_BYTES}", "storm", str(self.disk))
        if done.returncode:
            return done.stderr.strip() or "no tmpfs"
        space = self.disk / "space"
        space.mkdir()
        user = millrace_kinds.unprivileged_user()
        if user:
            shutil.chown(space, user.pw_uid, user.pw_gid)
        return None

    def begin(self):
        world = self.world
        before = {}
        if not self.why_no_disk:
            world.query(f"CREATE TABLESPACE small OWNER {world.role} "
                        f"LOCATION '{self.disk / 'space'}'",
                        url=world.server_url)
            before["small"] = "SET default_tablespace = small;"
        world.make_tables(before)
        world.open_topic()
        for name in world.names:
            world.start(name)
        world.note_history()
        for bug in bugs.BUGS:
            if bug.name == self.options.bug:
                bugs.sabotage(bug, world)
        world.tell_checker()
        place = world.directory / "world.json"
        place.write_text(world.describe())
        self.checker = subprocess.Popen(
            [sys.executable, "-B", HERE / "check.py", "--world", place,
             "--log-program", self.options.log_program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=open(world.directory / "checker.log", "wb"))
        threading.Thread(target=self.listen, daemon=True).start()
        self.feed = Feed(self.options.seed)
        self.producer = world.open_feed()
        threading.Thread(target=self.pour, daemon=True).start()

    def listen(self):
        for line in self.checker.stdout:
            self.heard.put(json.loads(line))

    def pour(self):
        """Records at a steady rate, whatever goes on."""
        begin, made = time.monotonic(), 0
        try:
            while self.feeding:
                due = int((time.monotonic() - begin) * self.options.rate)
                for _ in range(due - made):
                    self.producer.stdin.write(self.feed.line() + "\n")
                made = due
                self.producer.stdin.flush()
                time.sleep(.05)
            for line in self.feed.last_lines():
                self.producer.stdin.write(line + "\n")
            self.producer.stdin.close()
        except OSError:
            pass  # its exit code tells

    # -- what faults ask for ----------------------------------------------------

    def restart(self, name, environment=None):
        self.world.start(name, environment)

    def sql(self, statement, patience_s=0):
        """Tried once, or again and again while the server is away."""
        end = time.monotonic() + BUSY * patience_s
        while True:
            try:
                return self.world.query(statement)
            except (RuntimeError, subprocess.TimeoutExpired):
                if time.monotonic() >= end:
                    if patience_s:
                        raise
                    return []
                time.sleep(.1)

    def stop_pg(self, mode):
        if self.world.primary:
            self.world.primary.halt(mode)
        else:
            self.servers.stop("pg", mode=mode)

    def start_pg(self):
        if self.world.primary:
            self.world.primary.again()
        else:
            self.start_server("pg")

    def start_server(self, name):
        """Its own patience is that of a machine with nothing else to do."""
        for left in range(BUSY - 1, -1, -1):
            try:
                return self.servers.start(name)
            except ServerError:
                if not left:
                    raise

    def next_spare(self):
        self.spares += 1
        return self.world.directory / f"spare{self.spares}"

    # -- the run ----------------------------------------------------------------

    def note(self, kind, **members):
        event = {"t": round(time.monotonic() - self.zero, 2), "kind": kind,
                 **members}
        self.timeline.append(event)
        self.say(event)

    def hear(self):
        while True:
            try:
                said = self.heard.get_nowait()
            except queue.Empty:
                return
            said["t"] = round(said.pop("at") - self.zero_wall, 2)
            if said["kind"] == "sample":
                self.samples.append(said)
            elif said["kind"] == "violation":
                self.violations.append(said)
                self.say(said)
            elif said["kind"] == "verdict":
                self.verdict = said
            elif said["kind"] == "unanswered":
                self.timeline.append(said)

    def look_at_nodes(self):
        self.look_for_dead_nodes()
        if self.producer.poll() is not None and self.feeding:
            raise RuntimeError("the feed ended: "
                               f"exit code {self.producer.returncode}")
        if self.checker.poll() is not None:
            raise RuntimeError("the checker ended: " + (
                self.world.directory / "checker.log").read_text()[-2000:])
        now = time.monotonic() - self.zero
        if self.nodes_seen and now < self.nodes_seen[-1]["t"] + SAMPLE_S:
            return
        seen = {"t": round(now, 2), "nodes": {}}
        for name, node in list(self.world.nodes.items()):
            try:
                pages = Path(f"/proc/{node.pid}/statm").read_text().split()[1]
                files = len(list(Path(f"/proc/{node.pid}/fd").iterdir()))
                seen["nodes"][name] = [int(pages) * 4096, files]
            except OSError:
                pass
        self.nodes_seen.append(seen)

    def violate(self, number, what):
        said = {"kind": "violation", "invariant": number, "what": what,
                "examples": [], "t": round(time.monotonic() - self.zero, 2)}
        self.violations.append(said)
        self.say(said)

    def run(self):
        seconds = self.options.minutes * 60
        planned = plan(self.options.seed, seconds, self.choice.tracks)
        self.zero, self.zero_wall = time.monotonic(), time.time()
        for name, why in self.choice.skipped.items():
            self.note("skipped", fault=name, why=why)
        active = []  # (end, planned, fault)
        waiting = list(planned)
        while waiting or active or time.monotonic() < self.zero + seconds:
            now = time.monotonic() - self.zero
            for item in [x for x in active if x[0] <= now]:
                active.remove(item)
                item[2].end()
                self.note("end", fault=item[1].fault)
            # A fault that took long puts off those of its own track.
            tracks = {faults.CATALOG[x[1].fault].track for x in active}
            for x in [x for x in waiting if x.begin_s <= now]:
                track = faults.CATALOG[x.fault].track
                if track in tracks or self.enough():
                    continue
                tracks.add(track)
                waiting.remove(x)
                fault = faults.CATALOG[x.fault](self, x.seed)
                try:
                    what = fault.begin()
                except (AssertionError, RuntimeError, OSError,
                        subprocess.SubprocessError) as error:
                    self.note("not made", fault=x.fault, why=str(error)[:200])
                    continue
                self.note("begin", fault=x.fault, what=what or "")
                active.append((time.monotonic() - self.zero + x.length_s, x,
                               fault))
            for item in active:
                item[2].step()
            self.hear()
            self.look_at_nodes()
            if self.enough() and not active:
                break
            time.sleep(PAUSE_S)
        self.note("healed")

    def enough(self):
        return self.options.until_violation and self.violations

    def finish(self):
        """All is well from here on; what is the verdict?"""
        self.feeding = False
        end = time.monotonic() + BUSY * CATCH_UP_S
        code = self.producer.wait(BUSY * CATCH_UP_S)
        if code:
            raise RuntimeError(f"the feed ended with exit code {code}")
        self.note("fed", records=self.feed.made)
        patience = 5 if self.enough() else end - time.monotonic()
        # What opened the topic is in it, too.
        fed = 0 if self.enough() else self.feed.made + 1
        self.checker.stdin.write(f"final {patience} {fed}\n")
        self.checker.stdin.close()
        limit = time.monotonic() + BUSY * CATCH_UP_S + 600
        while self.checker.poll() is None and time.monotonic() < limit:
            self.hear()
            self.look_for_dead_nodes()
            time.sleep(PAUSE_S)
        time.sleep(PAUSE_S)
        self.hear()
        if self.verdict is None:
            raise RuntimeError("no verdict: " + (
                self.world.directory / "checker.log").read_text()[-2000:])
        if not self.verdict["settled"]:
            self.keep_evidence()
        self.history = self.world.query(
            "SELECT node, extract(epoch FROM at) FROM storm.history WHERE "
            "seq > seq_was AND node IS NOT NULL ORDER BY at")
        self.note("verdict")

    def look_for_dead_nodes(self):
        for name, code in self.world.ended().items():
            self.violate(0, f"node {name} ended by itself, exit code {code}")
            self.world.nodes.pop(name)
            self.restart(name)

    def keep_evidence(self):
        """What the nodes and the tables say while it lasts."""
        for name in self.world.names:
            for page in ("actors", "metrics"):
                path = "/metrics" if page == "metrics" else f"/v1/{page}"
                (self.out / f"{name}.{page}").write_text(
                    self.world.admin(name, path))
        for name, sql in EVIDENCE.items():
            lines = self.world.query(sql)
            (self.out / f"{name}.txt").write_text("\n".join(lines) + "\n")

    def recoveries(self):
        """From each start after a kill to the node's first commit."""
        commits = {}
        for line in self.history:
            node, at = line.split("|")
            commits.setdefault(node, []).append(float(at))
        found = []
        for name in self.world.names:
            starts = [x for who, x in self.world.started if who == name]
            for start, following in zip(starts[1:],
                                        [*starts[2:], float("inf")]):
                first = next((x for x in commits.get(name, ())
                              if start <= x < following), None)
                if first is not None:
                    found.append(round(first - start, 2))
        return found

    def close(self, failed):
        self.feeding = False
        for process in (getattr(self, "checker", None),
                        getattr(self, "producer", None)):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        self.world.close()
        for log in self.world.directory.glob("*.log"):
            shutil.copy(log, self.out / log.name)
        pg = Path(self.servers.directory) / "pg" / "pg.log"
        if pg.exists():
            shutil.copy(pg, self.out / "pg.log")
        if self.world.primary:
            self.world.primary.down()
        if not self.why_no_network:
            network.tried("nft", "delete", "table", "inet", "storm")
        if not self.why_no_disk:
            network.tried("umount", "--lazy", str(self.disk))
        self.servers.down()
