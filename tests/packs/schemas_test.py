#!/usr/bin/env python3
"""The schemas of the packs against the tables of their fact sheets."""

import sys

sys.dont_write_bytecode = True

import sheet  # noqa: E402
import support  # noqa: E402


class SchemaTest(support.PackTest):
    """For each pack: what its sheet says, and the way there and back."""

    sheets = ()
    totals = {}

    @classmethod
    def setUpClass(cls):
        if cls is SchemaTest:
            raise support.unittest.SkipTest("what the packs' tests share")
        super().setUpClass()

    def test_1_the_transcript_has_the_totals_of_the_sheet(self):
        for name, totals in self.totals.items():
            tables = sheet.read_sheets(name)
            self.assertEqual(
                (len(tables), sum(len(x.columns) for x in tables.values()),
                 sum(len(x.indexes) for x in tables.values()),
                 sum(len(x.triggers) for x in tables.values()),
                 sum(len(x.foreign) for x in tables.values())), totals, name)

    def test_2_the_schema_is_that_of_the_sheet_with_the_named_changes(self):
        changes = sheet.read_changes(self.packs[0])
        found = sheet.differences(
            sheet.expected(self.packs[0], *self.sheets),
            sheet.read_catalog(self.db, self.schema),
            changes.get("own_tables", []))
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_3_no_two_indexes_of_a_table_are_the_same(self):
        for name, table in sheet.read_catalog(self.db, self.schema).items():
            rules = [x for x in table.indexes.values()]
            self.assertEqual(len(rules), len(set(rules)), name)

    def test_4_every_tenant_of_a_database_has_the_same(self):
        first = sheet.read_catalog(self.db, self.schema)
        support.apply(self.db, "another", self.packs[0])
        self.assertEqual(
            sheet.differences(first, sheet.read_catalog(self.db, "another")),
            [])
        for line in sheet.dump(self.db, "another"):
            self.assertNotRegex(line, rf"\b{self.schema}\b")

    def test_5_up_down_up_ends_in_the_same_schema(self):
        before = sheet.dump(self.db, self.schema)
        support.apply(self.db, self.schema, self.packs[0], "down")
        self.assertEqual(sheet.dump(self.db, self.schema), [])
        support.apply(self.db, self.schema, self.packs[0])
        self.assertEqual(sheet.dump(self.db, self.schema), before)


class PmeOnline(SchemaTest):
    packs = ("pme-online",)
    sheets = ("pme-online",)
    totals = {"pme-online": (11, 116, 30, 0, 10)}


class TradingEngine(SchemaTest):
    packs = ("trading-engine",)
    sheets = ("trading-engine",)
    totals = {"trading-engine": (37, 628, 176, 18, 70)}


class PerpsStats(SchemaTest):
    packs = ("perps-stats",)
    sheets = ("perps-stats-a", "perps-stats-b")
    totals = {"perps-stats-a": (7, 67, 14, 0, 9),
              "perps-stats-b": (11, 118, 24, 0, 2)}


class Beside:
    """The same where an extension is: the schema, and the way there and back."""

    extensions = ("timescaledb",)
    test_1_the_transcript_has_the_totals_of_the_sheet = None
    test_3_no_two_indexes_of_a_table_are_the_same = None
    test_4_every_tenant_of_a_database_has_the_same = None


class TradingEngineBesideTimescaleDB(Beside, TradingEngine):
    pass


class PerpsStatsBesideTimescaleDB(Beside, PerpsStats):
    pass


class SetsOfTradingEngine(support.PackTest):
    """What goes on top of the pack: each alone."""

    packs = ("trading-engine",)
    totals = {"payments": (12, 127, 37), "config": (3, 19, 17),
              "routing": (6, 110, 25), "compliance": (10, 143, 19),
              "ticks": (1, 8, 3)}

    def check(self, name, sheet_name):
        pack = "trading-engine-" + name
        before = sheet.read_catalog(self.db, self.schema)
        lines = sheet.dump(self.db, self.schema)
        support.apply(self.db, self.schema, pack)
        once = sheet.dump(self.db, self.schema)
        renamed = sheet.changed(
            sheet.read_sheets("trading-engine-" + sheet_name),
            {"names": sheet.read_changes(pack).get("names", {})})
        wanted = sheet.changed(before | renamed, {
            "change": sheet.read_changes(pack).get("change", [])})
        found = sheet.differences(wanted,
                                  sheet.read_catalog(self.db, self.schema))
        self.assertEqual(found, [], "\n" + "\n".join(found))
        support.apply(self.db, self.schema, pack, "down")
        self.assertEqual(sheet.dump(self.db, self.schema), lines)
        support.apply(self.db, self.schema, pack)
        self.assertEqual(sheet.dump(self.db, self.schema), once)
        support.apply(self.db, self.schema, pack, "down")

    def test_they_are_those_of_the_sheet_s_appendix(self):
        for name, totals in self.totals.items():
            with self.subTest(name):
                tables = sheet.read_sheets("trading-engine-" + name).values()
                self.assertEqual(
                    (len(tables), sum(len(x.columns) for x in tables),
                     sum(len(x.indexes) for x in tables)), totals)
                self.check(name, name)

    def test_ticks_lie_in_a_hypertable_where_timescaledb_is(self):
        if not self.db.value("SELECT count(*) FROM pg_available_extensions "
                             "WHERE name = 'timescaledb'"):
            self.skipTest("there is no TimescaleDB")
        self.check("ticks-hypertable", "ticks")


if __name__ == "__main__":
    support.main()
