"""Claims of other rollouts."""

from cutover.decide.route import Claim, RuleWeights


def another(*, cluster: str = "c-1") -> Claim:
    """Somebody else's claim on the same route."""
    return Claim(
        cluster=cluster,
        namespace="inference",
        name="other",
        uid="u-other",
        attempt=1,
        epoch=1,
        original=(RuleWeights(0, 1, 0),),
    )
