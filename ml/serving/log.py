"""Log: JSON lines on standard error, with the same fields as the other processes' (pino). Ids, codes and
counts go in; payload texts and secrets never do."""

import json
import logging
import os
import sys
from typing import Final

_LEVELS: Final = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50, "silent": 100}
_PINO: Final = {5: 10, 10: 20, 20: 30, 30: 40, 40: 50, 50: 60}
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "level": _PINO.get(record.levelno, record.levelno),
            "time": int(record.created * 1000),
            "service": "recommender",
            "pid": os.getpid(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _OWN}
        if record.exc_info:
            line["err"] = self.formatException(record.exc_info)
        return json.dumps(line | {"msg": record.getMessage()}, default=str)


def open_log(level: str) -> logging.Logger:
    """The process's log; what libraries have to say comes in from the level of warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=max(_LEVELS[level], logging.WARNING), force=True)
    log = logging.getLogger("oo")
    log.setLevel(_LEVELS[level])
    return log
