"""Which lane a route belongs to: XXH64 with seed 0 over its bytes (as
https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md has it), modulo
the number of lanes."""

import functools

MASK = 2**64 - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
    0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def rotated(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def word(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def round_of(lane, x):
    return rotated((lane + x * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    size, at = len(data), 0
    if size >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= size:
            lanes = [round_of(x, word(data, at + 8 * i, 8))
                     for i, x in enumerate(lanes)]
            at += 32
        hash_ = sum(rotated(x, bits)
                    for x, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for x in lanes:
            hash_ = ((hash_ ^ round_of(0, x)) * P1 + P4) & MASK
    else:
        hash_ = P5
    hash_ = (hash_ + size) & MASK
    while at + 8 <= size:
        hash_ ^= round_of(0, word(data, at, 8))
        hash_ = (rotated(hash_, 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= size:
        hash_ ^= word(data, at, 4) * P1 & MASK
        hash_ = (rotated(hash_, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        hash_ ^= byte * P5 & MASK
        hash_ = rotated(hash_, 11) * P1 & MASK
    hash_ = (hash_ ^ hash_ >> 33) * P2 & MASK
    hash_ = (hash_ ^ hash_ >> 29) * P3 & MASK
    return hash_ ^ hash_ >> 32


@functools.lru_cache(1 << 16)
def shard_of(route, lanes):
    return xxh64(route) % lanes
