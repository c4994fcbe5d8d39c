"""Any object with weights: where its numbers stand, as JSON pointers."""

from typing import Annotated, ClassVar

from pydantic import Field

from cutover.api.names import ObjectName
from cutover.api.rules import Rule, exactly_one, ruled_by
from cutover.api.wire import Wire

Pointer = Annotated[str, Field(min_length=2, max_length=512, pattern=r"^(/([^/~]|~[01])*)+$")]
_WRITABLE = (
    "!{0}.matches('^/(status|apiVersion|kind|metadata)(/|$)')"
    " || {0}.startsWith('/metadata/annotations/') || {0}.startsWith('/metadata/labels/')"
)


class Standing(Wire):
    """Something that has to stand in the object, so that a number is never written to another backend."""

    pointer: Pointer
    """JSON pointer to it."""
    value: Annotated[str, Field(max_length=253)]
    """What stands there: a string, or a number or a boolean as text."""


class WeightNumber(Wire):
    """One side's number."""

    pointer: Pointer
    """JSON pointer to the number, which stands there already: an integer, or digits in a string."""
    tests: Annotated[list[Standing], Field(min_length=1, max_length=8)] | None = None
    """What has to stand beside it, such as the backend's name in the same list element. Omitted: nothing is checked, so that a list whose elements were moved would be written to all the same."""


class PatchAcceptance(Wire):
    """How the object's status says that its data plane has taken it."""

    model_config = ruled_by(
        exactly_one(
            "condition",
            "pointer",
            says="name a condition, or a pointer and the value expected there, and not both",
        ),
        Rule(
            "has(self.pointer) == has(self.value)",
            "pointer and value belong together: set both, or neither",
        ),
        one_owner=True,
    )

    condition: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Type of the entry of status.conditions that has to be True."""
    pointer: Pointer | None = None
    """JSON pointer to what says it."""
    value: Annotated[str, Field(max_length=253)] | None = None
    """What has to stand at the pointer, as text."""
    observed_generation: Pointer | None = None
    """JSON pointer to the generation that the status is about. Omitted: the condition's own observedGeneration where it has one; otherwise the status is believed at once."""


class PatchRoute(Wire):
    """Any object with a number for the target's weight, and perhaps one for the source's."""

    model_config = ruled_by(
        Rule(
            "has(self.source) || has(self.scale)",
            "without source only the target's number is written: say in scale what 100 % is in it",
        ),
        Rule(
            "!has(self.source) || self.source.pointer != self.target.pointer",
            "source and target are the same number: name two",
        ),
        Rule(
            f"has(self.inside) || ({_WRITABLE.format('self.target.pointer')})",
            "target must be a number of the spec, an annotation or a label",
            at=".target.pointer",
        ),
        Rule(
            f"has(self.inside) || !has(self.source) || {_WRITABLE.format('self.source.pointer')}",
            "source must be a number of the spec, an annotation or a label",
            at=".source.pointer",
        ),
        Rule(
            f"!has(self.inside) || ({_WRITABLE.format('self.inside')})",
            "inside must be a string of the spec, an annotation or a label",
            at=".inside",
        ),
    )
    field: ClassVar[str] = "spec.traffic.patch"

    api_version: Annotated[
        str,
        Field(
            min_length=2, max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[a-z0-9]+$"
        ),
    ]
    """Group and version of the object, such as example.com/v1."""
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][a-zA-Z0-9]*$")]
    """Kind of the object."""
    plural: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][-a-z0-9]*$")] | None
    ) = None
    """Plural of the kind, as in URLs. Omitted: the API server is asked."""
    name: ObjectName
    """Name of the object; its namespace is that of traffic.cluster."""
    inside: Pointer | None = None
    """JSON pointer to a string of the object that holds JSON, such as an annotation: the pointers of source and target lead into that JSON, of which nothing but the two numbers changes. Omitted: they lead into the object."""
    source: WeightNumber | None = None
    """The source's number. Omitted: there is none; the source gets what the target's number leaves of scale."""
    target: WeightNumber
    """The target's number."""
    scale: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """What 100 % is: the numbers always add up to it. Omitted: only their ratio counts, and they are written so that they add up to 100."""
    accepted: PatchAcceptance | None = None
    """How the status says that the data plane has taken the object. Omitted: a weight counts as taken once it is written; request counters alone show whether it is delivered."""

    @property
    def backends(self) -> None:
        """Nobody knows how a data plane names them."""
