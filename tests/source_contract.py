"""What every source of commits has to do alike. A subclass gives the fixture `served`; the git repository is the same.

    class TestGit(SourceContract):
        @pytest.fixture(scope="class")
        @classmethod
        def served(cls, tmp_path_factory): return Served(source, repo, history, empty, missing, released, releases,
            looked, looks)

`history` is `repositories.contract_history(path)`, `releases` is `repositories.releases_history(path)` and `looks` is
`looks_history(path)`; a server for tests reads those repositories with git.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from repositories import (
    BINARY,
    DAY,
    FIRST_RELEASES,
    HOSTILE,
    RELEASES,
    Builder,
    History,
    at,
    git,
    lines,
    link,
    submodule,
)

from bot.commits import lookup
from bot.errors import NotFound, UsageError
from bot.ports import CommitSource
from bot.values import (
    Commit,
    FileChange,
    FileStatus,
    InnerCommit,
    Landing,
    Look,
    LookKind,
    Release,
    Sight,
    Twin,
    Window,
)

NEXT_DAY = DAY + timedelta(days=1)
OF_THE_DAY = ["mention", "several", "binary", "remove", "rename", "merge", "squash", "start"]


@dataclasses.dataclass(frozen=True)
class Served:
    """A source, and the names by which it knows the contract's repository, an empty one, none, one of releases, and
    one of things to look up.
    """

    source: CommitSource
    repo: str
    history: History
    empty: str
    missing: str
    released: str
    releases: History
    looked: str
    looks: History

    def look(self, name: str, *looks: Look) -> tuple[Sight, ...]:
        """What looks find at the commit `name` of the repository of things to look up."""
        return self.source.look(self.looked, self.source.commit(self.looked, self.looks.sha(name)), looks)

    def word(self, word: str, name: str = "change") -> Sight:
        """Where a word is used."""
        return self.look(name, Look(LookKind.WORD, word))[0]

    def place(self, path: str, line: int = 0, word: str = "", name: str = "change") -> Sight:
        """A place in a file."""
        return self.look(name, Look(LookKind.PLACE, word, path, line))[0]

    def before(self, path: str, line: int = 0, word: str = "", name: str = "change") -> Sight:
        """A place in a file at the first parent."""
        return self.look(name, Look(LookKind.BEFORE, word, path, line))[0]

    def firsts(self, names: list[str]) -> dict[str, str]:
        """The first releases of commits of the repository with releases, by the builder's names."""
        found = self.source.first_releases(self.released, [self.releases.sha(name) for name in names])
        by_sha = {sha: name for name, sha in self.releases.shas.items()}
        return {by_sha[sha]: release.name for sha, release in found.items() if release}

    def between(self, newer: str, older: str, branch: str | None = None) -> tuple[list[str], int, bool]:
        """What a release has that another one has not, by the builder's names; and of that what a branch has not."""
        by_name = {release.name: release for release in self.source.releases(self.released)}
        found = self.source.contents(self.released, by_name[newer], by_name.get(older), branch)
        by_sha = {sha: name for name, sha in self.releases.shas.items()}
        return [by_sha[sha] for sha in found.shas], found.aside, found.whole

    def landed(self, old: str, branch: str = "", now: datetime = NEXT_DAY + timedelta(hours=9)) -> Landing:
        """What landed on a branch since its tip was `old` by the builder's name, up to the end of the day."""
        tip = self.history.sha(old) if old else ""
        return self.source.landed(self.repo, branch, tip, Window(DAY, NEXT_DAY, now))

    def commit(self, name: str) -> Commit:
        """The commit that the builder calls `name`."""
        return self.source.commit(self.repo, self.history.sha(name))

    def patch(self, name: str) -> dict[str, str]:
        """The text of each complete file patch of the commit `name`."""
        ((sha, files),) = self.source.patches(self.repo, [self.commit(name)])
        assert sha == self.history.sha(name)
        assert all(file.complete for file in files)
        return {file.path: file.text for file in files}


USERS = """import os
from src.names import load_user

# load_user is kept for a minute


def load_user(name):
    return os.environ[name]
"""
SERVER = """from src.users import (
    load_user,
)


class Server:
    limit = 3

    def start(self, port):
        # load_user is slow
        user = load_user(port)
        return user

    def stop(self):
        self.limit = 0
        return reload_users(a.b*c, a_bxc, "--flag")
"""


