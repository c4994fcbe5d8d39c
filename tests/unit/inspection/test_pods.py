"""What a pod cannot start without, wherever its template names it."""

from cutover.inspection.pods import needs_of

SPEC = {
    "initContainers": [{"name": "fetch", "image": "busybox:1"}],
    "containers": [
        {
            "name": "server",
            "image": "vllm/vllm-openai:v0.6.3",
            "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "settings"}}],
            "env": [
                {"name": "PLAIN", "value": "1"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
                {
                    "name": "MAYBE",
                    "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "x", "optional": True}},
                },
            ],
        },
        {"name": "sidecar", "image": "vllm/vllm-openai:v0.6.3"},
    ],
    "volumes": [
        {"name": "a", "secret": {"secretName": "certificate"}},
        {"name": "b", "configMap": {"name": "template"}},
        {"name": "c", "projected": {"sources": [{"secret": {"name": "joined"}}, {}]}},
        {"name": "d", "emptyDir": {}},
        {"name": "e", "secret": {"secretName": "spare", "optional": True}},
    ],
}


def test_images_secrets_and_config_maps_are_found_once_and_optional_ones_left_out() -> None:
    needs = needs_of(SPEC)
    assert needs.images == ("busybox:1", "vllm/vllm-openai:v0.6.3")
    assert needs.references == (
        ("Secret", "all"),
        ("ConfigMap", "settings"),
        ("Secret", "hub"),
        ("Secret", "certificate"),
        ("ConfigMap", "template"),
        ("Secret", "joined"),
    )


def test_a_template_that_is_not_as_it_should_be_names_nothing() -> None:
    assert needs_of({"containers": "none", "volumes": [None]}).references == ()
