"""A schema in the words of the fact sheets: as the sheets say it, and as the
catalog does."""

import copy
import re
import tomllib
from pathlib import Path

SHEETS = Path(__file__).resolve().parent / "sheets"


class Table:
    def __init__(self):
        self.columns = {}    # name -> "type | null | default"
        self.key = ()
        self.unique = set()  # "a, b", "a, b (nulls equal)"
        self.foreign = set()  # "a → t.c (on delete cascade)"
        self.checks = {}     # column or name -> rule
        self.indexes = {}    # name -> "kind | columns | where | unique"
        self.triggers = {}   # name -> "when | function"
        self.partition = ""

    def facts(self):
        """Everything, as lines."""
        yield from (f"column {n}: {x}" for n, x in self.columns.items())
        if self.key:
            yield "primary key: " + ", ".join(self.key)
        yield from (f"unique: {x}" for x in self.unique)
        yield from (f"foreign key: {x}" for x in self.foreign)
        yield from (f"check {n}: {x}" for n, x in self.checks.items())
        yield from (f"index {n}: {x}" for n, x in self.indexes.items())
        yield from (f"trigger {n}: {x}" for n, x in self.triggers.items())
        if self.partition:
            yield f"partition: {self.partition}"


def fields(line, count):
    parts = [x.strip() for x in line.split("|")]
    return (parts + [""] * count)[:count]


def lines(text):
    if isinstance(text, str):
        text = text.strip().split("\n")
    return [x for x in text if x.strip()]


# -- as the sheet says it -----------------------------------------------------


def read_column(table, line):
    name, kind, null, default, notes = fields(line, 5)
    table.columns[name] = f"{kind} | {null} | {default}"
    table.foreign = {x for x in table.foreign
                     if not x.startswith(name + " → ")}
    table.checks.pop(name, None)
    table.unique.discard(name)
    for note in filter(None, (x.strip() for x in notes.split("; "))):
        if note.startswith("PK"):
            table.key += (name,)
        elif note == "unique":
            table.unique.add(name)
        elif note.startswith("FK → "):
            table.foreign.add(f"{name} → {note[5:]}")
        elif re.match(r"one of |from \d|[≥>] ", note):
            table.checks[name] = note


def read_table(source, table=None):
    table = table or Table()
    for line in lines(source.get("columns", "")):
        read_column(table, line)
    for line in lines(source.get("indexes", "")):
        name, kind, columns, where, unique = fields(line, 5)
        table.indexes[name] = f"{kind} | {columns} | {where} | {unique}"
    for name in source.get("no_indexes", []):
        del table.indexes[name]
    for line in lines(source.get("triggers", "")):
        name, when, function = fields(line, 3)
        table.triggers[name] = f"{when} | {function}"
    table.unique |= set(source.get("unique", []))
    table.unique -= set(source.get("not_unique", []))
    table.foreign |= set(source.get("foreign_keys", []))
    table.foreign -= set(source.get("no_foreign_keys", []))
    table.checks |= source.get("checks", {})
    table.partition = source.get("partition", table.partition)
    if "primary_key" in source:
        table.key = tuple(source["primary_key"].split(", "))
    return table


def read_sheets(*names):
    """Several sheets of one pack: the later one's words hold."""
    tables = {}
    for name in names:
        with open(SHEETS / f"{name}.toml", "rb") as file:
            for table, source in tomllib.load(file).items():
                found = tables.setdefault(table, Table())
                # A key in the later sheet is said once more, not added to.
                if "PK" in source["columns"]:
                    found.key = ()
                read_table(source, found)
    return tables


def expected(pack, *sheets):
    """What the pack's schema must be, but for the tables of its own."""
    return changed(read_sheets(*sheets), read_changes(pack))


def read_changes(name):
    with open(SHEETS / f"{name}-changes.toml", "rb") as file:
        return tomllib.load(file)


def changed(tables, changes):
    """The sheet's tables with what the pack does differently."""
    tables = copy.deepcopy(tables)
    for old, new in changes.get("names", {}).items():
        tables[new] = tables.pop(old)
    for old, new in changes.get("types", {}).items():
        for table in tables.values():
            for name, text in table.columns.items():
                table.columns[name] = re.sub(rf"^{re.escape(old)} \|",
                                             f"{new} |", text)
    for change in changes.get("change", []):
        for name in change["tables"]:
            read_table(change, tables.setdefault(name, Table()))
    return tables


# -- as the catalog says it ---------------------------------------------------

