"""Work shared by several processes: a `bot.ports.Queue` on Procrastinate, in the store's database.

Procrastinate (https://procrastinate.readthedocs.io, 3.10) gives each task to one process, by priority and under its
lock, stores when to retry it, and recognises dead processes by their heartbeats. Beyond that:

    added once            one statement adds the tasks whose keys are neither waiting nor running
    ended by its owner    a process that was suspended must not end a task that another has taken over since
    no LISTEN             it is polled every second, so that a pooler in transaction mode may sit in between
    new registration      after any trouble with the server a crew registers again: tasks the old one was given but
                          never received count as stalled then, and are taken over; so are those after a failover
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, LiteralString

import procrastinate
from procrastinate import exceptions, jobs
from procrastinate.manager import JobManager
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker
from psycopg import OperationalError, errors
from psycopg.types.json import Jsonb

from adapters.postgres import Connection, Server
from bot.errors import DigestError
from bot.ports import Again, Crew, Queue, Task, Work

_PLAN = "plan"
_AGAIN = 1.0
"""Seconds until a crew starts again."""
_PAUSE, _LONGEST = 5, 1_800
"""Seconds until a failed task is retried: doubled each time, up to the longest."""
_REMEMBERED = 24
"""Hours for which finished tasks are remembered."""
_CONNECTIONS = 4

_ADD: LiteralString = """
    SELECT procrastinate_defer_jobs_v1(array_agg(
        ROW(task->>'lane', task->>'step', (task->>'priority')::int, nullif(task->>'lock', ''), task->>'key',
            task->'arguments', NULL)::procrastinate_job_to_defer_v1 ORDER BY n))
    FROM jsonb_array_elements(%s) WITH ORDINALITY AS added (task, n)
    WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = task->>'key')
"""
_WAITING: LiteralString = (
    "SELECT queueing_lock, status = 'todo' AND coalesce(scheduled_at > now(), false) FROM procrastinate_jobs "
    "WHERE queueing_lock IS NOT NULL AND status IN ('todo', 'doing')"
)
_HASTEN: LiteralString = (
    "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE queueing_lock = ANY(%s) AND status = 'todo'"
)
_COUNTS: LiteralString = (
    "SELECT task_name, CASE WHEN status = 'doing' THEN 'working' WHEN scheduled_at > now() THEN 'put off' "
    "ELSE 'waiting' END, count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing') GROUP BY 1, 2"
)
_OWN: LiteralString = (
    "FROM (SELECT id FROM procrastinate_jobs WHERE id = %(job_id)s AND status = 'doing' "
    "AND worker_id IS NOT DISTINCT FROM %(worker_id)s FOR UPDATE) AS own"
)
_FINISH: LiteralString = f"SELECT procrastinate_finish_job_v1(id, %(status)s, %(delete_job)s) {_OWN}"  # constants
_RETRY: LiteralString = f"SELECT procrastinate_retry_job_v2(id, %(retry_at)s, NULL, NULL, %(lock)s) {_OWN}"

_GIVEN: LiteralString = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %(worker_id)s"

_log = logging.getLogger("digest.queue")


class _AgainError(Exception):
    """A task is to be repeated."""

    def __init__(self, again: Again) -> None:
        self.again = again


class _Retry(BaseRetryStrategy):
    """Decides when a task is retried."""

    def get_retry_decision(self, *, exception: BaseException, job: jobs.Job) -> RetryDecision:
        if isinstance(exception, _AgainError):
            return RetryDecision(retry_at=exception.again.at, lock=exception.again.lock or None)
        return RetryDecision(retry_in={"seconds": min(_PAUSE * 2 ** min(job.attempts, 20), _LONGEST)})


class _Connector(procrastinate.PsycopgConnector):
    """Procrastinate's connections, which report whether the server answers."""

    def __init__(self, report: Callable[[bool], None], **pool: Any) -> None:
        super().__init__(**pool)
        self._report = report

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        try:
            yield
        except exceptions.UniqueViolation:
            raise
        except exceptions.ConnectorException:
            self._report(False)
            raise
        self._report(True)

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        async with self._watched():
            await super().execute_query_async(query, **arguments)

    async def execute_query_one_async(self, query: LiteralString, **arguments: Any) -> dict[str, Any]:
        async with self._watched():
            found: dict[str, Any] = await super().execute_query_one_async(query, **arguments)
        return found

    async def execute_query_all_async(self, query: LiteralString, **arguments: Any) -> list[dict[str, Any]]:
        async with self._watched():
            found: list[dict[str, Any]] = await super().execute_query_all_async(query, **arguments)
        return found


