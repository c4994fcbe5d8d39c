"""What a login brings: a token that lasts for a while, or a sentence that says why there is none."""

from dataclasses import dataclass, field

from cutover.clusters.answers import Reason


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and the seconds it lasts from now."""

    value: str = field(repr=False)
    life: float


class LoginError(Exception):
    """There is no token; the message is one sentence without secrets."""

    def __init__(self, message: str, reason: Reason = Reason.UNAUTHORISED) -> None:
        super().__init__(message)
        self.reason = reason
