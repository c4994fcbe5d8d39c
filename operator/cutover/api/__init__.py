"""The contract with users: what may be written in a MigrationRollout and what is reported back.

Frozen pydantic models and constants. Nothing here reads a clock, a file or the network.
"""

from typing import Final

GROUP: Final = "cutover.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "MigrationRollout"
PLURAL: Final = "migrationrollouts"
SHORT_NAME: Final = "mro"

FINALIZER: Final = "cutover.dev/rollback"
"""Held from the first sight of a rollout until its traffic is where it belongs."""

CLAIM: Final = "cutover.dev/claim"
"""Annotation on the route: who moves its weights, and what they were before."""

ON_DELETE: Final = "cutover.dev/on-delete"
"""Annotation on the rollout; ``Keep`` leaves the traffic where it is on deletion while soaking."""

SECRET_USE: Final = "cutover.dev/use"  # noqa: S105 - a label's name, not a secret
"""Label (``"true"``) that a Secret must carry before its content is sent to an address of a spec."""

SCALED_DOWN: Final = "cutover.dev/scaled-down"
"""Annotation on what was scaled to zero: by whom, when, and what was there before."""
