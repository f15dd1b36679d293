"""18: whoever a fault spares goes on meanwhile. Works on the dict that is kept
as run.json; knows no server."""

from events import TENANTS

# Of the time that all of it may take to catch up, on this machine.
SHARE = 1 / 3


def lag_s(run):
    return run["catch_up"] * SHARE


def under_way(timeline):
    """(fault, begin, end) of each; one that did not end lasts."""
    begun, found = {}, []
    for x in timeline:
        if x["kind"] == "begin":
            begun[x["fault"]] = x["t"]
        elif x["kind"] == "not made":  # half of it may have been
            found.append((x["fault"], x["t"], x["t"]))
        elif x["kind"] == "end" and x["fault"] in begun:
            found.append((x["fault"], begun.pop(x["fault"]), x["t"]))
    return found + [(fault, t, float("inf")) for fault, t in begun.items()]


def looked_at(run):
    """(tenant, sample, fault): those moments of a fault in which nothing else
    has gone on for as long as a tenant may lag."""
    faults = under_way(run["timeline"])
    for sample in run["samples"]:
        t = sample["t"]
        now = [x for x in faults if x[1] <= t and x[2] + lag_s(run) >= t]
        for tenant in TENANTS:
            spares = [tenant in run["spares"].get(fault, ())
                      for fault, _, _ in now]
            if now and all(spares):
                yield tenant, sample, now[-1][0]


def most(run, tenant):
    """What it may lack: that of so many seconds, and one burst."""
    share = TENANTS[tenant] / sum(TENANTS.values())
    return run["rate"] * share * (lag_s(run) + run["burst"])


def violations(run):
    for tenant, sample, fault in looked_at(run):
        lag, bound = sample["lag"][tenant], most(run, tenant)
        if lag > bound:
            yield (sample["t"], f"{tenant} lacks {lag} events during {fault}, "
                   f"which spares it; {bound:.0f} are those of {lag_s(run):g} s")
