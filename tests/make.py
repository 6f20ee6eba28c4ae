"""Small values for tests of the core."""

from datetime import UTC, datetime

from bot.commits import reading
from bot.commits.people import Signature
from bot.commits.reading import Written
from bot.ports import Meter
from bot.values import EPOCH, SCHEDULED, Commit, FileChange, FilePatch, FileStatus, Repository, Reservation, Usage

REPOSITORY = Repository("team/app", "team/app", "main", "https://github.com/team/app", private=False)
MOMENT = datetime(2026, 2, 18, 15, 0, tzinfo=UTC)


def change(path="src/app.py", added=10, removed=2, **more) -> FileChange:
    return FileChange(path, added=added, removed=removed, **more)


def commit(
    subject="fix: a fault (#12)",
    *files,
    sha="a" * 40,
    body="",
    author="dev-one",
    login=None,
    inner=(),
    repo="team/app",
    **more,
) -> Commit:
    """A commit as a source reads it; `inner` are merged ones, as messages, as (author, message), or as written."""
    signed = Signature(author, f"{author}@example.com", login)
    merged = [_inner(n, each, author) for n, each in enumerate(inner, 1)]
    named = {"committed": MOMENT, "parents": ("0" * 40, "1" * 40)[: 1 + bool(inner)], "changes": files or (change(),)}
    return reading.commit(
        repo,
        Written(sha, f"{subject}\n\n{body}" if body else subject, signed),
        inner=merged,
        **named | more,
    )


def _inner(number, each, author) -> Written:
    if isinstance(each, Written):
        return each
    name, text = each if isinstance(each, tuple) else (author, each)
    return Written(f"{number:040x}", text, Signature(name, f"{name}@example.com"))


def sha(number: int) -> str:
    """A SHA that differs in its first digits."""
    return f"{number:07x}".ljust(40, "0")


PATCH = FilePatch(
    "src/app.py",
    """@@ -10,4 +10,5 @@ def serve(port):
     token = Token()
-    old_name(token)
+    new_name(token)
+    return start(token, retries=3)
     done()
@@ -40,2 +41,3 @@ class Pool:
     size = 4
+    limit = 8
 # end""",
)
RENAMED = FileStatus.RENAMED


def spend(meter: Meter, usage: Usage, purpose: str, at: datetime, account=SCHEDULED) -> None:
    """A question that was asked and answered, within any limit."""
    wanted = Reservation(account, usage.model, purpose, 0, at)
    meter.charge(meter.reserve(wanted, EPOCH, at, lambda _: None), usage)