def looks_history(path: Path) -> History:
    """A repository of things to look up: `root`, `change`, which renames, removes and edits, `side`, and `merge`."""
    build = Builder(path)
    many = {f"many/f{n:03}.txt": "everywhere and nearly_everywhere\n" for n in range(lookup.COMMON)}
    root = {
        **many,
        "many/last.txt": "everywhere\n",
        "src/users.py": USERS,
        "src/server.py": SERVER,
        "src/gone.py": "def gone():\n    return load_user('gone')\n",
        "src/long.py": "class Long:\n" + lines(1, 30, "    a") + "    def inner(self):\n" + lines(1, 100, "        b"),
        "src/-O": "odd_name = 1\n",
        "src/empty.py": "",
        "tests/test_users.py": "assert load_user('x')\n",
        "docs/guide.md": "Call load_user.\n",
        "docs/größe ü.md": "Die Größe: 用load_user函数\n",
        "web/app.js": "load_user('web')\n",
        "yarn.lock": "load_user load_user\n",
        "assets/logo.bin": BINARY + b" load_user ",
        "data/huge.txt": "load_user of a huge file\n" * 50_000,
        "data/wide.txt": "wide_word " + "x" * 5_000 + "\n",
        "link": link("src"),
        "vendored": submodule("1" * 40),
    }
    build.commit("root", at(0), root)
    moved = {"src/users.py": None, "src/accounts.py": USERS.replace("os.environ", "os.sys")}
    build.commit("change", at(1), {**moved, "src/gone.py": None, "src/server.py": SERVER.replace("= 3", "= 4")})
    build.commit("side", at(2), {"src/side.py": "side_only = 1\n"}, branch="side", parents=["root"])
    build.commit("merge", at(3), {"src/side.py": "side_only = 1\n"}, parents=["change", "side"])
    return build.finish()


def shown(sight: Sight) -> list[str]:
    """The paths of which a sight shows something, each once, after it was checked for its limits."""
    assert all(len(line) <= lookup.LINE_LENGTH for excerpt in sight.excerpts for line in excerpt.lines)
    assert len(sight.excerpts) <= lookup.EXCERPTS
    return list(dict.fromkeys(excerpt.path for excerpt in sight.excerpts))


def by_path(commit: Commit) -> dict[str, FileChange]:
    """The files of a commit by path."""
    assert len({file.path for file in commit.files}) == len(commit.files)
    return {file.path: file for file in commit.files}


