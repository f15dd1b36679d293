"""Small disks, which faults fill: of memory, in a mount namespace of the
storm's own."""

import shutil
from pathlib import Path

import network
from laboratory import millrace_kinds

TENANT_BYTES = 192 << 20
LOG_BYTES = 384 << 20
LOG_SETTINGS = {"max_wal_size": "128MB", "min_wal_size": "32MB",
                "wal_recycle": "off"}


def mounted(place, size=LOG_BYTES):
    """Why there is none, or nothing."""
    place.mkdir()
    done = network.tried("mount", "-t", "tmpfs", "-o", f"size={size}", "storm",
                         str(place))
    if done.returncode:
        return done.stderr.strip() or "no tmpfs"
    give(place)


def give(place):
    user = millrace_kinds.unprivileged_user()
    if user:
        shutil.chown(place, user.pw_uid, user.pw_gid)


def tablespace(place):
    """One for the smaller tenant's tables, in `space`."""
    why = mounted(place, TENANT_BYTES)
    if not why:
        (place / "space").mkdir()
        give(place / "space")
    return why


def move_log(servers, place):
    """PostgreSQL's log goes onto that disk."""
    data = Path(servers.status()["servers"]["pg"]["data"])
    servers.stop("pg")
    with open(data / "postgresql.conf", "a") as conf:
        conf.writelines(f"{key} = '{value}'\n"
                        for key, value in LOG_SETTINGS.items())
    shutil.copytree(data / "pg_wal", place / "pg_wal")
    for x in (place / "pg_wal", *(place / "pg_wal").rglob("*")):
        give(x)
    (place / "pg_wal").chmod(0o700)
    shutil.rmtree(data / "pg_wal")
    (data / "pg_wal").symlink_to(place / "pg_wal")
    servers.start("pg")