TYPES = [("character varying", "varchar"), ("character(", "char("),
         ("timestamp with time zone", "timestamptz"),
         ("timestamp without time zone", "timestamp"),
         ("time without time zone", "time"), ("double precision", "double")]


def type_words(kind):
    for long, short in TYPES:
        kind = kind.replace(long, short)
    return kind.replace(", ", ",")


def plain(expression):
    """Without casts and parentheses."""
    expression = re.sub(r"::(character varying|timestamp with time zone|\w+)"
                        r"(\([\d,]+\))?(\[\])?", "", expression)
    return re.sub(r'[()"]', "", expression)


def default_words(default):
    if default is None:
        return ""
    words = {"now()": "now", "gen_random_uuid()": "random uuid"}
    return words.get(default) or plain(default).strip("'")


def check_words(definition):
    """(column or None, rule)"""
    text = plain(definition.removeprefix("CHECK "))
    found = re.fullmatch(r"(\w+) = ANY ARRAY\[(.*)\]", text)
    if found:
        values = [x.strip("'") for x in found[2].split(", ")]
        return found[1], "one of " + " / ".join(values)
    found = re.fullmatch(r"(\w+) >= ([\d.]+) AND \1 <= ([\d.]+)", text)
    if found:
        return found[1], f"from {found[2]} to {found[3]}"
    found = re.fullmatch(r"(\w+) > (\d+) AND \1 <= (\d+)", text)
    if found:
        return found[1], f"> {found[2]} and ≤ {found[3]}"
    found = re.fullmatch(r"(\w+) (>=|>) (\d+)", text)
    if found:
        return found[1], f"{found[2].replace('>=', '≥')} {found[3]}"
    return None, text


def where_words(predicate):
    if predicate is None:
        return ""
    text = plain(predicate)
    found = re.fullmatch(r"(\w+) (=|<>) (ANY|ALL) ARRAY\[(.*)\]", text)
    if found:
        values = " / ".join(x.strip("'") for x in found[4].split(", "))
        return f"{found[1]} {'' if found[2] == '=' else 'not '}one of {values}"
    parts = []
    for part in text.split(" AND "):
        if re.fullmatch(r"\w+", part):
            part += " is true"
        part = re.sub(r"^NOT (\w+)$", r"\1 is false", part)
        part = part.replace("IS NOT NULL", "is set")
        part = part.replace("IS NULL", "is empty").replace("'", "")
        parts.append(part)
    return " and ".join(parts)


COLUMNS = """
SELECT c.relname AS table, a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS filled,
       a.attidentity AS identity, a.attgenerated AS generated,
       pg_get_expr(d.adbin, d.adrelid) AS value
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum"""

CONSTRAINTS = """
SELECT c.relname AS table, o.conname AS name, o.contype AS kind,
       (SELECT string_agg(a.attname, ', ' ORDER BY k.n)
        FROM unnest(o.conkey) WITH ORDINALITY k (num, n)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num)
         AS columns,
       (SELECT f.relname || '.' || string_agg(a.attname, ', ' ORDER BY k.n)
        FROM unnest(o.confkey) WITH ORDINALITY k (num, n)
        JOIN pg_attribute a ON a.attrelid = f.oid AND a.attnum = k.num)
         AS target,
       o.confdeltype AS deletes, i.indnullsnotdistinct AS nulls_equal,
       pg_get_constraintdef(o.oid) AS definition
FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
LEFT JOIN pg_class f ON f.oid = o.confrelid
LEFT JOIN pg_index i ON i.indexrelid = o.conindid
WHERE c.relnamespace = '{schema}'::regnamespace AND NOT c.relispartition
  AND o.conparentid = 0"""

INDEXES = """
SELECT c.relname AS table, x.relname AS name, m.amname AS kind,
       i.indisunique AS is_unique, pg_get_expr(i.indpred, c.oid) AS condition,
       (SELECT string_agg(
          trim('"' FROM pg_get_indexdef(x.oid, n, true))
          || CASE WHEN o.opcdefault THEN '' ELSE ' ' || o.opcname END
          || CASE WHEN i.indoption[n - 1] & 1 = 1 THEN ' desc' ELSE '' END,
          ', ' ORDER BY n)
        FROM generate_series(1, i.indnkeyatts) n
        JOIN pg_opclass o ON o.oid = i.indclass[n - 1]) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
WHERE c.relnamespace = '{schema}'::regnamespace AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = x.oid
                  AND o.contype IN ('p', 'u'))"""

TRIGGERS = """
SELECT c.relname AS table, t.tgname AS name, p.proname AS function,
       t.tgtype AS bits
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE c.relnamespace = '{schema}'::regnamespace AND NOT c.relispartition
  AND NOT t.tgisinternal"""

