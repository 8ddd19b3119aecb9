"""The compiled loops of the index's sketches; `curation.dedup.index.sketch` says what the bytes mean."""

from __future__ import annotations

import numba as nb
import numpy as np

SKIP = 255
"""A byte that says "so many cells on, and no key yet"."""


@nb.njit(cache=True, nogil=True)
def body_bytes(cells, block_cells):
    """How many bytes `encode` writes for these cells (keys,) int64, ascending."""
    total, block, before = 0, np.int64(-1), np.int64(0)
    for cell in cells:
        if cell // block_cells != block:
            block = cell // block_cells
            before = block * block_cells
        total += 1 + (cell - before) // SKIP
        before = cell
    return total


@nb.njit(cache=True, nogil=True)
def encode(cells, block_cells, directory, body):
    """Write the body (bytes,) uint8 and the directory (blocks + 1, 2) int64: where each block begins in the body, and
    how many keys stand before it; the last row has what comes after all."""
    at, block, before = 0, np.int64(-1), np.int64(0)
    for rank in range(cells.size):
        cell = cells[rank]
        while cell // block_cells > block:
            block += 1
            before = block * block_cells
            directory[block, 0], directory[block, 1] = at, rank
        step = cell - before
        while step >= SKIP:
            body[at] = SKIP
            at += 1
            step -= SKIP
        body[at] = step
        at += 1
        before = cell
    while block < directory.shape[0] - 1:
        block += 1
        directory[block, 0], directory[block, 1] = at, cells.size


@nb.njit(cache=True, nogil=True)
def match(body, directory, first_block, block_cells, wanted, first, end):
    """Find the ranks of the keys in each wanted cell (cells,) int64, different and ascending, all of them in these
    blocks: first[i] to end[i], (cells,) int64, both 0 for a cell without keys.

    `body` (bytes,) uint8 are the blocks' bytes, `directory` (blocks + 1, 2) int64 their rows. False where the two do
    not fit together.
    """
    base = directory[0, 0]
    if directory[-1, 0] - base != body.size:
        return False
    probe = 0
    for block in range(directory.shape[0] - 1):
        at, stop = directory[block, 0] - base, directory[block + 1, 0] - base
        rank = directory[block, 1]
        cell = (first_block + block) * block_cells
        last = cell + block_cells
        if at < 0 or stop < at or stop > body.size:
            return False
        while at < stop:
            step = body[at]
            at += 1
            cell += step
            if step == SKIP:
                continue
            while probe < wanted.size and wanted[probe] < cell:
                probe += 1
            if probe < wanted.size and wanted[probe] == cell:
                if end[probe] == 0:
                    first[probe] = rank
                end[probe] = rank + 1
            rank += 1
        if rank != directory[block + 1, 1] or cell >= last:
            return False
    return True
