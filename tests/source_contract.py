"""What every source of commits has to do alike. A subclass gives the fixture `served`; the git repository is the same.

    class TestGit(SourceContract):
        @pytest.fixture(scope="class")
        @classmethod
        def served(cls, tmp_path_factory): return Served(source, repo, history, empty, missing, released, releases)

`history` is `repositories.contract_history(path)` and `releases` is `repositories.releases_history(path)`; a server for
tests reads those repositories with git.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from repositories import DAY, FIRST_RELEASES, HOSTILE, RELEASES, History, at, git

from bot.errors import NotFound, UsageError
from bot.ports import CommitSource
from bot.values import Commit, FileChange, FileStatus, InnerCommit, Release

NEXT_DAY = DAY + timedelta(days=1)
OF_THE_DAY = ["mention", "several", "binary", "remove", "rename", "merge", "squash", "start"]


@dataclasses.dataclass(frozen=True)
class Served:
    """A source, and the names by which it knows the contract's repository, an empty one, none, and one of releases."""

    source: CommitSource
    repo: str
    history: History
    empty: str
    missing: str
    released: str
    releases: History

    def firsts(self, names: list[str]) -> dict[str, str]:
        """The first releases of commits of the repository with releases, by the builder's names."""
        found = self.source.first_releases(self.released, [self.releases.sha(name) for name in names])
        by_sha = {sha: name for name, sha in self.releases.shas.items()}
        return {by_sha[sha]: release.name for sha, release in found.items()}

    def commit(self, name: str) -> Commit:
        """The commit that the builder calls `name`."""
        return self.source.commit(self.repo, self.history.sha(name))

    def patch(self, name: str) -> dict[str, str]:
        """The text of each complete file patch of the commit `name`."""
        ((sha, files),) = self.source.patches(self.repo, [self.commit(name)])
        assert sha == self.history.sha(name)
        assert all(file.complete for file in files)
        return {file.path: file.text for file in files}


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

    def test_a_commit_of_the_period_is_the_same_asked_for_alone(self, served, day):
        assert [served.source.commit(served.repo, commit.sha) for commit in day] == list(day)

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
        assert {sha: release.name for sha, release in found.items()} == {one: "v1.0.0"}

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

    # --- what is not there ---

    def test_an_unknown_branch_is_not_found_and_known_ones_are_named(self, served):
        with pytest.raises(NotFound) as caught:
            served.source.commits(served.repo, "mian", DAY, NEXT_DAY)
        assert caught.value.key == "branch_unknown"
        assert caught.value.fields["branch"] == "mian"
        assert "main" in str(caught.value.fields["known"]).split(", ")

    def test_an_empty_repository_has_no_commits(self, served):
        assert served.source.commits(served.empty, "", DAY, NEXT_DAY) == ()

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