class SourceContract:
    """Tests for any CommitSource; nothing here knows how the source is reached."""

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls) -> Served:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def day(cls, served: Served) -> tuple[Commit, ...]:
        return served.source.commits(served.repo, "", DAY, NEXT_DAY)

    # --- the period ---

    def test_the_period_includes_its_start_and_excludes_its_end_newest_first(self, served, day):
        assert [commit.sha for commit in day] == [served.history.sha(name) for name in OF_THE_DAY]

    def test_the_same_period_asked_for_in_another_zone_gives_the_same(self, served, day):
        from zoneinfo import ZoneInfo

        zone = ZoneInfo("Asia/Shanghai")
        assert served.source.commits(served.repo, "", DAY.astimezone(zone), NEXT_DAY.astimezone(zone)) == day

    def test_a_later_period_excludes_the_earlier_commits(self, served):
        found = served.source.commits(served.repo, "main", at(15), at(16))
        assert [commit.sha for commit in found] == [served.history.sha("several")]

    def test_a_period_without_commits_has_none(self, served):
        assert served.source.commits(served.repo, "", at(3), at(4)) == ()

    def test_a_period_before_the_first_commit_has_none(self, served):
        assert served.source.commits(served.repo, "", DAY - timedelta(days=90), DAY - timedelta(days=89)) == ()

    def test_naming_the_default_branch_changes_nothing(self, served, day):
        assert served.source.commits(served.repo, "main", DAY, NEXT_DAY) == day

    def test_another_branch_has_its_own_commits(self, served):
        found = served.source.commits(served.repo, "release/1.0", DAY, NEXT_DAY)
        assert [commit.sha for commit in found] == [served.history.sha(n) for n in ("release", "squash", "start")]

    def test_what_came_later_touches_a_file_that_the_commit_wrote(self, served, day):
        known = dict(zip(OF_THE_DAY, day, strict=True))
        for branch in ("", "main"):
            assert served.source.later(served.repo, branch, known["start"], NEXT_DAY) == (known["rename"],)
            assert served.source.later(served.repo, branch, known["rename"], NEXT_DAY) == (known["mention"],)
        assert served.source.later(served.repo, "release/1.0", known["start"], NEXT_DAY) == ()
        assert served.source.later(served.repo, "", known["remove"], NEXT_DAY) == (), "it wrote no line"

    def test_what_came_later_ends_with_a_time(self, served, day):
        start = day[-1]
        assert served.source.later(served.repo, "", start, at(12)) == (day[OF_THE_DAY.index("rename")],)
        assert served.source.later(served.repo, "", start, at(12) - timedelta(seconds=1)) == ()

    def test_what_touches_a_file_or_a_folder_comes_newest_first(self, served, day):
        known = dict(zip(OF_THE_DAY, day, strict=True))
        path = known["rename"].files[0].path
        found = served.source.touching(served.repo, "", [path], 10)
        assert found == (known["mention"], known["rename"])
        assert served.source.touching(served.repo, "main", [path], 1) == found[:1]
        assert served.source.touching(served.repo, "", ["no/such/file", ""], 10) == ()
        assert served.source.touching(served.repo, "", [], 10) == ()

    def test_a_commit_of_the_period_is_the_same_asked_for_alone(self, served, day):
        assert [served.source.commit(served.repo, commit.sha) for commit in day] == list(day)

    # --- beyond what was told ---

    @pytest.mark.parametrize("old", ["start", "squash", "rename", "inner-two"])
    def test_what_landed_is_what_the_old_tip_cannot_reach_up_to_the_period_s_end(self, served, day, old):
        """`inner-two` is on no first-parent line, and reaches the first of the day alone."""
        landed = served.landed(old)
        beyond = OF_THE_DAY[: OF_THE_DAY.index({"inner-two": "start"}.get(old, old))]
        assert [commit.sha for commit in landed.commits] == [served.history.sha(name) for name in beyond]
        assert landed.commits == tuple(commit for commit in day if commit in landed.commits)
        assert landed.tip == served.history.sha("mention")
        assert (landed.gone, landed.dated, landed.lost) == ((), False, False)

    def test_what_is_dated_after_now_waits_for_nothing_and_what_comes_between_does(self, served):
        assert [c.sha for c in served.landed("mention").commits] == []
        assert served.landed("mention").tip == served.history.sha("mention")
        ahead = served.landed("mention", now=NEXT_DAY - timedelta(minutes=1))
        assert [c.sha for c in ahead.commits] == [served.history.sha("last")] == [ahead.tip]

    def test_a_branch_that_left_its_old_tip_names_what_it_has_no_more(self, served, day):
        landed = served.landed("release")
        assert [c.sha for c in landed.gone] == [served.history.sha("release")]
        assert landed.commits == day[: OF_THE_DAY.index("squash")]
        assert [c.sha for c in landed.waiting] == [served.history.sha("last")]
        assert (landed.missing, landed.returned) == (1, {})

    def test_a_branch_that_was_taken_back_has_nothing_new(self, served):
        landed = served.landed("release", branch="v1-line")
        assert (landed.commits, landed.waiting, landed.tip) == ((), (), served.history.sha("squash"))
        assert [c.sha for c in landed.gone] == [served.history.sha("release")]

    @pytest.mark.parametrize("tip", [None, "1" * 40])
    def test_without_an_old_tip_dates_decide(self, served, day, tip):
        landed = served.source.landed(served.repo, "", tip, Window(DAY, NEXT_DAY, NEXT_DAY + timedelta(hours=9)))
        assert (landed.commits, landed.tip, landed.lost) == (day, served.history.sha("mention"), tip is not None)

    def test_of_more_than_is_read_dates_decide(self, served, day, monkeypatch):
        monkeypatch.setattr("bot.commits.line.MOST", 1)
        monkeypatch.setattr("adapters.sources.git.source.PAGE", 2)
        monkeypatch.setattr("bot.commits.line.PAGES", 1)
        landed = served.source.landed(served.repo, "", "", Window(DAY, NEXT_DAY, NEXT_DAY + timedelta(hours=9)))
        assert (landed.commits, landed.tip, landed.dated) == (day, served.history.sha("mention"), True)

    def test_where_there_was_nothing_all_of_it_landed(self, served):
        assert served.landed("", branch="release/1.0").commits[-1].sha == served.history.sha("root")
        window = Window(DAY, NEXT_DAY, NEXT_DAY)
        assert {served.source.landed(served.empty, "", tip, window).tip for tip in (None, "")} == {""}

    # --- fields ---

    def test_a_commit_has_its_message_author_and_time(self, served):
        commit = served.commit("squash")
        assert commit.subject == "Add the cache (#12)"
        assert commit.body == "Why it matters.\n\nSecond paragraph."
        assert commit.committed == datetime(2026, 2, 16, 9, tzinfo=UTC)
        assert commit.committed.utcoffset() == timedelta(0)
        assert commit.parents == (served.history.sha("start"),)
        assert commit.repo == served.source.repository(served.repo).name

    def test_an_author_with_a_noreply_address_has_a_login(self, served):
        assert (served.commit("squash").author, served.commit("squash").login) == ("dev-two", "dev-two")

    def test_an_author_with_another_address_keeps_the_name(self, served):
        assert served.commit("start").author == "dev-one"

    def test_an_author_goes_by_the_name_that_the_mailmap_tells(self, served, day):
        assert served.commit("rename").author == "dev-three"
        assert [p.name for p in served.commit("rename").reading.people] == ["dev-three"]
        assert day[OF_THE_DAY.index("rename")].author == "dev-three"

    def test_a_merge_is_by_those_who_wrote_what_it_merged(self, served):
        read = served.commit("merge").reading
        assert ([p.name for p in read.people], read.merger) == (["dev-one", "dev-two"], "")
        assert (read.subject, read.branch) == ("Faster start", "team/topic")

    def test_the_pull_number_comes_from_the_subject_only(self, served):
        numbers = {name: served.commit(name).pull for name in ("squash", "merge", "mention", "start")}
        assert numbers == {"squash": 12, "merge": 15, "mention": None, "start": None}

    def test_a_hostile_message_is_kept_as_it_is(self, served):
        assert served.commit("several").subject == HOSTILE

    def test_a_message_of_one_line_has_no_body(self, served):
        assert served.commit("rename").body == ""

    def test_a_merge_lists_the_commits_it_brought_in_oldest_first(self, served):
        merge = served.commit("merge")
        assert merge.parents == (served.history.sha("squash"), served.history.sha("inner-two"))
        assert merge.inner == (
            InnerCommit(served.history.sha("inner-one"), "Try", "dev-one"),
            InnerCommit(served.history.sha("inner-two"), "Better", "dev-two"),
        )

    def test_other_commits_bring_in_none(self, day):
        assert [commit.subject for commit in day if commit.inner] == ["Merge pull request #15 from team/topic"]

    # --- files ---

    def test_the_first_commit_adds_every_file(self, served):
        files = by_path(served.commit("root"))
        assert {path: (f.status, f.added, f.removed) for path, f in files.items()} == {
            "README.md": (FileStatus.ADDED, 1, 0),
            "docs/old.md": (FileStatus.ADDED, 3, 0),
            "src/app.py": (FileStatus.ADDED, 40, 0),
        }

    def test_a_rename_keeps_its_former_path_and_counts_only_its_edits(self, served):
        moved = FileChange("src/main.py", FileStatus.RENAMED, added=1, removed=0, previous="src/app.py")
        assert served.commit("rename").files == (moved,)

    def test_a_removed_file_counts_its_lines(self, served):
        assert served.commit("remove").files == (FileChange("docs/old.md", FileStatus.REMOVED, removed=3),)

    def test_a_binary_file_has_no_counts(self, served):
        assert served.commit("binary").files == (FileChange("assets/logo.bin", FileStatus.MODIFIED, binary=True),)

    def test_several_files_of_a_commit_each_have_their_status_and_counts(self, served):
        assert by_path(served.commit("several")) == {
            "README.md": FileChange("README.md", FileStatus.MODIFIED, 1, 1),
            "docs/new.md": FileChange("docs/new.md", FileStatus.ADDED, 4, 0),
            "src/fast.py": FileChange("src/fast.py", FileStatus.MODIFIED, 1, 1),
        }

    def test_a_merge_has_the_files_it_changed_against_its_first_parent(self, served):
        assert served.commit("merge").files == (FileChange("src/fast.py", FileStatus.ADDED, 1, 0),)

    def test_the_sums_of_a_commit_are_those_of_its_files(self, served):
        assert (served.commit("several").added, served.commit("several").removed) == (6, 2)

    # --- one commit ---

    @pytest.mark.parametrize("digits", [7, 10, 39, 40])
    def test_a_commit_is_found_by_the_start_of_its_sha(self, served, digits):
        sha = served.history.sha("squash")
        assert served.source.commit(served.repo, sha[:digits]).sha == sha

    def test_a_sha_in_capitals_is_the_same(self, served):
        sha = served.history.sha("squash")
        assert served.source.commit(served.repo, sha[:10].upper()).sha == sha

    def test_an_unknown_sha_is_not_found(self, served):
        with pytest.raises(NotFound) as caught:
            served.source.commit(served.repo, "0123456789abcdef")
        assert caught.value.key == "commit_unknown"

    def test_the_start_of_two_shas_is_ambiguous(self, served):
        one, two = served.history.sha("twin-one"), served.history.sha("twin-two")
        assert one[:4] == two[:4]
        with pytest.raises(UsageError) as caught:
            served.source.commit(served.repo, one[:4])
        assert caught.value.key == "sha_ambiguous"

    def test_the_name_of_a_branch_is_no_sha(self, served):
        with pytest.raises((NotFound, UsageError)):
            served.source.commit(served.repo, "main")

    # --- one pull request ---

    @pytest.mark.parametrize(("number", "name"), [(12, "squash"), (15, "merge")])
    def test_a_pull_request_is_the_commit_with_which_it_landed(self, served, number, name):
        assert served.source.pull(served.repo, number) == served.commit(name)

    @pytest.mark.parametrize("number", [1, 5, 121])
    def test_an_unknown_pull_request_is_not_found(self, served, number):
        with pytest.raises(NotFound) as caught:
            served.source.pull(served.repo, number)
        assert caught.value.key == "pull_unknown"

    # --- patches ---

    def test_patches_come_in_the_order_asked_for(self, served, day):
        asked = [day[i] for i in (3, 0, 5, 1)]
        assert [sha for sha, _ in served.source.patches(served.repo, asked)] == [commit.sha for commit in asked]

    def test_every_commit_of_a_day_has_a_patch_for_each_of_its_files(self, served, day):
        for commit, (sha, files) in zip(day, served.source.patches(served.repo, day), strict=True):
            assert sha == commit.sha
            assert sorted(f.path for f in files) == sorted(f.path for f in commit.files)

    def test_a_patch_is_git_s_own_from_the_first_hunk_on(self, served):
        sha, parent = served.history.sha("mention"), served.history.sha("several")
        whole = git(served.history.path, "diff", parent, sha)
        assert served.patch("mention") == {"src/main.py": whole[whole.index("@@") :]}
        assert served.patch("mention")["src/main.py"].count("\n@@ ") == 1

    def test_a_patch_of_several_files_has_the_text_of_each(self, served):
        assert served.patch("several") == {
            "README.md": "@@ -1,3 +1,3 @@\n # Example\n \n-Old.\n+New.",
            "docs/new.md": "@@ -0,0 +1,4 @@\n+line 1\n+line 2\n+line 3\n+line 4",
            "src/fast.py": "@@ -1 +1 @@\n-fast = 2\n+fast = 3\n\\ No newline at end of file",
        }

    def test_a_renamed_file_s_patch_stands_under_its_new_path(self, served):
        patch = served.patch("rename")["src/main.py"]
        assert patch.startswith("@@ -38,3 +38,4 @@")
        assert patch.endswith("+line 41")

    def test_a_binary_file_s_patch_is_empty(self, served):
        assert served.patch("binary") == {"assets/logo.bin": ""}

    def test_a_merge_s_patch_is_against_its_first_parent(self, served):
        assert served.patch("merge") == {"src/fast.py": "@@ -0,0 +1 @@\n+fast = 2"}

    def test_a_first_commit_s_patch_adds_everything(self, served):
        assert served.patch("root")["README.md"] == "@@ -0,0 +1 @@\n+# Example"

    def test_of_some_files_alone_only_commits_that_change_one_have_a_patch(self, served):
        asked = [served.commit(name) for name in ("several", "remove", "mention")]
        whole = [{f.path: f.text for f in files} for _, files in served.source.patches(served.repo, asked)]
        paths = {"README.md", "src/main.py", "no/such.file", "-x", "*.md"}
        some = [
            (sha, {f.path: f.text for f in files}) for sha, files in served.source.patches(served.repo, asked, paths)
        ]
        wanted = [{path: text for path, text in files.items() if path in paths} for files in whole]
        assert [sorted(files) for files in wanted] == [["README.md"], [], ["src/main.py"]]
        assert some == [(commit.sha, files) for commit, files in zip(asked, wanted, strict=True) if files]

    def test_no_commits_have_no_patches(self, served):
        assert list(served.source.patches(served.repo, [])) == []

    def test_patches_of_a_commit_that_is_not_there_are_not_found(self, served, day):
        gone = dataclasses.replace(day[0], sha="0123456789abcdef0123456789abcdef01234567")
        with pytest.raises(NotFound) as caught:
            list(served.source.patches(served.repo, [gone]))
        assert caught.value.key == "commit_unknown"

    # --- releases ---

    def test_releases_come_oldest_first_with_their_commits_and_times(self, served):
        assert served.source.releases(served.released) == tuple(
            Release(name, served.releases.sha(commit), at(hour)) for name, (commit, hour) in RELEASES.items()
        )

    def test_each_commit_has_the_first_release_that_holds_it_or_none(self, served):
        assert served.firsts(list(served.releases.shas)) == FIRST_RELEASES

    @pytest.mark.parametrize("name", ["root", "two", "fix", "five", "six", "seven", "beside"])
    def test_a_commit_asked_for_alone_has_the_same_first_release(self, served, name):
        assert served.firsts([name]) == {n: release for n, release in FIRST_RELEASES.items() if n == name}

    @pytest.mark.parametrize(
        "odd", ["0123456789abcdef0123456789abcdef01234567", "", "-x", "main", "v1.0.0", "\x00", "é"]
    )
    def test_what_is_no_commit_is_in_no_release_and_costs_the_others_nothing(self, served, odd):
        one = served.releases.sha("one")
        found = served.source.first_releases(served.released, [odd, one, one[:12], one])
        assert {sha: release and release.name for sha, release in found.items()} == {one: "v1.0.0"}

    def test_a_commit_that_no_release_has_is_in_none_and_one_that_nobody_knows_is_absent(self, served):
        seven, beside = served.releases.sha("seven"), served.releases.sha("beside")
        assert served.source.first_releases(served.released, [seven, beside, "0" * 40]) == {seven: None, beside: None}

    def test_releases_since_some_time_are_those_made_from_then_on(self, served):
        found = served.source.releases(served.released, at(-40))
        assert [release.name for release in found] == ["v1.3.0", "v1.0.1"]

    def test_a_release_has_what_the_one_before_it_has_not(self, served):
        assert served.between("v1.1.0", "v1.0.0") == (["four", "three", "two"], 0, True)
        assert served.between("v1.1.0", "v1.0.1") == (["four", "three", "two"], 0, True)  # another branch left there
        assert served.between("v1.0.0", "") == (["one", "root"], 0, True)
        assert served.between("v1.0.0", "v1.0.0") == ([], 0, True)

    def test_what_only_its_own_branch_has_of_a_release_is_told_apart(self, served):
        assert served.between("v1.0.1", "v1.0.0", "main") == (["fix"], 1, True)
        assert served.between("v1.0.1", "v1.0.0", "maintenance") == (["fix"], 0, True)
        assert served.between("v1.1.0", "v1.0.0", "") == (["four", "three", "two"], 0, True)
        assert served.between("v1.0.1", "", "main") == (["fix", "one", "root"], 1, True)

    def test_commits_are_read_by_their_shas_as_each_alone(self, served):
        shas = [served.releases.sha(name) for name in ("four", "three", "two")]
        found = served.source.read(served.released, shas)
        assert found == tuple(served.source.commit(served.released, sha) for sha in shas)
        assert served.source.read(served.released, []) == ()
        with pytest.raises(NotFound) as caught:
            served.source.read(served.released, ["0123456789abcdef0123456789abcdef01234567"])
        assert caught.value.key == "commit_unknown"

    def test_a_commit_s_twins_are_those_of_other_branches_with_the_same_patch(self, served):
        """There is `ported`, which is `four` on the branch of a release, and there `another` that is only as large."""
        four, ported = (served.source.commit(served.released, served.releases.sha(n)) for n in ("four", "ported"))
        assert served.source.twins(served.released, four) == (Twin(ported.sha, "release/1.1"),)
        assert served.source.twins(served.released, ported) == (Twin(four.sha, "main"),)
        for name in ("three", "another", "root"):
            commit = served.source.commit(served.released, served.releases.sha(name))
            assert served.source.twins(served.released, commit) == ()

    def test_no_commits_have_no_releases(self, served):
        assert served.source.first_releases(served.released, []) == {}

    def test_a_repository_without_tags_or_commits_has_no_releases(self, served):
        assert served.source.releases(served.empty) == ()
        assert served.source.first_releases(served.empty, [served.releases.sha("one")]) == {}

    def test_an_unknown_repository_s_releases_are_not_found(self, served):
        with pytest.raises(NotFound):
            served.source.releases(served.missing)
        with pytest.raises(NotFound):
            served.source.first_releases(served.missing, [served.releases.sha("one")])

    # --- looking things up ---

    def test_a_word_is_found_in_every_file_and_shown_where_it_tells_most(self, served):
        sight = served.word("load_user")
        assert (sight.hits, sight.files, sight.refused) == (12, 7, "")
        assert shown(sight) == [
            "src/accounts.py",
            "src/server.py",
            "web/app.js",
            "tests/test_users.py",
            "docs/größe ü.md",
            "docs/guide.md",
        ]
        first, second = sight.excerpts[:2]
        assert (first.start, first.lines[3], len(first.lines)) == (4, "def load_user(name):", 5)
        assert second.lines[3] == "        user = load_user(port)"
        assert {excerpt.sha for excerpt in sight.excerpts} == {served.looks.sha("change")}

    def test_what_nobody_uses_is_a_finding(self, served):
        assert served.word("load_users") == Sight(Look(LookKind.WORD, "load_users"))
        assert served.word("Load_user").hits == 0

    def test_a_word_is_looked_for_at_the_commit_itself(self, served):
        assert [served.word("gone", name).hits for name in ("root", "change")] == [2, 0]
        assert [served.word("side_only", name).hits for name in ("root", "change", "side", "merge")] == [0, 0, 1, 1]

    def test_a_word_that_too_many_files_use_is_refused_and_hides_no_other(self, served):
        asked = [Look(LookKind.WORD, word) for word in ("everywhere", "nearly_everywhere", "odd_name")]
        common, nearly, odd = served.look("change", *asked)
        assert common.refused.startswith("too common")
        assert (common.hits, common.excerpts) == (0, ())
        assert (nearly.hits, nearly.files, nearly.refused) == (lookup.COMMON, lookup.COMMON, "")
        assert len(nearly.excerpts) == lookup.EXCERPTS
        assert (odd.hits, shown(odd)) == (1, ["src/-O"])

    @pytest.mark.parametrize(
        ("word", "hits"),
        [
            ("a.b*c", 1),
            ("a.bxc", 0),
            ("--flag", 1),
            ("flag", 1),
            ("load_user(port)", 1),
            ("self.limit", 1),
            (".limit", 1),
            ("limit", 2),
            ("Größe", 1),
            (" side_only ", 0),
            ("-O", 0),
            ("--open-files-in-pager=touch", 0),
            (":(glob)**", 0),
            ("../users", 0),
            ("use.*", 0),
            ("[a-z]+", 0),
            (r"\w+", 0),
            ("(x", 0),
        ],
    )
    def test_a_word_is_whole_and_literal_whatever_it_looks_like(self, served, word, hits):
        sight = served.word(word)
        assert (sight.hits, sight.refused) == (hits, "")

    @pytest.mark.parametrize("word", ["", " ", "\n", "*", "::", "a\nb", "a\0b", "x" * 500, "a\udc80"])
    def test_what_is_no_word_is_refused_and_costs_the_others_nothing(self, served, word):
        odd, other = served.look("change", Look(LookKind.WORD, word), Look(LookKind.WORD, "odd_name"))
        assert odd.refused
        assert (other.hits, other.refused) == (1, "")

    def test_a_long_line_is_cut(self, served):
        (excerpt,) = served.word("wide_word").excerpts
        assert len(excerpt.lines[0]) == lookup.LINE_LENGTH

    def test_a_place_begins_at_the_definition_around_it(self, served):
        (server,) = served.place("src/server.py", 11).excerpts
        assert (server.start, server.lines[0], server.lines[-1]) == (
            9,
            "    def start(self, port):",
            '        return reload_users(a.b*c, a_bxc, "--flag")',
        )
        (inner,) = served.place("src/long.py", 50).excerpts
        assert (inner.start, inner.lines[0], len(inner.lines)) == (32, "    def inner(self):", 101)
        (deep,) = served.place("src/long.py", 130).excerpts
        assert deep.start <= 130 < deep.start + len(deep.lines)

    def test_a_place_without_a_line_is_the_top_or_where_its_word_stands(self, served):
        assert served.place("src/server.py").excerpts[0].start == 1
        sight = served.place("src/accounts.py", word="load_user")
        assert (sight.hits, sight.excerpts[0].lines[0]) == (3, "def load_user(name):")
        nowhere = served.place("src/server.py", word="nowhere")
        assert (nowhere.hits, nowhere.excerpts, nowhere.refused) == (0, (), "")

    def test_what_was_before_is_the_first_parent_s(self, served):
        before, now = served.before("src/server.py", 7), served.place("src/server.py", 7)
        assert "    limit = 3" in before.excerpts[0].lines
        assert "    limit = 4" in now.excerpts[0].lines
        assert (before.excerpts[0].sha, now.excerpts[0].sha) == (served.looks.sha("root"), served.looks.sha("change"))
        assert served.before("src/side.py", name="merge").refused == "no such path"
        assert served.place("src/side.py", name="merge").excerpts[0].lines == ("side_only = 1",)

    def test_a_removed_file_and_a_renamed_one_are_found_before(self, served):
        assert served.place("src/gone.py").refused == "no such path"
        assert served.before("src/gone.py").excerpts[0].lines[0] == "def gone():"
        for path in ("src/accounts.py", "src/users.py"):
            (excerpt,) = served.before(path, word="os.environ").excerpts
            assert (excerpt.path, excerpt.sha) == ("src/users.py", served.looks.sha("root"))

    def test_nothing_was_before_a_first_commit(self, served):
        assert "first commit" in served.before("src/server.py", name="root").refused

    @pytest.mark.parametrize(
        "path",
        [
            "src/none.py",
            "none/at/all",
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "src/../src/server.py",
            "src//server.py",
            "./src/server.py",
            "-O",
            "--help",
            "src/*.py",
            ":(glob)src/*.py",
            ":/src/server.py",
            ":!src",
            "src/server.py\0",
            "src/server.py\nx",
            "src/server.py/",
            "SRC/SERVER.PY",
            "src/\udc80",
            "x" * 5_000,
            "%2e%2e/x",
            "src/server.py?ref=main",
            "src/server.py#1",
        ],
    )
    def test_an_unknown_path_is_refused_whatever_it_looks_like(self, served, path):
        odd, before, other = served.look(
            "change",
            Look(LookKind.PLACE, path=path),
            Look(LookKind.BEFORE, path=path, line=3),
            Look(LookKind.PLACE, path="src/-O"),
        )
        assert (odd.refused, odd.excerpts) == ("no such path", ())
        assert before.refused == "no such path"
        assert other.excerpts[0].lines == ("odd_name = 1",)

    @pytest.mark.parametrize("path", ["assets/logo.bin", "data/huge.txt", "src/empty.py", "src", "link", "vendored"])
    def test_what_cannot_be_shown_says_why(self, served, path):
        sight = served.place(path)
        assert sight.refused
        assert sight.refused != "no such path"
        assert sight.excerpts == ()

    def test_a_line_that_a_file_has_not_is_refused(self, served):
        assert served.place("src/-O", 2).refused == "the file has 1 lines"
        assert served.place("src/-O", -1).excerpts[0].start == 1

    def test_a_path_may_have_any_letters(self, served):
        assert served.place("docs/größe ü.md").excerpts[0].lines == ("Die Größe: 用load_user函数",)

    def test_twenty_looks_are_answered_in_order_and_no_more(self, served):
        asked = [Look(LookKind.PLACE, path="src/server.py", line=n % 15 + 1) for n in range(25)]
        sights = served.look("change", *asked)
        assert [sight.look for sight in sights] == asked
        assert [bool(sight.refused) for sight in sights] == [False] * 20 + [True] * 5

    def test_an_answer_has_room_which_is_shared_by_need(self, served):
        large = [
            Look(kind, path="src/long.py", line=n) for n in (33, 60, 90) for kind in LookKind if kind != "word"
        ] * 3
        sights = served.look(
            "change", Look(LookKind.WORD, "odd_name"), Look(LookKind.WORD, "nearly_everywhere"), *large
        )
        every = [excerpt for sight in sights for excerpt in sight.excerpts]
        assert sum(len(line) for excerpt in every for line in excerpt.lines) <= lookup.ROOM
        assert len(sights[0].excerpts) == 1
        assert all(sight.excerpts for sight in sights)

    def test_nothing_looked_up_is_nothing_found(self, served):
        assert served.look("change") == ()

    def test_an_unknown_repository_cannot_be_looked_into(self, served, day):
        with pytest.raises(NotFound):
            served.source.look(served.missing, day[0], [Look(LookKind.WORD, "word")])

    # --- what is not there ---

    def test_an_unknown_branch_is_not_found_and_known_ones_are_named(self, served):
        with pytest.raises(NotFound) as caught:
            served.source.commits(served.repo, "mian", DAY, NEXT_DAY)
        assert caught.value.key == "branch_unknown"
        assert caught.value.fields["branch"] == "mian"
        assert "main" in caught.value.fields["known"]

    def test_an_empty_repository_has_no_commits(self, served):
        assert served.source.commits(served.empty, "", DAY, NEXT_DAY) == ()

    def test_the_first_of_some_paths_that_is_a_file_is_read_at_the_tip(self, served):
        read = served.source.text
        assert read(served.repo, "", ("docs/none", "README.md", ".mailmap")) == "# Example\n\nTomorrow.\n"
        assert read(served.repo, "release/1.0", ("src/release.py",)) == "release = 1\n"
        for paths in (("docs/none",), ("src",), ()):
            assert read(served.repo, "main", paths) is None
        assert read(served.empty, "", ("README.md",)) is None
        with pytest.raises(NotFound):
            read(served.missing, "", ("README.md",))

    def test_an_empty_repository_has_no_commit_to_look_up(self, served):
        with pytest.raises(NotFound):
            served.source.commit(served.empty, served.history.sha("root"))
        with pytest.raises(NotFound):
            served.source.pull(served.empty, 12)

    @pytest.mark.parametrize("call", ["repository", "commits", "commit", "pull", "patches"])
    def test_an_unknown_repository_is_not_found(self, served, day, call):
        source, repo = served.source, served.missing
        calls = {
            "repository": lambda: source.repository(repo),
            "commits": lambda: source.commits(repo, "", DAY, NEXT_DAY),
            "commit": lambda: source.commit(repo, served.history.sha("root")),
            "pull": lambda: source.pull(repo, 12),
            "patches": lambda: list(source.patches(repo, day[:1])),
        }
        with pytest.raises(NotFound):
            calls[call]()

    def test_a_repository_says_its_default_branch(self, served):
        assert served.source.repository(served.repo).branch == "main"
