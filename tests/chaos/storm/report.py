"""What a storm was, as text and as one HTML page with a plot. Works on the dict
that is kept as run.json; knows no server."""

import html
import statistics

import spared

WIDTH, LEFT, RIGHT, PLOT = 1000, 60, 16, 140
COLOURS = {"nodes": "#c2410c", "ground": "#1d4ed8"}


def figures(run):
    """What the run amounts to."""
    begun = [x for x in run["timeline"] if x["kind"] == "begin"]
    recoveries = sorted(run["recoveries"])
    verdict = run["verdict"] or {}
    broken = {x["number"]: x["violations"]
              for x in verdict.get("invariants", ())}
    return {
        "faults": len(begun),
        "kills": sum(x["fault"] == "kill" for x in begun),
        "records": verdict.get("records", 0),
        "rows": verdict.get("rows", 0),
        "dead_letters": verdict.get("dead_letters", 0),
        "lost": broken.get(1), "twice": broken.get(2),
        "out_of_order": broken.get(5),
        "recovery_median_s": round(statistics.median(recoveries), 2)
        if recoveries else None,
        "recovery_worst_s": recoveries[-1] if recoveries else None,
        "recoveries": len(recoveries),
        "catch_up_s": round(verdict["seconds"], 1) if verdict else None,
        "in_flight_checks": checks_of(run),
        "commits_checked": sum(x["commits"] > 0 for x in run["samples"]),
    }


def checks_of(run):
    """Snapshots that were judged: the log's reader had come as far."""
    return sum(x["judged"] for x in run["samples"])


def is_good(run):
    """A storm without one judged snapshot, or without rules, shows nothing."""
    return bool(run["verdict"]) and bool(
        run["verdict"]["invariants"]) and checks_of(run) > 0 and not run[
            "violations"] and not any(
                x["violations"] for x in run["verdict"]["invariants"])


def again(run):
    """The command that makes the same storm."""
    return (f"tests/run chaos --seed {run['seed']} --minutes "
            f"{run['minutes']:g} --topology {run['topology']} --nodes "
            f"{run['nodes']} --rate {run['rate']} --faults "
            + ",".join(run["faults"])
            + f" --burst {run['burst']:g} --entities {run['entities']} "
            f"--floor-interval {run['floor_interval']} --catch-up "
            f"{run['catch_up']:g}")


def line_of(event):
    """An event of the time line, as text."""
    words = [f"{event['t']:8.2f} s", event["kind"]]
    if event["kind"] == "violation":
        words += [f"of {event['invariant']}:", event["what"],
                  *("\n             " + x for x in event["examples"])]
    else:
        words += [str(event[x]) for x in ("fault", "what", "why", "records")
                  if event.get(x)]
    return " ".join(words)


# Rules that the verdict does not have: they are looked at meanwhile.
MEANWHILE = (
    (0, "nodes alive", "no node ends by itself"),
    (14, "all adds up", "in each snapshot taken during the faults, rows, "
     "waiting and dead letters are what is below the positions"),
    (18, "others go on", "a tenant that a fault spares lacks no more than the "
     "events of some seconds"),
    (19, "bounded", "memory, descriptors, sessions and the time in a "
     "transaction stay bounded"),
    (23, "caught up", "all is written soon after the last fault"))


def rules(run):
    seen = {}
    for x in run["violations"]:
        seen.setdefault(x["invariant"], []).append(
            x["what"] + "".join("; " + y for y in x["examples"]))
    for x in (run["verdict"] or {}).get("invariants", ()):
        meanwhile = seen.get(x["number"], [])
        yield (x["number"], x["name"], x["rule"],
               x["violations"] + len(meanwhile),
               [*meanwhile, *x["examples"]][:5])
    checks = checks_of(run)
    for number, name, rule in MEANWHILE:
        found = seen.get(number, [])
        if number == 14:
            rule += f" ({checks} snapshots)"
        elif number == 18:
            rule += f" ({len(list(spared.looked_at(run)))} moments)"
        yield number, name, rule, len(found), found[:5]


def text(run):
    lines = [f"seed {run['seed']}, {run['minutes']:g} minutes, "
             f"{run['topology']}, nodes {run['nodes']}, {run['rate']} "
             "records/s", ""]
    lines += [line_of(x) for x in run["timeline"]]
    lines += ["", "invariant                   violations"]
    for number, name, rule, violations, examples in sorted(
            rules(run), key=lambda x: x[0]):
        lines.append(f"{number:3}  {name:24} {violations:6}  {rule}")
        lines += [f"        {x}" for x in examples]
    lines += [""] + [f"{name.replace('_', ' '):22} {value}"
                     for name, value in figures(run).items()]
    lines += ["", "every invariant held" if is_good(run) else "VIOLATED"]
    return "\n".join(lines) + "\n"


# -- the page -------------------------------------------------------------------

