"""Periodic calls with APScheduler. It has no schedule of its own: what is due is data in the store."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot.errors import Unavailable

_log = logging.getLogger("digest.clock")


class Clock:
    """Calls functions at fixed intervals, each in its own thread and never concurrently with itself."""

    def __init__(self) -> None:
        # It warns of every tick while the last call still runs, and logs its own start and end.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._stopped = threading.Event()
        self._scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(4)})

    def every(self, seconds: float, work: Callable[[], object], name: str) -> None:
        """Call `work` at once and then every `seconds`; an error is logged, and it is called again next time.

        That a service does not answer is logged once, and again when it does.
        """
        waits: list[str] = []

        def tick() -> None:
            try:
                work()
                if waits:
                    waits.clear()
                    _log.warning("%s continues", name)
            except Unavailable as error:
                if error.key not in waits and not self._stopped.is_set():
                    waits.append(error.key)
                    _log.warning("%s is waiting", name, extra={"fields": {"error": str(error)}})
            except Exception:
                if not self._stopped.is_set():  # the store may be closed by then
                    _log.exception("%s failed", name)

        self._scheduler.add_job(
            tick,
            IntervalTrigger(seconds=seconds, timezone=UTC),
            name=name,
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,  # a late tick still counts: the default drops it after a second
        )

    def start(self) -> None:
        """Start the calls."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop the calls. Running ones are not waited for, and may fail silently."""
        self._stopped.set()
        self._scheduler.shutdown(wait=False)
