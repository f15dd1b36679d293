"""What all faults of a storm have in common."""

import random

NODES, GROUND = "nodes", "ground"  # the two tracks


class Fault:
    track = GROUND
    weight = 3
    longest_s = 10
    number = 0  # of the matrix in the design
    spares = ()  # tenants that must not feel it
    about = ""

    def __init__(self, storm, seed):
        self.storm = storm
        self.world = storm.world
        self.chance = random.Random(seed)

    @classmethod
    def why_not(cls, storm):
        """Why it cannot be made here, or nothing."""

    def begin(self):
        """What was done, in words."""

    def step(self):
        pass

    def end(self):
        pass

    def undo(self):
        """What `begin` did of it, where that failed half way or the storm
        ends before the fault does."""

    def node(self):
        return self.chance.choice(self.world.names)
