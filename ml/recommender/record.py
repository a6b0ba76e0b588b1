"""A decision as it is recorded."""

from ml.recommender.decide import Decision
from ml.recommender.draws import probability
from ml.recommender.policy import Reason
from oo.v1 import decisions_pb2
from oo_contracts.instants import timestamp


def record_of(decision: Decision) -> decisions_pb2.DecisionRecord:
    """The decision's record: all that is needed to make it again, bit for bit."""
    trigger = decision.trigger
    record = decisions_pb2.DecisionRecord(
        decision_id=decision.id,
        decided_at=timestamp(decision.decided_at),
        trigger=decisions_pb2.Trigger(kind=trigger.kind, id=trigger.id, at=timestamp(trigger.at)),
        policy=decision.policy.name,
        policy_version=decision.policy.version,
        prior_version=decision.prior.version,
        state_digest=decision.state_digest,
        folded_to=[
            decisions_pb2.FoldedStream(stream=stream, revision=revision)
            for stream, revision in decision.folded_to
        ],
        context=decision.context,
        candidates=[
            decisions_pb2.Candidate(
                ref=candidate.ref,
                kind=candidate.kind,
                features=candidate.features,
                probability=probability(units),
            )
            for candidate, units in zip(decision.candidates, decision.tips, strict=True)
        ],
        unavailable=decision.unavailable,
        act_probability=probability(decision.act),
        seed=decision.seed,
        choice=decision.choice.ref if decision.choice is not None else "",
        moment_reasons=_reasons(decision.moment_reasons),
        tip_reasons=_reasons(decision.tip_reasons),
        holds_until=timestamp(decision.holds_until),
        utc_offset_minutes=decision.utc_offset,
    )
    if decision.reconsider_at is not None:
        record.reconsider_at.CopyFrom(timestamp(decision.reconsider_at))
    return record


def _reasons(reasons: tuple[Reason, ...]) -> list[decisions_pb2.Reason]:
    return [decisions_pb2.Reason(code=each.code, contribution=each.contribution) for each in reasons]
