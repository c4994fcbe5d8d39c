"""What is passed on of an API server's own words."""

import json

from cutover.clusters.answers import Failed, Reason, read

WRONG = 'strict decoding error: unknown field "spec.rules[0].filters[0].requestMirror.percent"'


def test_what_is_wrong_with_an_object_is_told_although_the_whole_object_is_quoted_before_it() -> (
    None
):
    quoted = json.dumps({"spec": "x" * 5000})
    status = {
        "kind": "Status",
        "message": f' "" is invalid: patch: Invalid value: "{quoted}": {WRONG}',
        "details": {"causes": [{"message": "…"}]},
    }
    answer = read("PATCH", "https://k8s/route", 422, json.dumps(status).encode())
    assert isinstance(answer, Failed)
    assert answer.reason is Reason.REFUSED
    assert answer.message.startswith('https://k8s/route answered PATCH with 422 ("" is invalid')
    assert WRONG in answer.message
    assert len(answer.message) < 500
