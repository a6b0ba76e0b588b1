"""Lifts recorded payloads to the newest version, step by step; the same steps as upcasters.ts."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Payload = dict[str, Any]
_Step = Callable[[Payload], Payload]


def _task_observed_1_to_2(json: Payload) -> Payload:
    """Urgency 1 to 4 becomes a priority; a due day becomes its last second in UTC."""
    urgency, due_date = json.get("urgency", 0), json.get("dueDate", "")
    if not isinstance(urgency, int) or not isinstance(due_date, str) or not isinstance(json.get("ref"), str):
        raise ValueError("not a TaskObservedV1: wants ref, dueDate (text) and urgency (a whole number)")
    priority = "PRIORITY_HIGH" if urgency >= 3 else "PRIORITY_LOW" if urgency == 1 else "PRIORITY_NORMAL"
    lifted: Payload = {"ref": json["ref"], "state": "TASK_STATE_OPEN", "priority": priority}
    return lifted | ({"dueAt": f"{due_date}T23:59:59Z"} if due_date else {})


_UPCASTERS: Final[Mapping[str, Mapping[int, _Step]]] = {"TaskObserved": {1: _task_observed_1_to_2}}


def upcast(event_type: str, version: int, json: Payload) -> Payload:
    """Newest versions pass through unchanged. Raises ValueError when `json` has not the old shape."""
    steps = _UPCASTERS.get(event_type, {})
    while (step := steps.get(version)) is not None:
        json, version = step(json), version + 1
    return json
