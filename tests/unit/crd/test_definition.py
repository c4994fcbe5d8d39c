"""The committed definition is the models', and nothing is dropped on the way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel, Field

from cutover import crd
from cutover.api.rules import Rule, ruled_by
from cutover.api.wire import Wire

ROOT = Path(__file__).parents[3]
Json = dict[str, Any]


@pytest.mark.parametrize(
    ("path", "chart"),
    [
        ("crds/cutover.dev_migrationrollouts.yaml", False),
        ("charts/cutover/templates/crd.yaml", True),
    ],
)
def test_the_committed_definition_is_current(path: str, chart: bool) -> None:
    assert (ROOT / path).read_text() == crd.render(chart=chart), (
        f"{path} is stale: run make generate"
    )


def test_the_chart_keeps_the_definition_on_uninstall() -> None:
    lines = crd.render(chart=True).splitlines()
    assert lines[1] == "{{- if .Values.crds.install }}"
    assert lines[-1] == "{{- end }}"
    document = yaml.safe_load("\n".join(lines[2:-1]))
    assert document["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert document["spec"] == yaml.safe_load(crd.render())["spec"]


def test_main_prints_what_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["crd"])
        crd.main()
        assert capsys.readouterr().out == crd.render()
        patch.setattr("sys.argv", ["crd", "--chart"])
        crd.main()
    assert capsys.readouterr().out == crd.render(chart=True)


def nodes(schema: Json, path: str = "", in_list: bool = False) -> Iterator[tuple[str, Json, bool]]:
    yield path, schema, in_list
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}", in_list)
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from nodes(schema[keyword], f"{path}[]", True)


SCHEMA = crd.openapi_schema()
SPEC = list(nodes(SCHEMA["properties"]["spec"], "spec"))
STATUS = list(nodes(SCHEMA["properties"]["status"], "status"))


def test_every_field_of_the_spec_is_explained() -> None:
    silent = [
        path for path, schema, _ in SPEC if not schema.get("description") and path[-2:] != "[]"
    ]
    assert not silent, f"write a docstring under {silent}"


def test_every_explanation_reads_as_a_sentence() -> None:
    for path, schema, _ in SPEC:
        text = schema.get("description", "A.")
        assert text[0].isupper(), path
        assert text.endswith("."), path
        assert "``" not in text, path


def test_a_stored_default_is_named_in_the_explanation() -> None:
    for path, schema, _ in SPEC:
        default = schema.get("default")
        if default is not None and not isinstance(default, dict):
            assert schema["description"].endswith(f"Default: {default}."), path


@pytest.mark.parametrize(
    "field", ["attempt", "paused", "abort", "approved", "steps", "gates", "guards", "custom"]
)
def test_what_git_may_leave_out_has_no_stored_default(field: str) -> None:
    assert "default" not in SCHEMA["properties"]["spec"]["properties"][field]


def test_nothing_in_a_list_has_a_stored_default() -> None:
    assert not [path for path, schema, in_list in SPEC if in_list and "default" in schema]


def test_all_that_can_grow_in_the_spec_is_bounded() -> None:
    bounds = {"array": "maxItems", "string": "maxLength", "integer": "maximum"}
    for path, schema, _ in SPEC:
        bound = bounds.get(schema["type"])
        assert bound is None or bound in schema or "enum" in schema, f"{path} needs {bound}"
        assert "additionalProperties" not in schema or "maxProperties" in schema, path


def test_lists_say_who_may_own_an_entry() -> None:
    """Steps are one sequence, windows one calendar; the rest can be shared between Git and people."""
    kinds = {
        p: s.get("x-kubernetes-list-type", "atomic") for p, s, _ in SPEC if s["type"] == "array"
    }
    assert kinds == {
        "spec.approved": "map",
        "spec.custom.latencies": "map",
        "spec.gates": "map",
        "spec.guards.criticalXids": "set",
        "spec.guards.disabled": "set",
        "spec.steps": "atomic",
        "spec.steps[].gates": "set",
        "spec.traffic.contourHTTPProxy.rules": "set",
        "spec.traffic.grpcRoute.rules": "set",
        "spec.traffic.additionalRoutes": "atomic",
        "spec.traffic.additionalRoutes[].grpcRoute.rules": "set",
        "spec.traffic.additionalRoutes[].httpRoute.rules": "set",
        "spec.traffic.additionalRoutes[].virtualService.rules": "set",
        "spec.traffic.additionalRoutes[].contourHTTPProxy.rules": "set",
        "spec.traffic.additionalRoutes[].patch.source.tests": "atomic",
        "spec.traffic.additionalRoutes[].patch.target.tests": "atomic",
        "spec.traffic.httpRoute.rules": "set",
        "spec.windows": "atomic",
        "spec.traffic.virtualService.rules": "set",
        "spec.traffic.patch.source.tests": "atomic",
        "spec.traffic.patch.target.tests": "atomic",
    }


def test_the_status_has_no_default_and_one_rule() -> None:
    assert not [path for path, schema, _ in STATUS if "default" in schema]
    assert [path for path, schema, _ in STATUS if "x-kubernetes-validations" in schema] == [
        "status"
    ]


def test_what_the_status_records_of_the_spec_binds_nobody() -> None:
    allowed = {"type", "format", "properties", "items", "additionalProperties"}
    recorded = [
        (path, schema)
        for path, schema, _ in STATUS
        if path.startswith(
            ("status.plan.source.", "status.plan.gates[].", "status.executedSteps[].")
        )
    ]
    assert len(recorded) > 30
    for path, schema in recorded:
        assert schema.keys() <= allowed, path


def test_no_unknown_field_is_kept() -> None:
    assert not [p for p, s, _ in SPEC + STATUS if "x-kubernetes-preserve-unknown-fields" in s]


def test_the_definition_fits_into_kubectls_annotation() -> None:
    """Client-side apply keeps a copy, as JSON without spaces, in an annotation of at most 256 KiB."""
    kept = json.dumps(yaml.safe_load(crd.render()), separators=(",", ":"))
    assert len(kept.encode()) < 230_000


# --- what has no structural form raises ----------------------------------------------------------


def transformed(model: type[BaseModel]) -> Json:
    raw = model.model_json_schema()
    inlined = crd._inlined(raw, raw.get("$defs", {}))
    return crd._structural(inlined, "")


class Inner(Wire):
    """Words of the type."""

    model_config = ruled_by(Rule("type", "says"))

    size: int = 1


def test_a_field_wins_over_its_type_and_keeps_the_rules_of_both() -> None:
    class Outer(Wire):
        inner: Annotated[Inner, Rule("field", "says")] | None = None
        """Words of the field."""

    inner = transformed(Outer)["properties"]["inner"]
    assert inner["description"] == "Words of the field."
    assert [rule["rule"] for rule in inner["x-kubernetes-validations"]] == ["type", "field"]
    assert "default" not in inner


def test_exclusive_bounds_become_kubernetes_pair() -> None:
    class Bounded(Wire):
        share: Annotated[float, Field(gt=0, lt=1)]

    share = transformed(Bounded)["properties"]["share"]
    assert share == {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "exclusiveMaximum": True,
    }


def test_a_union_is_refused() -> None:
    class Either(Wire):
        value: int | str

    with pytest.raises(crd.NotStructuralError, match="a union of 2 has no structural form"):
        transformed(Either)


class Endless(Wire):
    again: "Endless | None" = None


def test_a_model_that_contains_itself_is_refused() -> None:
    raw = Endless.model_json_schema()
    with pytest.raises(crd.NotStructuralError, match="Endless contains itself"):
        crd._inlined(raw, raw["$defs"])


def test_a_default_inside_a_list_is_refused() -> None:
    class Listing(Wire):
        items: list[Inner]

    with pytest.raises(crd.NotStructuralError, match=r"items\[\].size: a default inside a list"):
        transformed(Listing)


def test_an_untyped_value_is_refused() -> None:
    class Loose(Wire):
        anything: Any

    with pytest.raises(crd.NotStructuralError, match="anything: has no type"):
        transformed(Loose)


def test_a_tuple_is_refused() -> None:
    class Paired(Wire):
        pair: tuple[int, int]

    with pytest.raises(crd.NotStructuralError, match="prefixItems has no structural form"):
        transformed(Paired)