class _Manager(JobManager):
    """Procrastinate's manager, which ends or postpones only tasks that still belong to its worker."""

    def __init__(self, connector: _Connector) -> None:
        super().__init__(connector)
        self._own: set[int] = set()

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> jobs.Job | None:
        job = await super().fetch_job(queues, worker_id)
        self._own |= {job.id} if job and job.id else set()
        return job

    async def strangers(self, worker_id: int) -> frozenset[int]:
        """The tasks that a worker is running according to the server, but not to our knowledge."""
        rows = await self.connector.execute_query_all_async(_GIVEN, worker_id=worker_id)
        return frozenset(row["id"] for row in rows) - self._own

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:
        own = {"job_id": job.id, "worker_id": job.worker_id}
        await self.connector.execute_query_async(_FINISH, status=status.value, delete_job=delete_job, **own)
        self._own.discard(job.id or 0)

    async def retry_job(
        self,
        job: jobs.Job,
        retry_at: datetime | None = None,
        priority: int | None = None,  # noqa: ARG002  # as the engine calls it
        queue: str | None = None,  # noqa: ARG002
        lock: str | None = None,
    ) -> None:
        own = {"job_id": job.id, "worker_id": job.worker_id}
        await self.connector.execute_query_async(_RETRY, retry_at=retry_at, lock=lock, **own)
        self._own.discard(job.id or 0)


class ProcrastinateQueue(Queue):
    """A `bot.ports.Queue`. If a process is silent for `lease`, its tasks return to the queue."""

    def __init__(self, server: Server, lease: timedelta) -> None:
        for name in ("procrastinate", "psycopg.pool"):  # we log it ourselves, without arguments and addresses
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._server = server
        self._lease = lease.total_seconds()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()
        self._troubles: dict[str, asyncio.Event] = {}
        self._workers: list[Worker] = []
        self._waits = False

    # --- What waits ---

    def add(self, tasks: Sequence[Task]) -> None:
        rows = [
            {
                "step": task.step,
                "key": task.key,
                "lane": task.lane,
                "lock": task.lock,
                "priority": task.priority,
                "arguments": dict(task.arguments),
            }
            for task in tasks
        ]
        if rows:
            self._server.write(lambda db: _added(db, rows))

    def hasten(self, keys: Collection[str]) -> None:
        self._server.write(lambda db: db.execute(_HASTEN, (list(keys),)))

    def waiting(self) -> Mapping[str, bool]:
        return dict(self._server.read(lambda db: db.execute(_WAITING).fetchall()))

    def counts(self) -> Mapping[tuple[str, str], int]:
        found = self._server.read(lambda db: db.execute(_COUNTS).fetchall())
        return {(step, state): number for step, state, number in found}

    # --- Working ---

    def work(self, steps: Mapping[str, Work], crews: Sequence[Crew], every: Mapping[str, int]) -> None:
        if crews:
            main = self._main(dict(steps), crews, every)
            self._thread = threading.Thread(target=asyncio.run, args=(main,), name="queue", daemon=True)
            self._thread.start()

    def halt(self) -> None:
        if self._loop and not self._loop.is_closed():
            with suppress(RuntimeError):  # it has just been closed
                self._loop.call_soon_threadsafe(self._ended.set)

    def stop(self, seconds: float) -> None:
        self.halt()
        if self._thread:
            self._thread.join(seconds)
        numbers = [worker.worker_id for worker in self._workers if worker.worker_id]
        if numbers:
            with suppress(DigestError):  # then other processes notice their silence
                self._server.write(
                    lambda db: db.execute("DELETE FROM procrastinate_workers WHERE id = ANY(%s)", (numbers,))
                )

    async def _main(self, steps: Mapping[str, Work], crews: Sequence[Crew], every: Mapping[str, int]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_unheard)
        self._loop.set_default_executor(ThreadPoolExecutor(sum(crew.number for crew in crews) + 2, "task"))
        connector = _Connector(
            self._report,
            kwargs=self._server.options,
            min_size=0,
            max_size=_CONNECTIONS,
            timeout=5,
            reconnect_timeout=5,
        )
        manager = _Manager(connector)
        planning, working = (self._app(manager, steps, named) for named in (every, {}))
        await self._opened(connector)
        try:
            await asyncio.gather(*(self._keep(c, planning if c.name == _PLAN else working) for c in crews))
        finally:
            with suppress(exceptions.ConnectorException):
                await connector.close_async()

    async def _opened(self, connector: _Connector) -> None:
        """Open the connections, once the server answers."""
        opened = False
        while not (opened or self._ended.is_set()):
            try:
                await connector.open_async()
                opened = True
            except (OperationalError, exceptions.ConnectorException):
                self._report(False)
                await asyncio.sleep(_AGAIN)

    def _app(self, manager: _Manager, steps: Mapping[str, Work], every: Mapping[str, int]) -> procrastinate.App:
        app = procrastinate.App(connector=manager.connector)
        app.job_manager = manager
        for name, work in steps.items():
            periodic = name in every
            task = app.task(name=name, queue=_PLAN, retry=_Retry())(_done(name, work, periodic))
            if periodic:
                app.periodic(cron=_cron(every[name]), queueing_lock=name, lock=name)(task)
        if every:
            self._add_own(app)
        return app

    def _add_own(self, app: procrastinate.App) -> None:
        """Add the tasks that maintain the queue itself."""

        async def rescue(timestamp: int) -> None:  # noqa: ARG001  # as the engine calls it
            for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=self._lease):
                try:
                    await app.job_manager.retry_job(job)
                except exceptions.UniqueViolation:  # the same task waits already
                    await app.job_manager.finish_job(job, jobs.Status.FAILED, delete_job=True)
                _log.warning("taken over", extra={"fields": {"step": job.task_name, "task": job.id}})

        async def tidy(timestamp: int) -> None:  # noqa: ARG001
            await app.job_manager.delete_old_jobs(_REMEMBERED, None, True, True, True)

        for work, seconds in ((rescue, max(1, int(self._lease / 3))), (tidy, 3_600)):
            task = app.task(name=work.__name__, queue=_PLAN)(work)
            app.periodic(cron=_cron(seconds), queueing_lock=work.__name__)(task)

    async def _keep(self, crew: Crew, app: procrastinate.App) -> None:
        """Let a crew work until the end, registering again after any trouble."""
        runs: set[asyncio.Task[None]] = set()
        while not self._ended.is_set():
            trouble = self._troubles[crew.name] = asyncio.Event()
            worker = self._worker(crew, app)
            self._workers = [known for known in self._workers if known.worker_id] + [worker]
            run = asyncio.create_task(self._run(worker))
            runs.add(run)
            waited = [run, *(asyncio.create_task(each.wait()) for each in (trouble, self._ended))]
            waited.append(asyncio.create_task(self._watch(worker)))
            lanes = asyncio.create_task(_kept_up(crew, worker))
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for each in (lanes, *waited[1:]):
                each.cancel()
            worker.stop()  # type: ignore[no-untyped-call]  # its running tasks end while the next one starts
            runs = {each for each in runs if not each.done()}
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _AGAIN)
        if runs:
            await asyncio.wait(runs)

    async def _watch(self, worker: Worker) -> None:
        """Return once the server says twice that a worker is running a task that it is not."""
        manager, before = worker.app.job_manager, frozenset[int]()
        assert isinstance(manager, _Manager)
        while True:
            await asyncio.sleep(self._lease)
            found = await manager.strangers(worker.worker_id) if worker.worker_id else frozenset()
            if found & before:
                return
            before = found

    async def _run(self, worker: Worker) -> None:
        try:
            await worker.run()  # type: ignore[no-untyped-call]
        except exceptions.ConnectorException:
            self._report(False)
        except Exception:
            _log.exception("the queue failed")

    def _worker(self, crew: Crew, app: procrastinate.App) -> Worker:
        return Worker(
            app,
            queues=list(crew.lanes()),
            name=crew.name,
            concurrency=crew.number,
            fetch_job_polling_interval=crew.pause,
            abort_job_polling_interval=self._lease,
            listen_notify=False,
            delete_jobs=jobs.DeleteJobCondition.NEVER if crew.remembered else jobs.DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=self._lease / 3,
            stalled_worker_timeout=self._lease,
        )

    def _report(self, answers: bool) -> None:
        """Log once that the server does not answer, and when it does again."""
        if not answers:
            for trouble in self._troubles.values():
                trouble.set()
        if self._waits is answers and not self._ended.is_set():
            self._waits = not answers
            _log.warning("the queue continues" if answers else "the queue is waiting for the database")


