#!/usr/bin/env python3
"""Prints the table in test/hash.c. Byte i of the input is (i * 131 + 7) & 255. Needs xxhash==3.5.0."""
import hashlib

import xxhash

for size in [0, 1, 3, 4, 8, 15, 31, 32, 33, 55, 56, 63, 64, 65, 100, 1000]:
    data = bytes((i * 131 + 7) & 255 for i in range(size))
    seeds = [xxhash.xxh64_intdigest(data, seed) for seed in (0, 2654435761)]
    print("    {%d, 0x%016x, 0x%016x,\n     \"%s\"}," % (size, *seeds, hashlib.sha256(data).hexdigest()))
