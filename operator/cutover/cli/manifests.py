"""YAML documents with the lines that their fields are on, read as Kubernetes reads them."""

import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True)
class Document:
    """One document of a file."""

    number: int
    """Counted from 1."""
    value: Any
    lines: dict[str, int] = field(default_factory=dict)
    """Field path to line, counted from 1."""
    doubled: tuple[str, ...] = ()
    """Paths of fields that are written twice."""

    def line(self, path: str) -> int:
        """Return the line of a field, or of the nearest thing around it that is written."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


class ManifestError(ValueError):
    """The text is no YAML."""

    def __init__(self, message: str, document: int, line: int) -> None:
        super().__init__(message)
        self.document = document
        self.line = line


class _Loader(yaml.SafeLoader):
    """To Kubernetes a date is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_documents(text: str) -> Iterator[Document]:
    """Read one after the other; empty ones are left out but counted."""
    loader = _Loader(text)
    number = 0
    try:
        while loader.check_node():
            node, number = loader.get_node(), number + 1
            if node is None:
                continue
            value = _as_json(loader.construct_document(node), number, node)
            places = _Places()
            places.note(node, "")
            yield Document(number, value, places.lines, tuple(places.doubled))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(filter(None, (error.context, error.problem)))
        line = mark.line + 1 if mark else 1
        raise ManifestError(f"this is no YAML: {said}", number + 1, line) from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise ManifestError(f"this is no YAML: {said}", number + 1, 1) from error
    finally:
        loader.dispose()


def _as_json(value: Any, number: int, node: yaml.Node) -> Any:
    """Take what JSON can say, for that is what is sent: every key is a string."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        line = node.start_mark.line + 1
        raise ManifestError(f"this cannot be sent as JSON: {error}", number, line) from error


class _Places:
    """Where the fields of one document are written."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.doubled: list[str] = []
        self._noted: set[int] = set()

    def note(self, node: yaml.Node, path: str) -> None:
        """Note the node and all below it, an aliased one only where it is first met."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._noted:
            return
        self._noted.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, each in enumerate(node.value):
                self.note(each, f"{path}[{index}]")
        elif isinstance(node, yaml.MappingNode):
            self._note_fields(node, path)

    def _note_fields(self, node: yaml.MappingNode, path: str) -> None:
        written: set[Hashable] = set()
        for key, each in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            self.lines[below] = key.start_mark.line + 1
            if key.value in written:
                self.doubled.append(below)
            written.add(key.value)
            self.note(each, below)
