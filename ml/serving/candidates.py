"""What could be tipped: todos from the integrations service, which asks the providers."""

from logging import Logger

from google.protobuf.json_format import MessageToDict, ParseError
from nats.aio.client import Client

from ml.serving.broker import Unanswered, request
from oo.v1 import candidates_pb2
from oo_contracts.ids import UserId
from oo_contracts.instants import timestamp
from oo_contracts.payloads import read_payload
from oo_contracts.subjects import CANDIDATES

TIMEOUT_S = 2.0


class Candidates:
    """Asks for todos. Where nobody answers there are none, and the decision has the advices alone."""

    def __init__(self, client: Client, log: Logger, timeout_s: float = TIMEOUT_S) -> None:
        self._client = client
        self._log = log
        self._timeout_s = timeout_s
        self._reported = ""

    async def of(self, user: UserId, at: int) -> list[candidates_pb2.CandidateItem]:
        question = MessageToDict(candidates_pb2.ListCandidates(user_id=user, at=timestamp(at)))
        try:
            answer = await request(self._client, CANDIDATES, question, self._timeout_s)
            listed = read_payload(answer, candidates_pb2.CandidateList)
        except (TimeoutError, Unanswered, ParseError) as error:
            self._report(type(error).__name__)
            return []
        self._report(",".join(listed.unreachable))
        return list(listed.items)

    def _report(self, reason: str) -> None:
        """Tells of a change for the worse once, not at every decision."""
        if reason and reason != self._reported:
            self._log.warning("todos are missing", extra={"reason": reason})
        self._reported = reason
