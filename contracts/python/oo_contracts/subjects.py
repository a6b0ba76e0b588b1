"""Subjects on the broker, and names of its streams and headers."""

from typing import Final

from oo_contracts.ids import UserId, tenant_of
from oo_contracts.partition import partition_of
from oo_contracts.streams import owner_of

EVENTS_STREAM: Final = "OO_EVENTS"
PROPOSALS_STREAM: Final = "OO_PROPOSALS"
EVENTS_SUBJECTS: Final = "oo.evt.>"
PROPOSALS_SUBJECTS: Final = "oo.proposal.>"

HEADER_POSITION: Final = "Oo-Position"
HEADER_REVISION: Final = "Oo-Revision"

HISTORY_READ: Final = "oo.qry.history.read"
HISTORY_HEAD: Final = "oo.qry.history.head"
CANDIDATES: Final = "oo.qry.integrations.candidates"
CLOCK_SUBJECT: Final = "oo.clock"
CLOCK_QUERY: Final = "oo.qry.clock"
PUBLISH_PRIOR: Final = "oo.cmd.policies.PublishPrior.all"
JUDGE_POLICY: Final = "oo.cmd.policies.JudgePolicy.all"


def event_subject(stream: str, event_type: str) -> str | None:
    """`oo.evt.PARTITION.TENANT.USER.CATEGORY.TYPE`; None where the stream is not one of oO's."""
    owner = owner_of(stream)
    if owner is None:
        return None
    if owner.user_id is None:
        return f"oo.evt.all.-.-.{owner.category}.{event_type}"
    return f"oo.evt.{_person_tokens(owner.user_id)}.{owner.category}.{event_type}"


def partition_filter(partition: int) -> str:
    """Filter for the relayed events of the people of one partition."""
    return f"oo.evt.{partition}.>"


def proposal_subject(user: UserId) -> str:
    """`oo.proposal.PARTITION.TENANT.USER`"""
    return f"oo.proposal.{_person_tokens(user)}"


def recommend_subject(user: UserId) -> str:
    """Heard by the process that owns the person's partition, and by no other."""
    return recommend_filter(partition_of(user))


def recommend_filter(partition: int) -> str:
    """What the process that decides for the people of a partition listens to."""
    return f"oo.qry.recommender.recommend.{partition}"


def parked_subject(user: UserId) -> str:
    """Heard by the process that owns the person's partition, and by no other."""
    return parked_filter(partition_of(user))


def parked_filter(partition: int) -> str:
    """`{userId?}` → who of a partition is parked in the recommender, each with the event and its error."""
    return f"oo.qry.recommender.parked.{partition}"


def retry_parked_subject(user: UserId) -> str:
    """Heard by the process that owns the person's partition, and by no other."""
    return retry_parked_filter(partition_of(user))


def retry_parked_filter(partition: int) -> str:
    """`{userId}`: folds a parked person of the partition anew."""
    return f"oo.qry.recommender.retry-parked.{partition}"


def progress_subject(worker: str) -> str:
    """`{position, timeoutMs}` → `{position, settled}`, answered once all up to there is handled."""
    return f"oo.qry.progress.{worker}"


def changed_subject(read_model: str, user: UserId) -> str:
    return f"oo.changed.{read_model}.{partition_of(user)}.{user}"


def _person_tokens(user: UserId) -> str:
    return f"{partition_of(user)}.{tenant_of(user)}.{user}"