def series(run):
    """Written per second, and records that are not yet written."""
    samples = run["samples"]
    rate = [(b["t"], max(0, b["there"] - a["there"]) / (b["t"] - a["t"]))
            for a, b in zip(samples, samples[1:]) if b["t"] > a["t"]]
    return {
        "written per second": rate,
        "lag of big": [(x["t"], x["lag"]["big"]) for x in samples],
        "lag of small": [(x["t"], x["lag"]["small"]) for x in samples],
        "waiting": [(x["t"], x["waiting"]) for x in samples],
    }


def spans(run):
    """(fault, begin, end, what), as they were."""
    open_, found = {}, []
    for x in run["timeline"]:
        if x["kind"] == "begin":
            open_[x["fault"]] = x
        elif x["kind"] == "end" and x["fault"] in open_:
            begin = open_.pop(x["fault"])
            found.append((x["fault"], begin["t"], x["t"], begin["what"]))
    return found


def plot(name, points, end, top):
    scale = (WIDTH - LEFT - RIGHT) / end
    most = max((y for _, y in points), default=0) or 1
    path = " ".join(f"{LEFT + x * scale:.1f},"
                    f"{top + PLOT - y / most * (PLOT - 20):.1f}"
                    for x, y in points)
    return (f'<text x="4" y="{top + 14}">{html.escape(name)}, up to '
            f'{most:,.0f}</text><polyline points="{path}"/>'
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top + PLOT}" '
            f'y2="{top + PLOT}"/>')


def svg(run):
    all_ = series(run)
    found = spans(run)
    names = sorted({x[0] for x in found})
    end = max([x["t"] for x in run["samples"] + run["timeline"]] + [1])
    scale = (WIDTH - LEFT - RIGHT) / end
    bottom = (PLOT + 12) * len(all_)
    height = bottom + 16 * len(names) + 30
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
             'xmlns="http://www.w3.org/2000/svg">']
    for i, name in enumerate(names):
        y = bottom + 16 * i
        parts.append(f'<text x="4" y="{y + 11}">{html.escape(name)}</text>')
        for fault, from_, to, what in found:
            if fault == name:
                x, width = LEFT + from_ * scale, max((to - from_) * scale, 1.5)
                colour = COLOURS[run["tracks"].get(name, "ground")]
                parts.append(
                    f'<rect x="{x:.1f}" y="0" width="{width:.1f}" '
                    f'height="{bottom}" fill="{colour}" opacity=".07"/>'
                    f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" '
                    f'height="11" fill="{colour}"><title>'
                    f'{html.escape(f"{from_:.1f} to {to:.1f} s: {what}")}'
                    '</title></rect>')
    for x in run["violations"]:
        at = LEFT + x["t"] * scale
        parts.append(f'<line class="bad" x1="{at:.1f}" x2="{at:.1f}" y1="0" '
                     f'y2="{height - 20}"/>')
    parts += [plot(name, points, end, i * (PLOT + 12))
              for i, (name, points) in enumerate(all_.items())]
    step = next(x for x in (5, 10, 30, 60, 300, 600, 1800, 1e9)
                if end / x <= 12)
    parts += [f'<text x="{LEFT + i * step * scale:.1f}" y="{height - 6}">'
              f'{i * step:g} s</text>' for i in range(int(end / step) + 1)]
    return "\n".join([*parts, "</svg>"])


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 1040px; padding: 0 1rem; color: #1c1917; background: #fff }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0;
  text-align: left; vertical-align: top } td.n { text-align: right }
svg { width: 100%; font: 11px system-ui, sans-serif; fill: currentColor }
polyline { fill: none; stroke: #0f766e; stroke-width: 1.2 }
line { stroke: #a8a29e } .bad, .bad td { stroke: #b91c1c; color: #b91c1c }
pre { overflow-x: auto; font-size: 12px }
@media (prefers-color-scheme: dark) {
  body { background: #1c1917; color: #e7e5e4 } polyline { stroke: #5eead4 } }
"""


def page(run):
    verdict = "every invariant held" if is_good(run) else "violated"
    rows = "".join(
        f'<tr{" class=bad" if n else ""}><td class="n">{number}<td>'
        f'{html.escape(name)}<td class="n">{n}<td>{html.escape(rule)}'
        + "".join(f"<br><small>{html.escape(x)}</small>" for x in examples)
        for number, name, rule, n, examples in sorted(
            rules(run), key=lambda x: x[0]))
    numbers = "".join(
        f"<tr><td>{html.escape(name.replace('_', ' '))}<td class=n>{value}"
        for name, value in figures(run).items())
    lines = html.escape("\n".join(line_of(x) for x in run["timeline"]))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Storm {run["seed"]}: {verdict}</title><style>{STYLE}</style>
<h1>Storm {run["seed"]}: {verdict}</h1>
<p>{run["minutes"]:g} minutes, {run["topology"]}, {run["nodes"]} nodes,
{run["rate"]} records/s. Again: <code>{html.escape(again(run))}</code></p>
{svg(run)}
<h2>Invariants</h2><table><tr><th>#<th><th>violations<th>{rows}</table>
<h2>Figures</h2><table>{numbers}</table>
<h2>Time line</h2><pre>{lines}</pre>
"""
