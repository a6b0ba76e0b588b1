"""`python -m ml.serving`: the recommender as a process. Configuration: see README.md."""

import asyncio
import contextlib
import signal
import sys
from typing import Final

from ml.serving.log import open_log
from ml.serving.service import serve
from ml.serving.settings import ConfigError, read_settings

EXIT_CONFIG: Final = 78


def main() -> int:
    """Runs until SIGINT or SIGTERM; returns the exit code."""
    try:
        settings = read_settings()
    except ConfigError as error:
        open_log("info").critical("the configuration is not valid", extra={"problems": error.problems})
        return EXIT_CONFIG
    log = open_log(settings.log_level)

    async def until_told() -> None:
        task = asyncio.create_task(serve(settings, log))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        log.info("stopped")

    code = 0
    try:
        asyncio.run(until_told())
    except* Exception as failed:
        log.critical("the process ends", extra={"problems": [str(each) for each in failed.exceptions]})
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
