"""Pipelines beside the storm's own, for what halts or waits, and must: each has
one topic and one fault that it is for, so that nothing else stands still with
it."""

import base64
import json
import subprocess
import time

# By pipeline: the fault that it is for.
SIDES = {"broken": "breaker", "again": "recreated", "short": "retention",
         "parts": "partitions"}

CONFIG = """
[pipeline.{name}]
topics = ["{topic}"]
tenant = "'small'"
event_type = "'side'"
lanes = 1
[[pipeline.{name}.event]]
name = "side"
route = "'all'"
[[pipeline.{name}.event.write]]
table = "side_{name}"
columns = {{{{ p = "@partition", o = "@offset", v = "required(.v)", \
at = "required(.at)" }}}}
"""
PARTITIONED = """
[[pipeline.{name}.partition]]
tables = ["side_{name}"]
every = "hour"
ahead = "6h"
"""
TABLE = ("CREATE TABLE tenant_small.side_{} (p int, o bigint, v bigint, "
         "at timestamptz)")


def topic_of(name):
    return f"storm-{name}"


def config(names):
    """What stands in the file of the nodes, braces doubled as there."""
    return "".join(
        CONFIG.format(name=x, topic=topic_of(x))
        + (PARTITIONED.format(name=x) if is_partitioned(x) else "")
        for x in names)


def is_partitioned(name):
    return SIDES[name] == "partitions"


def table(name):
    return TABLE.format(name) + (" PARTITION BY RANGE (at)"
                                 if is_partitioned(name) else "")


def feed(world, name, *values):
    """Records of these bytes; the topic is made where it is not there."""
    lines = "".join(json.dumps({
        "partition": 0, "headers": [],
        "key_b64": base64.b64encode(b"k").decode(),
        "value_b64": base64.b64encode(x).decode()}) + "\n" for x in values)
    done = subprocess.run(
        [str(world.bin / "millrace"), "produce", topic_of(name), "-",
         "--recorded", "--bootstrap", world.kafka, "--partitions", "1",
         "--quiet"], input=lines, text=True, capture_output=True, timeout=240)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def good(*numbers, at=None):
    """Their values; `at`: an instant in UTC, or now."""
    at = at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return [json.dumps({"v": x, "at": at}).encode() for x in numbers]
