"""The kernels as parallel loops for Numba. Compiled when first called, which takes seconds; import it only then."""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import njit, prange

parallel = njit(parallel=True)


@parallel
def full(out, value):
    for i in prange(out.size):
        out[i] = value


@parallel
def saxpy(y, x, a):
    for i in prange(y.size):
        y[i] += a * x[i]


@parallel
def exp_sin(out, x):
    for i in prange(out.size):
        out[i] = math.exp(x[i]) + math.sin(x[i])


@parallel
def mandelbrot(iterations, limit):
    height, width = iterations.shape
    for py in prange(height):
        for px in range(width):
            cx = np.float32(-2) + np.float32(3) * np.float32(px) / np.float32(width)
            cy = np.float32(-1.5) + np.float32(3) * np.float32(py) / np.float32(height)
            x = y = np.float32(0)
            n = 0
            while n < limit and x * x + y * y <= np.float32(4):
                x, y = x * x - y * y + cx, np.float32(2) * x * y + cy
                n += 1
            iterations[py, px] = n


@parallel
def reduce(sums, x):
    for group in prange(sums.size):
        total = np.float32(0)
        for i in range(256 * group, 256 * group + 256):
            total += x[i]
        sums[group] = total


@parallel
def matmul(c, a, b):
    n = c.shape[0]
    for row in prange(n):
        c[row] = 0
        for k in range(n):
            for column in range(n):
                c[row, column] += a[row, k] * b[k, column]


@parallel
def softmax(out, x):
    for row in prange(x.shape[0]):
        largest = x[row].max()
        total = np.float32(0)
        for c in range(x.shape[1]):
            e = math.exp(x[row, c] - largest)
            out[row, c] = e
            total += e
        for c in range(x.shape[1]):
            out[row, c] /= total


@parallel
def histogram(counts, values):
    parts = numba.get_num_threads()
    mine = np.zeros((parts, 256), np.uint32)
    size = (values.size + parts - 1) // parts
    for part in prange(parts):
        for i in range(part * size, min(part * size + size, values.size)):
            mine[part, values[i]] += 1
    counts += mine.sum(axis=0).astype(np.uint32)


@parallel
def stencil(following, now):
    height, width = now.shape
    for y in prange(height):
        for x in range(width):
            if x == 0 or y == 0 or x == width - 1 or y == height - 1:
                following[y, x] = now[y, x]
            else:
                around = now[y, x - 1] + now[y, x + 1] + now[y - 1, x] + now[y + 1, x]
                following[y, x] = np.float32(0.2) * (now[y, x] + around)


@parallel
def scan(out, values):
    parts = numba.get_num_threads()
    totals = np.zeros(parts, np.uint32)
    size = (values.size + parts - 1) // parts
    for part in prange(parts):
        total = np.uint32(0)
        for i in range(part * size, min(part * size + size, values.size)):
            total += values[i]
            out[i] = total
        totals[part] = total
    for part in prange(1, parts):
        before = totals[:part].sum()
        for i in range(part * size, min(part * size + size, values.size)):
            out[i] += before
