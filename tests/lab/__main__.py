"""`python -m tests.lab build` builds what is missing; `up` runs the lab until it is told to stop."""

import sys
from pathlib import Path

import click

from tests.lab import parts
from tests.lab.children import ChildFailedError


@click.group(help=__doc__)
def main() -> None: ...


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(parts.PARTS)))
def build(names: tuple[str, ...]) -> None:
    """Build what is missing into the cache: what every lab needs, or the parts named."""
    try:
        found = parts.ensure(names or parts.NEEDED)
    except parts.PartUnavailableError as reason:
        sys.exit(str(reason))
    for name, path in found.items():
        print(f"{name:<24} {path}")


@main.command()
@click.option("--dir", "folder", required=True, type=click.Path(path_type=Path))
@click.option("--slots", default=8, show_default=True, help="Pairs of model servers.")
@click.option("--scrape", default="1s", show_default=True, help="Prometheus' scrape interval.")
@click.option("--processes", default=1, show_default=True, help="That serve the models.")
@click.option("--owner", type=int, help="Stop when this process ends.")
def up(folder: Path, slots: int, scrape: str, processes: int, owner: int | None) -> None:
    """Start every part; DIR/lab.json appears when all are healthy."""
    from tests.lab.supervisor import Plan
    from tests.lab.supervisor import up as run

    try:
        run(Plan(folder.resolve(), slots, scrape, processes), owner)
    except (ChildFailedError, parts.PartUnavailableError) as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
