from __future__ import annotations

import socket
import threading
from types import SimpleNamespace

import pytest

from doxa.commands.options import executor_of
from doxa.errors import InputError
from doxa.lab.cluster import connection
from doxa.lab.executors import check_executor


@pytest.fixture
def deaf():
    """A port that takes a connection and answers as a web server does."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            try:
                while True:
                    line, _ = server.accept()
                    line.recv(64)
                    line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    line.close()
            except OSError:
                return

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]


def test_an_address_where_no_ray_answers_is_refused_before_ray_waits_for_it(deaf):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for place in (port, deaf):
        with pytest.raises(InputError, match=f"no Ray cluster answers at 127.0.0.1:{place} within 5 s"):
            connection.connect(f"127.0.0.1:{place}", cores=1, at_once=1)


def test_what_is_no_address_is_refused():
    for address in ("head", "head:", ":6379", "http://head:6379x"):
        with pytest.raises(InputError, match="must be auto, HOST:PORT or ray://HOST:PORT"):
            connection.check_address(address)


def test_auto_needs_a_cluster_on_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InputError, match="no Ray cluster runs on this machine"):
        connection.check_address("auto")


def test_ray_frames_of_settings_are_an_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(64)
                line.sendall(b"\0\0\0\4\0\0\0\0\0")

        threading.Thread(target=answer, daemon=True).start()
        connection.check_address(f"127.0.0.1:{server.getsockname()[1]}")


def test_a_machine_with_another_python_or_doxa_is_named():
    here = connection.held_here()
    assert connection.difference(here, here) == ""
    assert "has Python 3.10.1, here is" in connection.difference(here, here | {"python": "3.10.1"})
    assert "has doxa 0.0.9, here is" in connection.difference(here, here | {"doxa": "0.0.9"})
    assert "another state of doxa" in connection.difference(here, here | {"code": "0"})


def a_connected_ray(monkeypatch, *, job, nodes):
    ray = SimpleNamespace(
        is_initialized=lambda: True,
        nodes=lambda: nodes,
        get_runtime_context=lambda: SimpleNamespace(get_job_id=lambda: job),
    )
    monkeypatch.setattr(connection, "ray_library", lambda: ray)
    return ray


def test_a_process_that_is_connected_to_one_cluster_is_not_taken_to_another(monkeypatch):
    ray = a_connected_ray(monkeypatch, job="01", nodes=[{"Alive": True, "Resources": {"CPU": 2.0}}])
    monkeypatch.setattr(connection, "_connected", {"01": "ray://head:10001", "02": ""})
    assert connection.connect("ray://head:10001", cores=1, at_once=1) is ray
    assert connection.connect("", cores=1, at_once=1) is ray
    with pytest.raises(
        InputError, match=r"auto: this process is connected to ray://head:10001 .* ray.shutdown"
    ):
        connection.connect("auto", cores=1, at_once=1)
    a_connected_ray(monkeypatch, job="02", nodes=ray.nodes())
    with pytest.raises(InputError, match="connected to a Ray of its own already"):
        connection.connect("auto", cores=1, at_once=1)


def test_a_cluster_without_a_machine_that_is_wide_enough_is_refused(monkeypatch):
    nodes = [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}]
    ray = a_connected_ray(monkeypatch, job="01", nodes=nodes)
    assert connection.connect("auto", cores=2, at_once=1) is ray
    with pytest.raises(InputError, match="needs 4 cores on one machine, and the widest has 2"):
        connection.connect("auto", cores=4, at_once=1)
    with pytest.raises(InputError, match=r"already: a cell needs 4 cores .* ray.shutdown"):
        connection.connect("", cores=4, at_once=4)


def test_reasons_of_ray_become_what_to_do():
    mismatch = RuntimeError("Version mismatch: The cluster was started with: Ray: 2.1 Python: 3.9")
    assert "install the same on all machines" in connection._reason("auto", mismatch)
    assert "must have the token" in connection._reason("auto", ConnectionError("Failed to connect to Ray"))


def test_an_address_belongs_to_ray_alone():
    assert executor_of("ray", None) == "ray"
    assert check_executor(executor_of("ray", "ray://head:10001")) == ("ray", "ray://head:10001")
    with pytest.raises(InputError, match="--ray-address auto: is of Ray alone"):
        executor_of("processes", "auto")
    for executor in ("inline:auto", "ray:"):
        with pytest.raises(InputError, match="only Ray takes an address"):
            check_executor(executor)
