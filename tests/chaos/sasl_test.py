#!/usr/bin/env python3
"""Black box: a broker that asks for a name and a password (SASL PLAIN).

    sasl_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import sys

from case import Case, run
from laboratory import BUSY, Laboratory

LOGIN = ("org.apache.kafka.common.security.plain.PlainLoginModule required "
         'username="broker" password="broker-secret" '
         'user_broker="broker-secret" user_ingest="ingest-secret";')

BROKER = {
    "listener.security.protocol.map":
        "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.plaintext.plain.sasl.jaas.config": LOGIN,
}

RECORDS = 2_000


class Locked(Laboratory):
    password = "ingest-secret"

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        self.kafka_more = """[kafka.properties]
security.protocol = "SASL_PLAINTEXT"
sasl.mechanism = "PLAIN"
sasl.username = "ingest"
sasl.password = { env = "LAB_PASSWORD" }
"""
        for word in ("security.protocol=SASL_PLAINTEXT",
                     "sasl.mechanism=PLAIN", "sasl.username=ingest",
                     "sasl.password=ingest-secret"):
            self.produce_more += ["-X", word]

    def environment(self):
        return {"LAB_PASSWORD": self.password}


class Sasl(Case):
    def test_a_node_that_shows_its_password_reads(self):
        lab = self.laboratory(kind=Locked)
        lab.produce(RECORDS)
        lab.start_node("one")
        lab.wait_for_rows(RECORDS)
        self.assertEqual(lab.rows(), RECORDS)
        self.assertNotIn("ingest-secret", lab.log_of("one"))
        lab.end_nodes()

    def test_a_wrong_password_is_told_and_nothing_is_read(self):
        lab = self.laboratory(kind=Locked)
        lab.produce(RECORDS)
        lab.password = "wrong-secret"
        lab.start_node("one")
        lab.wait_until(lambda: "uthentication failed" in lab.log_of("one"),
                       60, "the refusal in the log")
        self.assertEqual(lab.rows(), 0)
        self.assertNotIn("wrong-secret", lab.log_of("one"))

    def test_a_mechanism_that_does_not_exist_is_refused_at_the_start(self):
        lab = self.laboratory(kind=Locked)
        lab.kafka_more = lab.kafka_more.replace('"PLAIN"', '"PLAYN"')
        node = lab.start_node("one")
        del lab.nodes["one"]
        self.assertEqual(node.wait(BUSY * 60), 2)
        place = str(lab.directory / "one.toml") + ": kafka.properties: "
        self.assertIn(place + "kafka client: Unsupported SASL mechanism",
                      lab.log_of("one"))


if __name__ == "__main__":
    sys.exit(run("sasl", Sasl, settings={"kafka": BROKER}))
