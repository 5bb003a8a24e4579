"""When views that were made together have all that they asked for."""

from __future__ import annotations

from dashboard.components.work import Group


def test_a_group_is_settled_when_the_last_piece_has_ended() -> None:
    group, heard = Group(), []
    group.begin()
    group.begin()
    group.when_settled(lambda: heard.append("settled"))
    group.end()
    assert heard == []
    group.end()
    assert heard == ["settled"]
    group.when_settled(lambda: heard.append("at once"))
    assert heard == ["settled", "at once"]


def test_what_a_piece_of_work_begins_is_waited_for() -> None:
    group, heard = Group(), []
    group.begin()
    group.when_settled(group.begin)
    group.when_settled(lambda: heard.append("settled"))
    group.end()
    assert heard == []
    group.end()
    assert heard == ["settled"]
