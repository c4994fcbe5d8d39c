"""The errors that cross a boundary inside Cutover.

CutoverError
├── ConfigurationError    a setting of the operator itself is unusable; the process ends with the sentence
└── LeadershipLost        the Lease is no longer ours; nothing may be written any more

What the world answers (missing routes, dead Prometheus servers, refused writes) is no error but a
value: see ``decide.observation`` and ``ports``.
"""


class CutoverError(Exception):
    """The root of the tree; its text is one sentence for a person and holds no secret."""


class ConfigurationError(CutoverError):
    """A setting is unusable; the sentence names the flag and the fix."""


class LeadershipLost(CutoverError):  # noqa: N818 - says what happened
    """Raised instead of writing when the Lease has run out."""
