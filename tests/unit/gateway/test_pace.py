"""When the agent looks: never more than its part of a core."""

from ragops.agent.pace import IDLE_SECONDS, LOOK_SECONDS, MOST_OF_THE_TIME, SHORTEST_SECONDS, Pace


def after(pace: Pace, worked: float = 0.0, **what: bool) -> float:
    told = {"asked": False, "rung": False, "changed": False, "busy": True, **what}
    return pace.after(100.0, worked, **told)


def test_statistics_are_due_more_often_while_there_are_requests() -> None:
    pace = Pace()
    after(pace, asked=True)
    assert pace.next_ask == 100 + LOOK_SECONDS
    after(pace, asked=True, busy=False)
    assert pace.next_ask == 100 + IDLE_SECONDS
    after(pace, asked=True, worked=0.1)
    assert pace.next_ask == 100 + 0.1 / MOST_OF_THE_TIME


def test_alarms_that_change_nothing_are_heard_less_and_less() -> None:
    pace = Pace()
    pauses = [after(pace, rung=True) for _ in range(10)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2 * SHORTEST_SECONDS, LOOK_SECONDS)
    assert after(pace, rung=True, changed=True) == SHORTEST_SECONDS
    assert after(pace) == 0


def test_the_look_of_an_alarm_has_to_be_paid_for_too() -> None:
    """One that asks for all statistics may take long, and with a fault each look rings the next one."""
    for changed in (True, False):
        assert after(Pace(), worked=0.05, rung=True, changed=changed) == 0.05 / MOST_OF_THE_TIME
