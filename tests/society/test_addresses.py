from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.society import generators
from doxa.society.addresses import graphs, open_graph
from doxa.society.graph import Graph
from doxa.society.loading import write_graph
from doxa.streams import stream


def test_an_address_is_a_call_of_its_generator():
    assert (
        open_graph("ba?n=50&m=2", stream(0, "x")).digest
        == generators.barabasi_albert(50, 2, stream(0, "x")).digest
    )
    made = generators.barabasi_albert(50, 2, 5).digest
    assert open_graph("barabasi-albert?m=2&n=50", 5).digest == open_graph("ba?m=2", 5, n=50).digest == made
    assert open_graph("lattice?n=12&periodic=false&columns=4", 0).digest == (
        generators.lattice(12, periodic=False, columns=4).digest
    )


def test_a_caller_may_know_the_number_of_nodes():
    assert open_graph("ws?k=4&p=0.1", 0, n=30).n == 30
    assert open_graph("ws?n=30&k=4&p=0.1", 0, n=30).n == 30
    with pytest.raises(InputError, match="has 30 nodes, and 31 are asked for"):
        open_graph("ws?n=30&k=4&p=0.1", 0, n=31)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("barabasi-alber?n=5", "no graph called 'barabasi-alber'; did you mean 'barabasi-albert'"),
        ("ring?n=5&kk=2", "has no option 'kk'; did you mean 'k'"),
        ("ba?n=50", "say m="),
        ("ba", "say n= and m="),
        ("ba?n=50&m=two", "m=two must be a whole number"),
        ("er?n=50&mean_degree=x", "must be a number"),
        ("lattice?n=9&periodic=yes", "must be true or false"),
        ("ba?n=50&n=51", "gives an option twice"),
        ("ba?n", "options are name=value"),
        ("file:nowhere.txt", "nowhere.txt: no such file"),
        ("file:nowhere.txt?nul=rewired", "did you mean 'null'"),
        ("file:nowhere.txt?null=rewire", "did you mean 'rewired'"),
    ],
)
def test_errors_say_what_to_type(address, message):
    with pytest.raises(InputError, match=message):
        open_graph(address, 0)


def test_a_file_and_its_null_models(tmp_path):
    graph = generators.barabasi_albert(200, 3, 1)
    write_graph(graph, tmp_path / "graph.tsv")
    address = f"file:{tmp_path / 'graph.tsv'}"
    assert open_graph(address, 0).digest == graph.digest
    for null in ("configuration", "rewired"):
        other = open_graph(f"{address}?null={null}", 0)
        assert other.degree.tolist() == graph.degree.tolist()
        assert other.digest != graph.digest
    assert open_graph(f"{address}?directed=true&n=300", 0).n == 300


def test_a_plug_in_adds_a_graph():
    def star(n: int) -> Graph:
        return generators.barabasi_albert(n, n - 1, 0)

    graphs.add("star-for-tests", star)
    assert open_graph("star-for-tests?n=5", 0).degree.tolist() == [4, 1, 1, 1, 1]


def test_every_generator_says_what_it_needs():
    for name in graphs.names():
        if name != "star-for-tests":
            with pytest.raises(InputError, match=r"say .*n="):
                open_graph(name, 0)