def _unheard(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignore errors of tasks that nothing waits for; trouble with the server was logged already."""
    if not isinstance(error := context.get("exception"), exceptions.ConnectorException):
        _log.error("the queue failed: %s", context.get("message"), exc_info=error)


async def _kept_up(crew: Crew, worker: Worker) -> None:
    """Set the lanes from which a crew takes tasks."""
    queues = worker.queues
    assert isinstance(queues, list)
    while True:
        await asyncio.sleep(crew.pause)
        queues[:] = crew.lanes()


def _done(name: str, work: Work, periodic: bool) -> Callable[..., None]:
    """A task as the engine calls it; a periodic one gets the time it was due, and repeats automatically."""

    def do(timestamp: int = 0, **arguments: Any) -> None:  # noqa: ARG001
        try:
            again = work(**arguments)
        except Exception as error:
            if isinstance(error, DigestError):
                _log.warning("a task waits", extra={"fields": {"step": name, "error": str(error)}})
            else:
                _log.exception("a task failed", extra={"fields": {"step": name}})
            if periodic:
                return
            raise
        if again:
            raise _AgainError(again)

    return do


def _cron(seconds: int) -> str:
    """A cron expression for an interval of `seconds`, in whole minutes from a minute on, of an hour at most."""
    if seconds < 60:
        return f"* * * * * */{seconds}"
    return f"*/{seconds // 60} * * * *" if seconds < 3_600 else "0 * * * *"


def _added(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        with db.transaction():
            db.execute(_ADD, (Jsonb(rows),))
    except errors.UniqueViolation:  # another process just added one of them
        for row in rows if len(rows) > 1 else ():
            _added(db, [row])
