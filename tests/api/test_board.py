"""The board: what one process writes, every process reads, whoever dies."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.api.board import COUNTS, Board, Served, SharedCores, State, Turn
from engine.api.metrics import WIDTH, Tally, render
from engine.inference.counters import Counters

RUN = "0" * 31 + "1"


def test_sums_go_on_where_a_process_is_replaced() -> None:
    board = Board.create(2)
    for _ in range(3):
        for slot in board.slots:
            slot.occupy(0)
            tally = Tally(slot)
            tally.request(0, 200, 0.01)
            tally.publish(_Predictor(cache_hits=5))
            tally.publish(_Predictor(cache_hits=7))
            slot.vacate(replaced=True)
    text = render(board).decode()
    assert 'tagscope_requests_total{route="/predict",status="200"} 6.0' in text
    assert 'tagscope_request_seconds_bucket{le="0.01",route="/predict"} 6.0' in text
    assert 'tagscope_request_seconds_bucket{le="0.005",route="/predict"} 0.0' in text
    assert "tagscope_cache_hits_total 42.0" in text
    assert "tagscope_process_restarts_total 6.0" in text
    assert WIDTH <= COUNTS


class _Predictor:
    """What `Tally.publish` looks at."""

    depth = 0

    def __init__(self, **counts: int) -> None:
        self.counters = Counters()
        for name, value in counts.items():
            setattr(self.counters, name, value)
        self.cache = type("Cache", (), {"used_bytes": 0, "__len__": lambda _: 0})()


def test_gauges_of_a_killed_process_are_gone() -> None:
    board = Board.create(2)
    for slot in board.slots:
        slot.occupy(0)
        tally = Tally(slot)
        tally.open_requests = 3
        tally.publish(_Predictor())
    assert "tagscope_open_requests 6.0" in render(board).decode()
    board.slots[0].vacate(replaced=True)
    assert "tagscope_open_requests 3.0" in render(board).decode()
    board.slots[0].expect()
    assert "tagscope_open_requests 3.0" in render(board).decode()


def test_a_killed_process_leaves_its_cores_to_others() -> None:
    board = Board.create(2)
    cores = [SharedCores(board, slot, 2) for slot in board.slots]
    for each in cores:
        each.busy(1)
    assert not cores[0].idle()
    board.slots[1].vacate(replaced=True)
    assert cores[0].idle()
    # Nor is its successor thought to compute before it has begun.
    board.slots[1].expect()
    assert cores[0].idle()


def test_what_is_served_is_read_whole() -> None:
    board = Board.create(1)
    (slot,) = board.slots
    assert slot.served is None
    long, short = Served(RUN, "m" * 500, "d" * 64), Served(RUN, "m", "d")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [setattr(slot, "served", (long, short)[n % 2]) for n in range(3000)])
        while not writing.done():
            assert slot.served in (None, long, short)
    slot.served = Served(reason="x" * 5000, run_id=RUN)
    assert slot.served is not None
    assert slot.served.run_id == RUN
    slot.vacate(replaced=False)
    assert (slot.served, slot.state) == (None, State.DEAD)


def test_every_order_is_carried_out_or_covered() -> None:
    board = Board.create(1)
    assert board.orders_after(0) == []
    first = board.post(RUN)
    assert [(order.number, order.run_id) for order in board.orders_after(0)] == [(first, RUN)]
    board.post("")
    assert [order.run_id for order in board.orders_after(0)] == [RUN, ""]
    for _ in range(100):
        board.post(RUN)
    # Too many to be kept: one that forgets everything covers them.
    (order,) = board.orders_after(0)
    assert (order.number, order.run_id) == (102, "")


def test_a_process_that_is_killed_lets_go_of_its_turn() -> None:
    board = Board.create(1)
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with board.locked(Turn.PROMOTE):
            os.write(tell, b"x")
            signal.pause()
    assert os.read(ready, 1) == b"x"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: board.locked(Turn.PROMOTE).__enter__())
        assert board.post("") == 1, "another turn is free"
        assert not waiting.done()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        waiting.result(30)


@pytest.mark.parametrize("count", [1, 3])
def test_one_board_in_two_processes(count: int) -> None:
    board = Board.create(count)
    child = os.fork()
    if child == 0:
        other = Board(board.descriptor)
        other.slots[-1].occupy(0)
        other.slots[-1].counts[3] = 7.0
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (board.slots[-1].pid, board.slots[-1].state) == (child, State.STARTING)
    assert board.totals()[3] == 7.0