PARTITIONED = """
SELECT c.relname AS table, pg_get_partkeydef(c.oid) AS key
FROM pg_class c WHERE c.relnamespace = '{schema}'::regnamespace
  AND c.relkind = 'p' AND NOT c.relispartition"""

DELETES = {"a": "", "c": " (on delete cascade)", "n": " (on delete set null)"}


def column_words(row):
    kind, default = type_words(row["type"]), row["value"]
    if row["generated"]:
        default = "from " + plain(default)
    elif row["identity"] or (default or "").startswith("nextval("):
        kind = {"integer": "serial", "bigint": "bigserial"}[kind]
        default = ""
    else:
        default = default_words(default)
    return f"{kind} | {'no' if row['filled'] else 'yes'} | {default}"


def trigger_words(bits):
    events = [word for bit, word in ((4, "insert"), (16, "update"),
                                     (8, "delete")) if bits & bit]
    return (("before " if bits & 2 else "after ") + " or ".join(events)
            + ("" if bits & 1 else ", each statement"))


def read_catalog(session, schema):
    tables = {}

    def rows(query):
        for row in session.rows(query.format(schema=schema)):
            yield tables.setdefault(row["table"], Table()), row

    for table, row in rows(COLUMNS):
        table.columns[row["name"]] = column_words(row)
    for table, row in rows(CONSTRAINTS):
        if row["kind"] == "p":
            table.key = tuple(row["columns"].split(", "))
        elif row["kind"] == "u":
            table.unique.add(row["columns"] + (" (nulls equal)"
                                               if row["nulls_equal"] else ""))
        elif row["kind"] == "f":
            table.foreign.add(f"{row['columns']} → {row['target']}"
                              + DELETES[row["deletes"]])
        elif row["kind"] == "c":
            column, rule = check_words(row["definition"])
            table.checks[column or row["name"]] = rule
    for table, row in rows(INDEXES):
        where = where_words(row["condition"])
        table.indexes[row["name"]] = (
            f"{row['kind']} | {row['columns']} | {where} | "
            + ("unique" if row["is_unique"] else ""))
    for table, row in rows(TRIGGERS):
        table.triggers[row["name"]] = (trigger_words(row["bits"]) + " | "
                                       + row["function"])
    for table, row in rows(PARTITIONED):
        table.partition = row["key"].lower().replace('"', "")
    tables.pop("schema_migrations", None)
    return tables


def differences(expected, found, own_tables=()):
    """All of them at once, a line each."""
    result = [f"{x}: no such table" for x in own_tables if x not in found]
    for name in sorted(expected.keys() | found.keys() - set(own_tables)):
        if name not in found:
            result.append(f"{name}: no such table")
        elif name not in expected:
            result.append(f"{name}: a table that no sheet names")
        else:
            want = set(expected[name].facts())
            have = set(found[name].facts())
            result += [f"{name}: lacks {x}" for x in sorted(want - have)]
            result += [f"{name}: has {x}" for x in sorted(have - want)]
    return result


# -- all that a schema holds --------------------------------------------------

DUMP = """
SELECT concat_ws(' ', 'column', c.relname, a.attname,
                 format_type(a.atttypid, a.atttypmod), a.attnotnull,
                 a.attidentity, a.attgenerated, a.attstattarget,
                 pg_get_expr(d.adbin, d.adrelid)) AS line
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = '{schema}'::regnamespace AND a.attnum > 0
  AND NOT a.attisdropped
UNION ALL
SELECT concat_ws(' ', 'relation', relname, relkind, relpersistence,
                 relispartition, pg_get_expr(relpartbound, oid),
                 array_to_string(reloptions, ','))
FROM pg_class WHERE relnamespace = '{schema}'::regnamespace
UNION ALL
SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname,
                 pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = '{schema}'::regnamespace
UNION ALL
SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = '{schema}'
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = '{schema}'::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT 'function ' || CASE WHEN p.prokind = 'a'
                           THEN p.oid::regprocedure::text
                           ELSE pg_get_functiondef(p.oid) END
FROM pg_proc p WHERE p.pronamespace = '{schema}'::regnamespace
UNION ALL
SELECT 'view ' || viewname || ' ' || definition
FROM pg_views WHERE schemaname = '{schema}'
UNION ALL
SELECT 'type ' || typname
FROM pg_type WHERE typnamespace = '{schema}'::regnamespace"""


def dump(session, schema):
    """The schema's catalog, a line per fact, sorted."""
    return sorted(x["line"] for x in session.rows(DUMP.format(schema=schema)))
