"""Weights from files: agreement with those who wrote them, and what broken files say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from kuramoto import graphs


def assert_tidy(weights) -> None:
    """Check what every constructor promises of its result."""
    assert isinstance(weights, scipy.sparse.csr_array)
    assert weights.dtype == np.float64
    assert weights.indices.dtype == weights.indptr.dtype == np.int32
    assert weights.has_sorted_indices
    assert weights.has_canonical_format
    assert np.all(weights.data != 0)


# Agreement: files against what SciPy, NumPy and NetworkX write.


def test_matrix_market_round_trip(tmp_path):
    directed = graphs.from_edges(4, [0, 2, 3], [1, 0, 1], [0.1, 1 / 3, -2e-9], symmetric=False)
    for name, weights in (("a.mtx", directed), ("b.MTX", graphs.ring(6, 2))):
        with (tmp_path / name).open("wb") as stream:
            scipy.io.mmwrite(stream, weights)
        read = graphs.read(tmp_path / name, strength=2.0)
        assert_tidy(read)
        assert (read != 2 * weights).nnz == 0


@pytest.mark.parametrize("layout", ["coordinate", "array"])
@pytest.mark.parametrize("symmetry", ["general", "symmetric", "skew-symmetric"])
def test_matrix_market_kinds_agree_with_scipy(tmp_path, layout, symmetry):
    base = np.arange(1.0, 17).reshape(4, 4) / 3
    by_symmetry = {"symmetric": base + base.T, "skew-symmetric": base - base.T}
    matrix = by_symmetry.get(symmetry, base)
    if layout == "coordinate":
        matrix = scipy.sparse.coo_array(matrix)
    scipy.io.mmwrite(tmp_path / "w.mtx", matrix, comment="100% ours", symmetry=symmetry)
    expected = scipy.sparse.csr_array(scipy.io.mmread(tmp_path / "w.mtx"))
    read = graphs.read(tmp_path / "w.mtx")
    assert_tidy(read)
    assert (read != expected).nnz == 0


def test_matrix_market_pattern_counts_from_one(tmp_path):
    file = tmp_path / "w.mtx"
    file.write_text("%%MatrixMarket matrix coordinate pattern general\n% two\n\n3 3 2\n1 2\n3 1\n")
    np.testing.assert_array_equal(graphs.read(file).toarray(), [[0, 1, 0], [0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr", "dia"])
def test_npz_of_scipy_round_trip(tmp_path, layout):
    weights = graphs.random(20, 4, seed=2)
    scipy.sparse.save_npz(tmp_path / "w.npz", weights.asformat(layout))
    read = graphs.read(tmp_path / "w.npz")
    assert_tidy(read)
    assert (read != weights).nnz == 0


def test_npz_with_dense_weights(tmp_path):
    weights = np.array([[0, 1.5], [2, 0]], dtype=np.float32)
    np.savez(tmp_path / "w.npz", weights=weights, anything=3)
    np.testing.assert_array_equal(graphs.read(tmp_path / "w.npz").toarray(), weights)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w.csv", "source,target,weight\n0,1,2.5\n2 , 1, -1\n"),
        ("w.csv", '"0","1","2.5"\r\n"2","1","-1"\r\n'),
        ("w.csv", "\ufeff0;1;2.5\n\n2;1;-1\n"),
        ("w.tsv", "# made by hand\na\tb\tw\n0\t1\t2.5\n2\t1\t-1\n"),
        ("w.txt", "% comment\n0 1 2.5  # the first\n2   1\t-1\n"),
        ("w.txt", "0, 1, 2.5\n2, 1, -1\n"),
    ],
)
def test_edge_list_forms(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    directed = graphs.read(tmp_path / name, symmetric=False).toarray()
    np.testing.assert_array_equal(directed, [[0, 0, 0], [2.5, 0, -1], [0, 0, 0]])
    both = graphs.read(tmp_path / name).toarray()
    np.testing.assert_array_equal(both, directed + directed.T)


def test_edge_list_without_weights(tmp_path):
    (tmp_path / "w.csv").write_text("0,1\n1,2\n2,0\n")
    assert (graphs.read(tmp_path / "w.csv", strength=4.0) != graphs.ring(3, strength=4)).nnz == 0


def test_edge_list_of_networkx_means_the_same_as_its_graph(tmp_path):
    nx = pytest.importorskip("networkx")
    graph = nx.DiGraph()
    graph.add_nodes_from(range(4))
    graph.add_weighted_edges_from([(0, 1, 2.0), (3, 1, 0.25), (1, 0, 7.0)])
    nx.write_weighted_edgelist(graph, tmp_path / "w.txt")
    read = graphs.read(tmp_path / "w.txt", symmetric=False)
    assert (read != graphs.from_networkx(graph)).nnz == 0


# Bad input.


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("w.xls", "0,1\n", "must end in .mtx, .npz, .csv, .tsv, .txt, but is 'w.xls'"),
        ("w.csv", "", "which is empty"),
        ("w.csv", "from,to\n", "must hold at least one row"),
        ("w.csv", "0,1\n1,2,3\n", "has 3 on line 2"),
        ("w.csv", "0\n1\n", "must have 2 or 3 columns"),
        ("w.csv", "0,-1\n", "holds -1 in entry 1"),
        ("w.csv", "0,1\n1.5,2\n", "holds 1.5 in entry 2"),
        ("w.csv", "0,1e20\n", "must list whole indices from 0"),
        ("w.csv", "0,1,nan\n", "must hold finite numbers"),
        ("w.csv", "a,b,w\n0,one,1\n", "on line 2"),
        ("w.csv", "0,1\n1,0\n", "must list each undirected edge once"),
        ("w.mtx", "3 3 1\n1 1 1\n", "must be a Matrix Market file"),
        ("w.mtx", "%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n", "real"),
        ("w.mtx", "%%MatrixMarket matrix coordinate real general\n", "at least one row"),
        ("w.mtx", "%%MatrixMarket matrix coordinate real general\n2 3 1\n1 1 1\n", "square"),
        ("w.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1\n", "2 entries"),
        ("w.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 1\n0 1 1\n", "from 1 to 2"),
        ("w.mtx", "%%MatrixMarket matrix array real general\n2 2\n1\n2\n", "4 entries"),
        ("w.npz", "not an archive", "must be a whole .npz file of plain arrays"),
        ("w.npz", "", "must be a whole .npz file of plain arrays"),
    ],
)
def test_bad_files_are_explained(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"^Argument `path` must ") as caught:
        graphs.read(tmp_path / name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_binary_text_is_refused(tmp_path):
    (tmp_path / "w.csv").write_bytes(b"\xff\xfe0,1\n")
    with pytest.raises(ValueError, match="which is not UTF-8"):
        graphs.read(tmp_path / "w.csv")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^Argument `path` must be a file.*no such file"):
        graphs.read(tmp_path / "nowhere.csv")
    with pytest.raises(OSError, match="which is a folder"):
        graphs.read(tmp_path)


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    np.savez(tmp_path / "w.npz", weights=np.array([[Trap()]], dtype=object))
    with pytest.raises(ValueError, match="without Python objects"):
        graphs.read(tmp_path / "w.npz")


def test_npz_of_something_else_lists_what_it_holds(tmp_path):
    np.savez(tmp_path / "w.npz", apples=np.ones(3), pears=np.ones(2))
    with pytest.raises(ValueError, match=r"array `weights`.*holds apples, pears"):
        graphs.read(tmp_path / "w.npz")


def test_npz_with_indices_outside_is_refused(tmp_path):
    good = graphs.ring(4)
    parts = {"indices": good.indices + 7, "indptr": good.indptr, "data": good.data}
    np.savez(tmp_path / "w.npz", format=b"csr", shape=(4, 4), _is_array=True, **parts)
    with pytest.raises(ValueError, match=r"scipy\.sparse\.save_npz"):
        graphs.read(tmp_path / "w.npz")
