"""How things are named in a spec (objects, keys, labels, metrics, addresses), and how long a sentence may be."""

from typing import Annotated

from pydantic import Field

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
KeyName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Label = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
ADDRESS_PATTERN = r"^https?://[^\s?#]+$"
MetricName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
PrometheusName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
]
PrometheusLabel = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")
]
MatcherValue = Annotated[str, Field(min_length=1, max_length=253)]
Message = Annotated[str, Field(max_length=1024)]
"""A sentence of the status."""
