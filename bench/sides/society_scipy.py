"""The bandwidth of a sparse matrix-vector product: SciPy's CSR product of the matrix whose rows are means."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from kit.side import Work, serve
from sides.society_load import Case, Run, start, ties, work


def begin(case: Case, seed: int) -> Run:
    del seed
    n = int(case["n"])
    i, j = ties(case)
    apart = i != j
    ends = (np.r_[i[apart], j[apart]], np.r_[j[apart], i[apart]])
    matrix = sp.csr_array((np.ones(len(ends[0]), np.float32), ends), shape=(n, n))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    if case["model"] == "bounded-confidence":  # with confidence 1 all are near, oneself too
        matrix = sp.csr_array(matrix + sp.eye_array(n, dtype=np.float32))
    counts = np.diff(matrix.indptr)
    matrix.data /= np.repeat(counts, counts).astype(np.float32)
    opinions = start(case).astype(np.float32)
    openness = np.float32(case.get("openness", 1.0))
    anchors = (np.float32(1.0) - openness) * opinions

    def run(sweeps: int) -> np.ndarray:
        nonlocal opinions
        for _ in range(sweeps):
            opinions = matrix @ opinions
            if openness < 1.0:
                opinions = openness * opinions + anchors
        return opinions

    return run


def prepare(case: Case) -> Work:
    return work(case, begin)


if __name__ == "__main__":
    serve(prepare, packages=("scipy", "numpy"))
