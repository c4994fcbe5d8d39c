"""PURE: what ``status.conditions`` of an object say of its newest generation."""

from typing import Any

from cutover.traffic.layout import Object

_MOST_TEXT = 300


def condition_refusal(thing: Object, wanted: str, who: str) -> str:
    """Say why the condition is not True for this generation; empty when it is."""
    generation = thing["metadata"].get("generation") or 0
    conditions = (thing.get("status") or {}).get("conditions") or ()
    found = next((each for each in conditions if each.get("type") == wanted), None)
    if found is None:
        return f"{who} has not answered yet"
    if (found.get("observedGeneration") or generation) < generation:
        return f"{who} has not answered yet for the newest change"
    if found.get("status") != "True":
        return f"{who} says {wanted}={found.get('status')}{_words(found)}"
    return ""


def _words(condition: Object) -> str:
    told: list[Any] = [each.get("message") for each in condition.get("errors") or ()]
    text = "; ".join(str(one) for one in told or [condition.get("message") or ""])
    message = " ".join(text.split())[:_MOST_TEXT]
    reason = condition.get("reason") or ""
    return f" ({reason}: {message})" if message else f" ({reason})"
