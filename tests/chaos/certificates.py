"""Certificates of nodes for each other, of an authority made for a test."""

import os
import subprocess

from laboratory import CLOCK


def certify(folder, authority):
    """A private authority and one node's certificate, also for a node whose
    clock is an hour behind."""
    yesterday = {"LD_PRELOAD": str(CLOCK[0]), "FAKETIME": "-1d"} \
        if CLOCK else {}

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, cwd=folder,
                       env={**os.environ, **yesterday},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3",
            "-subj", f"/CN={authority}", "-keyout", f"{authority}-ca.key",
            "-out", f"{authority}-ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=node",
            "-keyout", f"{authority}.key", "-out", f"{authority}.csr")
    openssl("x509", "-req", "-in", f"{authority}.csr", "-days", "3",
            "-CA", f"{authority}-ca.pem", "-CAkey", f"{authority}-ca.key",
            "-CAcreateserial", "-out", f"{authority}.pem")


def tls(folder, authority):
    """The part of a configuration."""
    return f"""
[cluster.tls]
certificate = "{folder / authority}.pem"
key = "{folder / authority}.key"
authority = "{folder / authority}-ca.pem"
"""
