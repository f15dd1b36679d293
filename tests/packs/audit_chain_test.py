#!/usr/bin/env python3
"""Item 25 of what the trading engine gets wrong: the hash chain over
audit_log."""

import sys

sys.dont_write_bytecode = True

import hashlib  # noqa: E402

import support  # noqa: E402

# Of the chain itself, or said to say nothing.
NOT_HASHED = {"content_hash", "chain_verified"}

# Another value for each column of a row that `entry` has made.
OTHERS = {
    "id": "gen_random_uuid()", "table_name": "'y'",
    "record_id": "gen_random_uuid()", "record_key": "'other'",
    "action": "'SELECT'", "user_id": "NULL", "user_ip": "'10.0.0.8'",
    "user_agent": "'b'", "old_data": "'{\"a\": 1.0}'",
    "new_data": "'{\"a\": null}'", "changed_fields": "'{b}'",
    "query": "'SELECT 2'", "session_id": "'S2'", "request_id": "'R2'",
    "created_at": "created_at + interval '1 microsecond'",
    "metadata": "'[]'", "chain_position": "7", "previous_hash": "NULL"}
USER = "11111111-1111-4111-8111-111111111111"


class ChainTest(support.PackTest):
    packs = ("trading-engine", "trading-engine-compliance")

    def setUp(self):
        self.entries = 0
        self.empty()

    def empty(self):
        self.tamper("DELETE FROM audit_log")
        self.db.run("DELETE FROM audit_chain")

    def tamper(self, sql):
        """As somebody does who may do everything."""
        self.db.run("SET session_replication_role = replica")
        self.db.run(sql)
        self.db.run("RESET session_replication_role")

    def entry(self, key, at="2026-01-18 10:00Z"):
        """A row, a millisecond after the one before."""
        self.entries += 1
        return ("INSERT INTO audit_log (table_name, record_id, record_key, "
                "action, user_id, user_ip, user_agent, old_data, new_data, "
                "changed_fields, query, session_id, request_id, created_at, "
                f"metadata) VALUES ('x', gen_random_uuid(), '{key}', 'UPDATE', "
                "(SELECT min(id::text)::uuid FROM users), '10.0.0.7', 'a', "
                "'{\"a\": 1}', '{}', '{a}', 'SELECT 1', 'S', 'R', "
                f"'{at}'::timestamptz + interval '{self.entries} ms', '{{}}')")

    def add(self, *keys, **more):
        for key in keys:
            self.db.run(self.entry(key, **more))

    def keys(self):
        """In the order of the chain."""
        return [x[0] for x in self.db.values(
            "SELECT record_key FROM audit_log ORDER BY chain_position")]

    def broken(self):
        return self.db.values(
            "SELECT b.month, b.chain_position, a.record_key FROM "
            "broken_audit_log() b LEFT JOIN audit_log a USING (id) "
            "ORDER BY b.month")

    def assert_sound(self, rows):
        self.assertEqual(self.broken(), [])
        self.assertEqual(self.db.values(
            "SELECT count(content_hash) AS linked, "
            "count(DISTINCT (audit_month(created_at), chain_position)) AS "
            "places, count(DISTINCT content_hash) AS hashes FROM audit_log"),
            [(rows, rows, rows)])


