"""Philox4x32-10 in NumPy's 64-bit integers, written from the paper, and the counters of metalpy's generators."""

from __future__ import annotations

import numpy as np

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = 0x9E3779B9, 0xBB67AE85
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)

# kat_vectors of Random123: counter, key, result.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def philox(counter, key):
    """Four words for each row of `counter`."""
    x0, x1, x2, x3 = (np.asarray(counter, np.uint64)[..., i] for i in range(4))
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        left, right = M0 * x0, M1 * x2
        x0, x1, x2, x3 = right >> HALF ^ x1 ^ np.uint64(k0), right & LOW, left >> HALF ^ x3 ^ np.uint64(k1), left & LOW
        k0, k1 = k0 + W0 & 0xFFFFFFFF, k1 + W1 & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3], axis=-1).astype(np.uint32)


def words(count, seed, offset=0, stream=0, attempt=0):
    """The first `count` words of a draw."""
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    counter = np.zeros((blocks.size, 4), np.uint64)
    counter[:, 0], counter[:, 1] = offset & 0xFFFFFFFF, offset >> 32
    counter[:, 2] = blocks
    counter[:, 3] = stream | attempt << 24
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32)).reshape(-1)[:count]


def pairs(count, seed, offset=0, stream=0, attempt=0):
    """The first `count` 64-bit words of a draw, as Python integers."""
    halves = words(2 * count, seed, offset, stream, attempt).reshape(-1, 2).astype(object)
    return halves[:, 0] + halves[:, 1] * 2**32


def bounded(draw, count, low, size, bits):
    """`count` integers low + [0, size) from words of `bits` bits, by Lemire's method as the paper has it."""
    made = np.empty(count, object)
    missing, attempt = np.arange(count), 0
    while missing.size:
        product = draw(count, attempt=attempt).astype(object)[missing] * size
        good = product % 2**bits >= 2**bits % size
        made[missing[good]] = low + product[good] // 2**bits
        missing, attempt = missing[~good], attempt + 1
    return made
