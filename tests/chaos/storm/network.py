"""Faults of the network, by nft, in a network namespace of the storm's own:
nobody else on the machine feels them.

    network.apart()   # runs this program again in a namespace, or says why not
    with rules: network.cut(5432)
"""

import os
import shutil
import subprocess
import sys

INSIDE = "MILLRACE_STORM_APART"


def tried(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, **options)


def why_not():
    """Why this machine has no namespace for us, or nothing."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "unshare or ip is missing"
    done = tried("unshare", "--net", "--mount", "true")
    return done.stderr.strip() if done.returncode else None


def why_no_rules():
    if not os.environ.get(INSIDE):
        return "no network namespace"
    if not shutil.which("nft"):
        return "nft is not installed"
    done = tried("nft", "add table inet storm")
    return done.stderr.strip().splitlines()[0] if done.returncode else None


def apart():
    """Goes on in namespaces of its own, where it can."""
    if os.environ.get(INSIDE) or why_not():
        return
    os.environ[INSIDE] = "yes"
    os.execvp("unshare", ["unshare", "--net", "--mount", "sh", "-c",
                          'ip link set lo up && exec "$@"', "sh",
                          sys.executable, "-B", *sys.argv])


# Statements for what goes to a port, and what comes from it.
WAYS = {
    "cut": ("tcp dport {} drop", "tcp sport {} drop"),
    "one-way": ("tcp sport {} drop",),
    "reset": ("tcp dport {} reject with tcp reset",),
    "loss": ("tcp dport {} numgen random mod 100 < 30 drop",
             "tcp sport {} numgen random mod 100 < 30 drop"),
    # 64 kbit/s; a packet of loopback may have 64 KiB.
    "slow": ("tcp dport {} limit rate over 8 kbytes/second burst 70 kbytes "
             "drop",
             "tcp sport {} limit rate over 8 kbytes/second burst 70 kbytes "
             "drop"),
}


def injure(way, *ports):
    rules = "\n".join(f"add rule inet storm out {x.format(port)}"
                      for port in ports for x in WAYS[way])
    subprocess.run(["nft", "-f", "-"], check=True, text=True, input=f"""
add table inet storm
add chain inet storm out {{ type filter hook output priority 0; }}
{rules}
""")


def heal():
    subprocess.run(["nft", "delete", "table", "inet", "storm"], check=True)
