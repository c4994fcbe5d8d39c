"""Run the operator: ``python -m cutover``.

All state is in the rollouts' status, so this process may end at any moment and in any way. It ends

- with 0 when it was asked to (SIGTERM, SIGINT): within ten seconds, the Lease released;
- with 1 when the Lease is lost or the watch has ended: the next start begins afresh;
- with 2 when a setting is unusable, with 3 when the MigrationRollout kind is not installed.
"""

import asyncio
import gc
import os
import signal
import sys

from cutover.errors import ConfigurationError
from cutover.logs import start_logging
from cutover.settings import read_settings


def main() -> None:
    """Understand the settings, then bring everything in; a wrong flag need not wait for it."""
    try:
        settings = read_settings(sys.argv[1:], os.environ)
    except ConfigurationError as fault:
        sys.stderr.write(f"cutover: {fault}\n")
        sys.exit(2)
    start_logging(settings.log_level, settings.log_format)
    # As process 1 of a container nothing ends us by default, and the imports take their time.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

    from cutover.process import live
    from cutover.wiring import build

    # What was imported stays for good. Searched for garbage again and again, its 120,000 objects would hold up
    # guards by a tenth of a second of processor time each time, most often soon after the start.
    gc.collect()
    gc.freeze()
    # Looks wait for answers by the dozen, and what they hold meanwhile is no garbage: searched for it each 700
    # objects, as is Python's habit, a look of the guards costs a tenth more.
    gc.set_threshold(10_000, 10, 10)
    asyncio.run(live(settings, build))


if __name__ == "__main__":
    main()