class Chain(ChainTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.db.run("INSERT INTO users (id, email, username, password_hash) "
                   f"VALUES ('{USER}', 'a@b', 'a', 'x')")

    def test_25_a_hash_is_of_what_the_row_holds_and_needs_no_extension(self):
        self.add("a", "b", "c")
        self.assertEqual(self.db.value("SELECT seal_audit_log()"), 3)
        self.assertEqual(self.db.value("SELECT seal_audit_log()"), 0)
        before = None
        for text, given, previous in self.db.values(
                "SELECT audit_log_text(a), content_hash, previous_hash "
                "FROM audit_log a ORDER BY chain_position"):
            self.assertEqual(hashlib.sha256(text.encode()).hexdigest(), given)
            self.assertEqual(previous, before)
            self.assertIn(USER, text)
            before = given
        self.assertEqual(
            self.db.values("SELECT month, length, last_hash FROM audit_chain"),
            [("2026-01-01", 3, before)])
        self.assert_sound(3)

    def test_25_the_hash_is_the_same_in_every_session(self):
        self.add("a")
        self.db.run("SELECT seal_audit_log()")
        other = self.open()
        other.run("SET TimeZone = 'Asia/Ho_Chi_Minh'; SET DateStyle = 'German'; "
                  "SET extra_float_digits = -5")
        self.assertEqual(
            other.values("SELECT month FROM broken_audit_log()"), [])

    def test_25_every_column_that_is_changed_is_found(self):
        columns = {x[0] for x in self.db.values(
            "SELECT attname FROM pg_attribute WHERE attrelid = "
            "'audit_log'::regclass AND attnum > 0 AND NOT attisdropped")}
        self.assertEqual(columns - NOT_HASHED, set(OTHERS))
        for column, value in OTHERS.items():
            with self.subTest(column):
                self.empty()
                self.add("a", "b", "c", "d")
                self.db.run("SELECT seal_audit_log()")
                key = "other" if column == "record_key" else "b"
                place = 7 if column == "chain_position" else 2
                self.tamper(f"UPDATE audit_log SET {column} = {value} "
                            "WHERE record_key IN ('b', 'd')")
                month, at, found = self.broken()[0]
                # Where its place is another one the row behind the gap is
                # the first of those that are not as they were.
                if column == "chain_position":
                    place, key = 3, "c"
                self.assertEqual((at, found), (place, key))

    def test_25_rows_that_are_gone_forged_or_swapped_are_found(self):
        forge = ("UPDATE audit_log a SET content_hash = audit_log_hash(a) "
                 "WHERE record_key = '{}'")
        for name, sql, place in (
                ("gone", "DELETE FROM audit_log WHERE record_key = 'b'", 3),
                ("first", "DELETE FROM audit_log WHERE record_key = 'a'", 2),
                ("last", "DELETE FROM audit_log WHERE record_key = 'd'", 3),
                ("all", "DELETE FROM audit_log", None),
                ("forged", "UPDATE audit_log SET action = 'SELECT' WHERE "
                 "record_key = 'b'; " + forge.format("b"), 3),
                ("end", "UPDATE audit_log SET action = 'SELECT' WHERE "
                 "record_key = 'd'; " + forge.format("d"), 4),
                ("swapped", "UPDATE audit_log SET chain_position = 5 - "
                 "chain_position WHERE record_key IN ('b', 'c')", 2),
                ("unlinked", "UPDATE audit_log SET chain_position = NULL, "
                 "content_hash = NULL, previous_hash = NULL WHERE "
                 "record_key = 'c'", 4),
                ("no hash", "UPDATE audit_log SET content_hash = NULL WHERE "
                 "record_key = 'c'", 3),
                ("head", "DELETE FROM audit_chain", 4)):
            with self.subTest(name):
                self.empty()
                self.add("a", "b", "c", "d")
                self.db.run("SELECT seal_audit_log()")
                self.tamper(sql)
                self.assertEqual([x[1] for x in self.broken()], [place])

    def test_25_a_chain_is_that_of_a_month_and_stays_when_rows_move(self):
        self.add("a", "b", at="2033-05-31 23:59:59Z")
        self.add("c", "d", at="2033-06-01Z")
        self.db.run("SELECT seal_audit_log()")
        self.add("e", at="2033-06-02Z")
        self.assertEqual(self.db.value(
            "SELECT ensure_audit_log_months('2033-05-01', '2033-06-30')"), 2)
        self.assertEqual(self.db.value("SELECT seal_audit_log()"), 1)
        self.assert_sound(5)
        self.assertEqual(self.db.values(
            "SELECT month, length FROM audit_chain ORDER BY month"),
            [("2033-05-01", 2), ("2033-06-01", 3)])
        self.assertEqual(self.db.value(
            "SELECT count(*) FROM audit_log_2033_06"), 3)
        # A month that is dropped is told until its end is forgotten, too.
        self.db.run("DROP TABLE audit_log_2033_05")
        self.assertEqual(self.broken(), [("2033-05-01", None, None)])
        self.assertEqual(self.db.values(
            "SELECT month FROM broken_audit_log('2033-06-15', '2033-06-20')"),
            [])
        self.db.run("DELETE FROM audit_chain WHERE month = '2033-05-01'")
        self.assert_sound(3)
        self.db.run("DROP TABLE audit_log_2033_06")

    def test_25_a_row_is_linked_once_and_not_changed_by_it(self):
        self.add("a")
        link = "chain_position = 1, content_hash = 'x'"
        for sql in ("action = 'SELECT', " + link, "action = 'SELECT'",
                    "chain_position = 1", "new_data = '{\"a\": 1}', " + link):
            self.assert_refused("23001", "UPDATE audit_log SET " + sql)
        self.db.run("SELECT seal_audit_log()")
        self.assert_refused("23001", "UPDATE audit_log SET " + link)
        self.assert_refused("23001", "UPDATE audit_log SET content_hash = NULL")
        self.assert_refused("23001", "DELETE FROM audit_log")
        self.assert_sound(1)

    def test_25_many_rows_are_linked_as_many_as_told(self):
        self.db.run("INSERT INTO audit_log (table_name, record_key, action, "
                    "created_at) SELECT 'x', n, 'SELECT', '2026-01-31 "
                    "23:59:59Z'::timestamptz + n * interval '1 ms' FROM "
                    "generate_series(1, 3500) n")
        self.assertEqual(self.db.value("SELECT seal_audit_log(1200)"), 1200)
        self.assertEqual(self.db.values(
            "SELECT record_key FROM audit_log WHERE content_hash IS NOT NULL "
            "ORDER BY audit_month(created_at), chain_position"),
            [(str(n),) for n in range(1, 1201)])
        self.assertEqual(self.broken(), [])
        self.assertEqual(self.db.value("SELECT seal_audit_log()"), 2300)
        self.assert_sound(3500)
        self.assertEqual(self.db.values(
            "SELECT length FROM audit_chain ORDER BY month"), [(999,), (2501,)])

    def test_25_two_who_link_at_once_make_one_chain(self):
        self.add(*"abcd")
        one, two = self.open(), self.open()
        one.run("BEGIN; SELECT seal_audit_log(2)")
        two.send("SELECT seal_audit_log()")
        self.assertTrue(two.waits(0.3))
        # Who only writes waits for nobody.
        self.add("e")
        one.run("COMMIT")
        two.answer()
        self.db.run("SELECT seal_audit_log()")
        self.assert_sound(5)
        self.assertEqual(self.keys()[:2], ["a", "b"])


class AtCommit(ChainTest):
    packs = ("trading-engine", "trading-engine-compliance",
             "trading-engine-chain")

    def test_25_concurrent_writers_do_not_fork_the_chain(self):
        writers = [self.open() for _ in range(6)]
        for turn in range(10):
            for number, writer in enumerate(writers):
                writer.send(f"BEGIN; {self.entry(f'{turn}.{number}')}; "
                            f"{self.entry(f'{turn}.{number}b')}; COMMIT")
            for writer in writers:
                writer.answer()
        self.assert_sound(120)
        # What one transaction wrote lies together.
        keys = self.keys()
        for key, other in zip(keys[::2], keys[1::2]):
            self.assertEqual(other, key + "b")

    def test_25_a_commit_waits_for_the_one_that_links_and_no_statement(self):
        one, two = self.open(), self.open()
        one.run(f"BEGIN; {self.entry('a')}")
        two.run(f"BEGIN; {self.entry('b')}")
        one.run("SET CONSTRAINTS ALL IMMEDIATE")
        two.run(self.entry("c"))
        two.send("COMMIT")
        self.assertTrue(two.waits(0.3))
        one.run("COMMIT")
        two.answer()
        self.assertEqual(self.keys(), ["a", "b", "c"])
        self.assert_sound(3)

    def test_25_what_is_rolled_back_leaves_no_hole(self):
        one, two = self.open(), self.open()
        one.run(f"BEGIN; {self.entry('a')}; SET CONSTRAINTS ALL IMMEDIATE")
        two.send(f"BEGIN; {self.entry('b')}; COMMIT")
        one.run("ROLLBACK")
        two.answer()
        self.assertEqual(self.keys(), ["b"])
        self.assert_sound(1)

    def test_25_what_the_audit_trigger_writes_is_linked(self):
        self.db.run("INSERT INTO users (email, username, password_hash) "
                    "SELECT n || '@b', n, 'x' FROM generate_series(1, 50) n")
        self.assert_sound(50)

    def test_25_the_set_links_what_was_there_and_goes_again(self):
        before = self.db.value("SELECT count(*) FROM pg_trigger")
        support.apply(self.db, self.schema, "trading-engine-chain", "down")
        self.assertLess(self.db.value("SELECT count(*) FROM pg_trigger"),
                        before)
        self.add("a", "b")
        self.assertEqual(self.db.value("SELECT count(content_hash) "
                                       "FROM audit_log"), 0)
        support.apply(self.db, self.schema, "trading-engine-chain")
        self.add("c")
        self.assert_sound(3)
        self.assertEqual(self.db.value("SELECT count(*) FROM pg_trigger"),
                         before)


if __name__ == "__main__":
    support.main()
