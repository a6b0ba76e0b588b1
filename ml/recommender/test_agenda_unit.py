"""When decisions are due: a pure function of events and time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ml.recommender.agenda import KEPT_FOR_PAGE, POINTS_PER_HOUR, Agenda, Trigger
from ml.recommender.fold import new_person
from ml.recommender.person import FOLDS
from ml.testing.life import HOUR, MINUTE, MONDAY, Life, user_of
from oo.v1 import decisions_pb2, signals_pb2, tips_pb2
from oo_contracts.events import EVENTS
from oo_contracts.ids import decision_id_of
from oo_contracts.streams import FOLDED_CATEGORIES

USER = user_of(1)


def signal(number: int, at: int) -> Trigger:
    return Trigger(decisions_pb2.TRIGGER_KIND_SIGNAL, f"signal-{number}", at, "c", "c")


def moment(name: str, at: int) -> Trigger:
    return Trigger(decisions_pb2.TRIGGER_KIND_MOMENT, name, at, "c", "c")


def due(agenda: Agenda, now: int) -> list[str]:
    return [trigger.id for _, trigger in agenda.due(now)]


def test_a_point_is_open_until_its_decision_is_recorded() -> None:
    agenda = Agenda(USER)
    agenda.open(signal(1, 100))
    agenda.open(signal(2, 200))
    (first, trigger), _ = agenda.due(0)
    assert first == decision_id_of(USER, "TRIGGER_KIND_SIGNAL", "signal-1")
    assert trigger.at == 100
    agenda.close(first, trigger.id)
    assert due(agenda, 0) == ["signal-2"]


def test_an_hour_has_room_for_twelve_and_the_last_three_are_the_pages() -> None:
    agenda = Agenda(USER)
    for number in range(POINTS_PER_HOUR):
        agenda.open(signal(number, MONDAY + number * MINUTE))
    agenda.open(signal(99, MONDAY + HOUR))
    assert len(agenda.due(MONDAY)) == POINTS_PER_HOUR - KEPT_FOR_PAGE + 1
    agenda.reconsider(moment("full", MONDAY + 30 * MINUTE))
    assert "full" not in due(agenda, MONDAY + 30 * MINUTE)
    assert agenda.next_moment(MONDAY + 30 * MINUTE) is None
    for number in range(KEPT_FOR_PAGE + 1):
        at = MONDAY + 40 * MINUTE
        agenda.open(Trigger(decisions_pb2.TRIGGER_KIND_PAGE_OPENED, f"page-{number}", at, "c", "c"))
    assert [each for each in due(agenda, MONDAY) if each.startswith("page")] == ["page-0", "page-1", "page-2"]


def test_a_moment_is_due_when_it_is_over_and_gives_way_to_a_newer_decision() -> None:
    agenda = Agenda(USER)
    agenda.reconsider(moment("first", 1000))
    assert due(agenda, 999) == []
    assert agenda.next_moment(0) == 1000
    agenda.reconsider(moment("second", 2000))
    assert due(agenda, 1500) == []
    assert due(agenda, 2000) == ["second"]
    agenda.reconsider(None)
    assert due(agenda, 3000) == []


def test_a_moment_that_an_event_shows_to_be_over_stays_due() -> None:
    agenda = Agenda(USER)
    agenda.reconsider(moment("asked", 1000))
    agenda.advance(1000)
    agenda.reconsider(moment("next", 5000))
    assert due(agenda, 1000) == ["asked"]


def test_snoozes_are_moments_of_their_own() -> None:
    agenda = Agenda(USER)
    agenda.snooze(moment("b", 2000))
    agenda.snooze(moment("a", 1000))
    agenda.reconsider(moment("c", 1500))
    assert due(agenda, 2000) == ["a", "c", "b"]
    first, trigger = agenda.due(2000)[0]
    agenda.close(first, trigger.id)
    assert due(agenda, 2000) == ["c", "b"]


def test_one_who_leaves_has_nothing_due() -> None:
    agenda = Agenda(USER)
    agenda.open(signal(1, 0))
    agenda.snooze(moment("a", 0))
    agenda.reconsider(moment("b", 0))
    agenda.clear()
    assert agenda.due(10) == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_every_point_that_was_due_ends_once_and_refolding_leaves_none_open(seed: int, days: int) -> None:
    life = Life(seed)
    life.live(days)
    assert life.person.agenda.due(life.now) == []
    assert len(life.ended) == len(set(life.ended))
    again = new_person(life.user, life.prior)
    open_points: set[str] = set()
    ended: set[str] = set()
    for event in life.events:
        open_points |= {decision_id for decision_id, _ in again.agenda.due(event.metadata.recorded_at)}
        again.fold(event)
        open_points |= {decision_id for decision_id, _ in again.agenda.due(event.metadata.recorded_at)}
        if isinstance(event.data, tips_pb2.TipProposed | tips_pb2.TipWithheld):
            ended.add(event.data.decision.decision_id)
    assert open_points == ended
    assert again.agenda.due(life.now) == []


def test_relevant_signals_trigger_and_others_do_not() -> None:
    life = Life()
    life.register()

    def triggers(payload: object, occurred_at: int | None = None) -> bool:
        before = len(life.person.agenda.due(life.now))
        life.record(payload, occurred_at)  # type: ignore[arg-type]
        after = life.person.agenda.due(life.now)
        for decision_id, trigger in after:
            life.person.agenda.close(decision_id, trigger.id)
        life.now += HOUR
        return len(after) > before

    context = signals_pb2.ContextObserved
    new = signals_pb2.TaskObserved(ref="demo:task:1", state=signals_pb2.TASK_STATE_OPEN)
    assert triggers(new)
    assert not triggers(new)
    new.due_at.FromMilliseconds(life.now + 40 * HOUR)
    assert not triggers(new)
    life.now += 20 * HOUR
    assert triggers(new)
    assert not triggers(new)
    assert not triggers(signals_pb2.TaskObserved(ref="demo:task:1", state=signals_pb2.TASK_STATE_GONE))
    assert triggers(signals_pb2.TaskCompleted(ref="demo:task:2"))
    assert triggers(signals_pb2.HabitChecked(ref="demo:habit:1"))
    assert triggers(signals_pb2.MoodReported())
    assert not triggers(signals_pb2.MoodReported(), life.now - 16 * MINUTE)
    assert triggers(signals_pb2.MoodReported(), life.now - 15 * MINUTE)
    assert triggers(context(kind=signals_pb2.CONTEXT_KIND_PAGE_OPENED))
    assert not triggers(context(kind=signals_pb2.CONTEXT_KIND_PAGE_CLOSED))
    assert not triggers(context(kind=signals_pb2.CONTEXT_KIND_DEVICE_IDLE))
    assert triggers(context(kind=signals_pb2.CONTEXT_KIND_DEVICE_ACTIVE))
    busy = signals_pb2.BusyTimeObserved(ref="demo:event:1")
    busy.starts_at.FromMilliseconds(life.now)
    busy.ends_at.FromMilliseconds(life.now + 4 * MINUTE)
    assert triggers(busy)
    busy.ends_at.FromMilliseconds(life.now + 3 * HOUR)
    assert not triggers(busy)
    busy.cancelled = True
    assert triggers(busy)


def test_every_event_type_of_a_person_is_folded() -> None:
    folded = {name for name, event in EVENTS.items() if event.category in FOLDED_CATEGORIES}
    assert set(FOLDS) == folded
