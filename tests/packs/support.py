"""What the tests of the packs share: a database of their own, the migrations
as the runner applies them, and sessions that may be open at the same time."""

import argparse
import json
import os
import re
import select
import subprocess
import sys
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MIGRATIONS = TOP / "migrations"


class SqlError(Exception):
    def __init__(self, text):
        super().__init__(text)
        found = re.search(r"ERROR:\s+([0-9A-Z]{5}):", text)
        self.sqlstate = found.group(1) if found else None


def url():
    return os.environ["MILLRACE_PG_URL"]


def with_database(name):
    return re.sub(r"/[^/?]*(\?.*)?$", "/" + name, url())


def quote(value):
    """A value as a literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


class Session:
    """One connection. Rows come as dictionaries, as JSON has them."""

    def __init__(self, database, schema=None):
        self.process = subprocess.Popen(
            ["psql", "-XqAt", "-v", "VERBOSITY=verbose", "-P", "pager=off",
             "-d", with_database(database)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8",
            env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning "
                                           "-c synchronous_commit=off"})
        self.count = 0
        if schema:
            self.run(f'SET search_path = "{schema}", public')

    def send(self, sql):
        """Sends without waiting; `answer` waits."""
        self.count += 1
        self.process.stdin.write(
            f"{sql}\n;\n\\echo millrace-end-{self.count}\n")
        self.process.stdin.flush()

    def waits(self, seconds):
        """Whether no answer came in this time."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return not ready

    def answer(self):
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == f"millrace-end-{self.count}":
                break
            lines.append(line)
        text = "".join(lines)
        if re.search(r"^(psql:.*)?(ERROR|FATAL):", text, re.M):
            raise SqlError(text)
        return text

    def run(self, sql):
        self.send(sql)
        return self.answer()

    def rows(self, query):
        text = self.run(f"SELECT coalesce(json_agg(millrace_row), '[]') FROM "
                        f"({query}) millrace_row")
        return json.loads(text)

    def values(self, query):
        """Each row as a tuple."""
        return [tuple(x.values()) for x in self.rows(query)]

    def value(self, query):
        return self.values(query)[0][0]

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(timeout=10)
        self.process.stdout.close()


def files_of(pack):
    found = sorted((MIGRATIONS / pack).glob("[0-9]*.sql"))
    if not found:
        raise FileNotFoundError(f"no migrations for {pack}")
    return found


def parts_of(file):
    """The up and the down part."""
    text = file.read_text(encoding="utf-8")
    up = re.split(r"^-- millrace:up$", text, flags=re.M)[1]
    up, *down = re.split(r"^-- millrace:down$", up, flags=re.M)
    return up, "".join(down)


def apply(session, schema, pack, way="up"):
    """All files of a pack, each in one transaction, as the runner does: those
    that are repeatable last, and none of them on the way down."""
    files = files_of(pack)
    if way == "up":
        files += sorted((MIGRATIONS / pack).glob("R_*.sql"))
    if way == "up":
        session.run(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    for file in files if way == "up" else reversed(files):
        body = parts_of(file)[0 if way == "up" else 1]
        try:
            session.run("\\set ON_ERROR_STOP off\nBEGIN;\n"
                        f'SET LOCAL search_path = "{schema}", public;\n{body}')
        except SqlError as error:
            session.run("ROLLBACK")
            raise AssertionError(f"{file.name}, {way}: {error}") from None
        session.run("COMMIT")


class PackTest(unittest.TestCase):
    """One database per class, with the control schema and, in the schema
    `north`, the packs named in `packs`."""

    packs = ()
    schema = "north"

    # That the database has before; without one of them there is no test.
    extensions = ()

    @classmethod
    def setUpClass(cls):
        cls.database = f"packs_{cls.__name__.lower()}_{os.getpid()}"
        cls.server = Session("postgres")
        cls.server.run(f"CREATE DATABASE {cls.database}")
        cls.sessions = []
        cls.db = cls.open()
        for extension in cls.extensions:
            if not cls.db.value("SELECT count(*) FROM pg_available_extensions "
                                f"WHERE name = '{extension}'"):
                cls.tearDownClass()
                raise unittest.SkipTest(f"there is no {extension}")
            cls.db.run(f"CREATE EXTENSION {extension} SCHEMA public")
        apply(cls.db, "millrace", "control")
        for pack in cls.packs:
            apply(cls.db, cls.schema, pack)

    @classmethod
    def tearDownClass(cls):
        for session in cls.sessions:
            session.close()
        cls.server.run(f"DROP DATABASE {cls.database} WITH (FORCE)")
        cls.server.close()

    @classmethod
    def open(cls):
        session = Session(cls.database, cls.schema)
        cls.sessions.append(session)
        return session

    def assert_refused(self, sqlstate, sql, session=None):
        with self.assertRaises(SqlError) as caught:
            (session or self.db).run(sql)
        self.assertEqual(caught.exception.sqlstate, sqlstate,
                         caught.exception)

    def until(self, condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "it does not come true")
            time.sleep(0.01)


def read_environment(file):
    """Takes over where the servers are, if there is a file that says so."""
    if file:
        for line in Path(file).read_text().splitlines():
            name, _, value = line.partition("=")
            os.environ[name] = value


def main():
    """Runs the tests of the program; `--env-file FILE` says where the servers
    are, else the environment does."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--env-file")
    own, rest = parser.parse_known_args()
    read_environment(own.env_file)
    unittest.main(argv=[sys.argv[0], *rest])
