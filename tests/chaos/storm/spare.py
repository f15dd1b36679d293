"""A standby that takes over without the last commits."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from laboratory import BUSY, Standby  # noqa: E402

PATIENCE_S = 20


class Spare(Standby):
    def __init__(self, world, home):
        self.world = world
        # Tablespaces go into its own folder.
        places = [x for x in world.query(
            "SELECT pg_tablespace_location(oid) FROM pg_tablespace") if x]
        super().__init__(world.server_url, home, [
            word for i, x in enumerate(places)
            for word in ("-T", f"{x}={home / f'space{i}'}")])

    def until(self, sql, wanted):
        end = time.monotonic() + BUSY * PATIENCE_S
        while self.world.query(sql, url=self.url) != [wanted]:
            assert time.monotonic() < end, f"waited in vain: {sql}"
            time.sleep(.05)

    def cut_off(self):
        """From here on it misses what the primary commits."""
        self.world.query("ALTER SYSTEM SET primary_conninfo = ''",
                         url=self.url)
        self.world.query("SELECT pg_reload_conf()", url=self.url)
        self.until("SELECT count(*) FROM pg_stat_wal_receiver", "0")

    def promote(self):
        self.world.query("SELECT pg_promote()", url=self.url)
        self.until("SELECT pg_is_in_recovery()", "f")

    def again(self):
        for _ in self.start():
            time.sleep(.05)

    def halt(self, mode):
        for _ in self.stop(mode):
            time.sleep(.05)
