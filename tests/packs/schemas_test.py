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
            sheet.read_catalog(self.db, self.schema), changes.get("own_tables", []))
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


if __name__ == "__main__":
    support.main()
