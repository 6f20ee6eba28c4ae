"""Small values for tests of the core."""

from datetime import UTC, datetime

from bot.values import Commit, FileChange, FilePatch, FileStatus, Repository

REPOSITORY = Repository("team/app", "team/app", "main", "https://github.com/team/app", private=False)
MOMENT = datetime(2026, 2, 18, 15, 0, tzinfo=UTC)


def change(path="src/app.py", added=10, removed=2, **more) -> FileChange:
    return FileChange(path, added=added, removed=removed, **more)


def commit(subject="fix: a fault (#12)", *files, sha="a" * 40, body="", **more) -> Commit:
    from bot.values import pull_number

    named = {"repo": "team/app", "author": "dev-one", "login": None, "committed": MOMENT, "parents": ("0" * 40,)}
    named |= {"pull": pull_number(subject), **more}
    return Commit(sha=sha, subject=subject, body=body, files=files or (change(),), **named)


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
