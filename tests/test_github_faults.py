"""What the source `github` makes of everything that can go wrong with a server."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from github import Auth
from github_server import TOKEN, App, Fault, GitHubServer
from repositories import DAY, Builder, History, at

from adapters.sources.github import answers
from adapters.sources.github.client import MAX_WAIT, Answer, Client, Recent, failure, limit, pause
from adapters.sources.github.source import GitHubSource
from adapters.sources.github.waits import Waits
from bot.delivery.ledger import failure_of
from bot.errors import ConfigError, DigestError, Forbidden, NotFound, Unavailable
from bot.texts import Texts
from bot.values import Aside, FilePatch, Look, LookKind

NOW = datetime(2026, 2, 18, 9, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
RESET = str(int(NOW.timestamp()) + 1800)
UNTIL = Aside("2026-02-18 09:31", "UTC")
SPENT = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": RESET}
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
LIMIT = "API rate limit exceeded for user ID 1."


class Watch:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> History:
    build = Builder(tmp_path_factory.mktemp("faults") / "app.git")
    build.commit("root", at(-40), {"a": "1\n"})
    build.commit("one", at(1), {"b": "1\n"}, message="One (#1)")
    build.commit("two", at(2), {"c": "1\n"}, message="Two, pushed")
    build.commit("three", at(3), {"d": "1\n"}, message="Three, pushed")
    return build.finish()


@pytest.fixture
def server(history):
    with GitHubServer({"team/app": history.path}) as server:
        yield server


@pytest.fixture
def read(server, watch) -> GitHubSource:
    return GitHubSource(Client(Auth.Token(TOKEN), server.url, watch.sleep, lambda: watch.now))


@pytest.fixture
def anonymous(server, watch) -> GitHubSource:
    return GitHubSource(Client(None, server.url, watch.sleep, lambda: watch.now))


def error_of(call: Callable[[], object]) -> DigestError:
    """The error of `call`, which must not hold a token anywhere."""
    with pytest.raises(DigestError) as caught:
        call()
    text = f"{caught.value} {caught.value!r} " + "".join(traceback.format_exception(caught.value))
    assert TOKEN not in text
    assert "ghs_" not in text
    return caught.value


def day(source: GitHubSource) -> list[str]:
    """The subjects of the day."""
    return [commit.subject for commit in source.commits("team/app", "", DAY, NEXT_DAY)]


ALL = ["Three, pushed", "Two, pushed", "One (#1)"]


# --- each fault has its error ----------------------------------------------------------------

FAULTS = [
    (Fault(401, "Bad credentials"), ConfigError, "github_token_invalid", []),
    (Fault(403, "Resource not accessible by personal access token"), Forbidden, "github_forbidden", []),
    (Fault(403, "Resource protected by organization SAML enforcement."), Forbidden, "github_forbidden", []),
    (Fault(451, "Repository access blocked"), Forbidden, "github_forbidden", []),
    (Fault(403, LIMIT, SPENT), Unavailable, "github_rate_limited", []),
    (Fault(429, LIMIT, SPENT), Unavailable, "github_rate_limited", []),
    (Fault(403, SECONDARY, {"Retry-After": "3600"}), Unavailable, "github_rate_limited", []),
    (Fault(403, SECONDARY), Unavailable, "github_rate_limited", []),
    (Fault(429, "Too Many Requests"), Unavailable, "github_rate_limited", []),
    (Fault(500, "Server Error"), Unavailable, "github_unavailable", [0.5, 1.0]),
    (Fault(503, "Service unavailable"), Unavailable, "github_unavailable", [0.5, 1.0]),
    (Fault(302, "Found", {"Location": "/elsewhere"}), Unavailable, "github_unavailable", []),
    (Fault(how="drop"), Unavailable, "github_unavailable", [0.5, 1.0]),
    (Fault(how="cut"), Unavailable, "github_unavailable", [0.5, 1.0]),
    (Fault(how="short"), Unavailable, "github_unavailable", [0.5, 1.0]),
    (Fault(200, body={"surprise": True}), Unavailable, "github_unavailable", []),
    (Fault(200, body=["surprise"]), Unavailable, "github_unavailable", []),
]


@pytest.mark.parametrize("expected", FAULTS, ids=lambda expected: f"{expected[0].status}{expected[0].how}")
@pytest.mark.parametrize("request_kind", ["repository", "list", "commit", "graphql"])
def test_a_fault_of_every_request_has_its_error(server, watch, request_kind, expected):
    fault, kind, key, slept = expected
    if request_kind == "graphql" and fault.status == 200:
        fault = Fault(200, body={"data": {"repository": {"surprise": True}}})
    server.fault(request_kind, *[fault] * 20)
    auth = Auth.Token(TOKEN) if request_kind == "graphql" else None
    error = error_of(lambda: day(GitHubSource(Client(auth, server.url, watch.sleep, lambda: watch.now))))
    assert (type(error), error.key) == (kind, key)
    assert request_kind == "commit" or watch.slept == slept


def test_a_refused_connection_is_unavailable(history, watch):
    with GitHubServer({"team/app": history.path}) as server:
        url = server.url
    source = GitHubSource(Client(None, url, watch.sleep, lambda: watch.now))
    assert error_of(lambda: source.repository("team/app")).key == "github_unavailable"
    assert watch.slept == [0.5, 1.0]


def test_a_wrong_token_is_a_wrong_setting(server):
    source = GitHubSource(Client(Auth.Token("ghp_wrong"), server.url))
    for call in (lambda: day(source), lambda: source.repository("team/app"), lambda: source.pull("team/app", 1)):
        error = error_of(call)
        assert (type(error), error.key) == (ConfigError, "github_token_invalid")
        assert "ghp_wrong" not in f"{error} {error!r}"


@pytest.mark.parametrize("fault", [f for f, _, key, _ in FAULTS if key == "github_unavailable" and f.status != 302][:5])
@pytest.mark.parametrize("request_kind", ["graphql", "commit"])
def test_what_fails_once_is_asked_for_again(server, read, watch, request_kind, fault):
    server.fault(request_kind, fault)
    assert day(read) == ALL
    assert watch.slept == [0.5]


# --- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault(403, SECONDARY, {"Retry-After": "7"}), 7),
        (Fault(429, SECONDARY, {"Retry-After": "30"}), 30),
        (Fault(403, LIMIT, {**SPENT, "X-RateLimit-Reset": str(int(NOW.timestamp()) + 5)}), 6),
    ],
)
def test_a_short_limit_is_waited_for(server, read, watch, fault, seconds):
    server.fault("graphql", fault)
    assert day(read) == ALL
    assert watch.slept == [seconds]


def test_a_long_limit_says_when_it_ends_and_nothing_is_asked_before(server, read, watch):
    server.fault("graphql", Fault(403, LIMIT, SPENT))
    for _ in range(3):
        error = error_of(lambda: day(read))
        assert error.fields == {"reset": UNTIL}
    assert server.counts["graphql"] == 1
    assert read.repository("team/app").branch == "main"
    watch.now += timedelta(seconds=1802)
    assert day(read) == ALL


def test_a_limit_of_graphql_comes_with_status_200(server, read):
    body = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    server.fault("graphql", Fault(200, body=body, headers={"X-RateLimit-Reset": RESET}))
    error = error_of(lambda: day(read))
    assert (error.key, error.fields["reset"]) == ("github_rate_limited", UNTIL)


def test_a_limit_ends_at_a_time_in_the_zone_of_who_reads_it(server):
    zone = ZoneInfo("Asia/Shanghai")
    client = Client(Auth.Token(TOKEN), server.url, sleep=lambda _: None, now=lambda: NOW.astimezone(zone))
    server.fault("graphql", Fault(403, LIMIT, SPENT))
    error = error_of(lambda: day(GitHubSource(client)))
    assert "，2026-02-18 17:31（Asia/Shanghai）恢复，" in Texts("zh").error(error)
    assert "until 2026-02-18 17:31 (Asia/Shanghai)." in Texts("en").error(error)
    assert Texts("zh").failure(failure_of(error)) == Texts("zh").error(error)


def test_waiting_ends_after_three_tries(server, read, watch):
    server.fault("graphql", *[Fault(429, SECONDARY, {"Retry-After": "20"})] * 3)
    assert error_of(lambda: day(read)).key == "github_rate_limited"
    assert watch.slept == [20, 20]


@pytest.mark.parametrize("attempt", [0, 1, 2])
@pytest.mark.parametrize("seconds", [0, 1, 29, 30, 31, 3600, 10**9])
def test_no_wait_is_longer_than_its_bound(attempt, seconds):
    waited = pause(Answer(429, {"retry-after": str(seconds)}), attempt, NOW)
    assert waited == (seconds if seconds <= MAX_WAIT and attempt < 2 else None)


def test_success_and_plain_errors_tell_of_no_limit():
    for status in (200, 304, 401, 404, 409, 422, 500):
        assert limit(Answer(status, {"x-ratelimit-remaining": "0"}), NOW) is None
    assert limit(Answer(403, {"x-ratelimit-remaining": "17"}), NOW) is None


def test_only_a_success_is_no_failure():
    missing = NotFound("commit_unknown")
    assert failure(Answer(200), missing, NOW) is None
    assert failure(Answer(422), missing, NOW) is missing
    assert failure(Answer(304), missing, NOW) is not None


# --- what GitHub cannot say of one commit ----------------------------------------------------


def refused(code: str, message: str) -> dict[str, object]:
    """The body with which GitHub says that it cannot make a diff."""
    return {"message": message, "errors": [{"resource": "Commit", "field": "diff", "code": code}]}


SLOW = "Server Error: Sorry, this diff is taking too long to generate."
BUSY = "Server Error: Sorry, this diff is temporarily unavailable due to heavy server load."
NO_DIFF = [
    Fault(500, SLOW),
    Fault(503, BUSY),
    Fault(422, "Sorry, this diff is unavailable."),
    Fault(422, body=refused("not_available", SLOW)),
    Fault(406, "Sorry, the diff exceeded the maximum number of lines (20000)"),
    Fault(406, body=refused("too_large", "Too big.")),
]


@pytest.mark.parametrize("fault", NO_DIFF, ids=lambda fault: f"{fault.status}{fault.message[-12:]}")
def test_a_diff_that_github_cannot_make_costs_the_commit_its_files_not_the_day(server, anonymous, fault):
    tries = 9 if fault.status >= 500 else 3
    server.fault("commit", *[fault] * tries)
    found = anonymous.commits("team/app", "", DAY, NEXT_DAY)
    assert [(commit.subject, commit.files) for commit in found] == [(subject, ()) for subject in ALL]
    assert [file.path for file in anonymous.commit("team/app", found[0].sha).files] == ["d"]
    server.fault("commit", *[fault] * (tries // 3))
    assert anonymous.commit("team/app", found[1].sha[:9]) == found[1]


@pytest.mark.parametrize("fault", NO_DIFF[-3:], ids=lambda fault: f"{fault.status}{fault.message[-12:]}")
def test_a_patch_that_github_cannot_make_is_incomplete_and_the_next_is_read(server, read, fault):
    found = read.commits("team/app", "", DAY, NEXT_DAY)
    unknown = replace(found[2], files=())
    server.fault("commit", fault)
    kept = dict(read.patches("team/app", [unknown, found[0]]))
    assert kept[unknown.sha] == (FilePatch("", "", complete=False),)
    assert [patch.complete for patch in kept[found[0].sha]] == [True]
    server.fault("commit", fault)
    assert [patch for _, patch in read.patches("team/app", found[2:])] == [(FilePatch("b", "", complete=False),)]
    assert [patch.text for _, (patch,) in read.patches("team/app", found[2:])] == ["@@ -0,0 +1 @@\n+1"]


@pytest.mark.parametrize("fault", [Fault(422, "No commit found for SHA: 1234567"), Fault(406, "Not Acceptable")])
def test_another_refusal_is_not_taken_for_a_diff_that_cannot_be_made(server, anonymous, fault):
    server.fault("commit", fault)
    assert error_of(lambda: day(anonymous)).key in {"commit_unknown", "github_unavailable"}


def test_without_details_from_graphql_every_commit_is_asked_for_over_rest(server, read, history):
    data = {"data": {"nodes": [None, None, None]}, "errors": [{"message": "Something went wrong"}]}
    expected = read.commits("team/app", "", DAY, NEXT_DAY)
    server.fault("graphql", Fault(how=""), Fault(200, body=data))
    server.counts.clear()
    assert read.commits("team/app", "", DAY, NEXT_DAY) == expected
    assert server.counts["commit"] == 3


def test_details_that_fail_for_good_are_replaced_by_rest(server, read, watch):
    server.fault("graphql", Fault(how=""), *[Fault(502, "Bad Gateway")] * 3)
    assert day(read) == ALL
    assert watch.slept == [0.5, 1.0]


def test_a_token_that_may_not_see_pull_requests_still_has_its_day(server, read, history):
    nodes = [
        {
            "oid": history.sha(name),
            "message": f"Told by GraphQL: {name}",
            "additions": 1,
            "deletions": 0,
            "changedFilesIfAvailable": 1,
            "author": None,
            "associatedPullRequests": None,
        }
        for name in ("three", "two", "one")
    ]
    errors = [{"type": "FORBIDDEN", "path": ["nodes", 0, "associatedPullRequests"], "message": "Not accessible"}]
    server.fault("graphql", Fault(how=""), Fault(200, body={"data": {"nodes": nodes}, "errors": errors}))
    found = read.commits("team/app", "", DAY, NEXT_DAY)
    assert [commit.subject for commit in found] == [f"Told by GraphQL: {name}" for name in ("three", "two", "one")]
    assert [[file.path for file in commit.files] for commit in found] == [["d"], ["c"], ["b"]]
    assert {commit.author for commit in found} == {"unknown"}


@pytest.mark.parametrize("date", ["+292277026596-12-04T15:30:07Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_a_date_that_no_calendar_has_is_1970(date):
    assert answers.Actor.model_validate({"date": date}).date == answers.EPOCH


@pytest.mark.parametrize(
    ("kind", "key"),
    [("FORBIDDEN", "github_forbidden"), ("NOT_FOUND", "repository_unknown"), ("", "github_unavailable")],
)
def test_a_graphql_answer_without_data_has_the_error_of_its_type(server, read, kind, key):
    body = {"data": {"repository": None}, "errors": [{"type": kind, "message": "no"}]}
    server.fault("graphql", *[Fault(200, body=body)] * 3)
    assert error_of(lambda: day(read)).key == key


def test_the_first_error_of_a_day_ends_it(server, anonymous):
    server.fault("commit", Fault(403, "Resource not accessible by integration"))
    assert error_of(lambda: day(anonymous)).key == "github_forbidden"


# --- looking things up -----------------------------------------------------------------------

LOOKS = (Look(LookKind.WORD, "a"), Look(LookKind.PLACE, path="d", line=1), Look(LookKind.BEFORE, path="c", line=1))


@pytest.fixture
def archived(server, watch, tmp_path) -> GitHubSource:
    return GitHubSource(Client(Auth.Token(TOKEN), server.url, watch.sleep, lambda: watch.now), tmp_path)


@pytest.mark.parametrize("expected", FAULTS, ids=lambda expected: f"{expected[0].status}{expected[0].how}")
@pytest.mark.parametrize("kind", ["tarball", "codeload"])
def test_a_fault_of_an_archive_costs_the_search_alone(server, archived, history, expected, kind):
    commit = archived.commit("team/app", history.sha("three"))
    server.fault(kind, *[expected[0]] * 3)
    word, *places = archived.look("team/app", commit, LOOKS)
    assert word.refused == "cannot be searched here"
    limited = kind == "tarball" and expected[2] == "github_rate_limited"
    assert [place.refused for place in places] == (["could not be read"] * 2 if limited else ["", ""])


def test_an_archive_that_did_not_come_is_asked_for_at_the_next_look(server, archived, history):
    commit = archived.commit("team/app", history.sha("three"))
    server.fault("codeload", Fault(503, "Service unavailable"))
    assert archived.look("team/app", commit, LOOKS)[0].refused
    assert not archived.look("team/app", commit, LOOKS)[0].refused


def test_archives_wait_for_their_own_limit_to_end(server, archived, history, watch):
    commit = archived.commit("team/app", history.sha("three"))
    server.fault("codeload", Fault(429, "Too Many Requests", {"Retry-After": "90"}))
    for _ in range(3):
        assert archived.look("team/app", commit, LOOKS[:1])[0].refused
    assert server.counts["codeload"] == 1
    watch.now += timedelta(seconds=91)
    assert not archived.look("team/app", commit, LOOKS[:1])[0].refused


@pytest.mark.parametrize(
    "where", ["", "/elsewhere", "ftp://127.0.0.1/x", "https://127.0.0.1/x", "http://[::1/x", "//x"]
)
def test_an_archive_s_address_that_is_none_is_not_followed(server, archived, history, where):
    commit = archived.commit("team/app", history.sha("three"))
    server.fault("tarball", *[Fault(302, "Found", {"Location": where} if where else {})] * 3)
    assert archived.look("team/app", commit, LOOKS)[0].refused == "cannot be searched here"


def test_an_archive_that_leads_elsewhere_is_not_followed(server, archived, history):
    commit = archived.commit("team/app", history.sha("three"))
    with GitHubServer({"team/app": history.path}) as other:
        server.fault("codeload", Fault(302, "Found", {"Location": f"{other.url}/x"}))
        assert archived.look("team/app", commit, LOOKS)[0].refused == "cannot be searched here"
        assert not other.counts


@pytest.mark.parametrize("expected", FAULTS, ids=lambda expected: f"{expected[0].status}{expected[0].how}")
def test_a_file_that_does_not_come_is_refused(server, read, history, expected):
    commit = read.commit("team/app", history.sha("three"))
    server.fault("contents", *[expected[0]] * 6)
    refused = {sight.refused for sight in read.look("team/app", commit, LOOKS[1:])}
    assert refused <= {"could not be read", "a folder"}


def test_a_file_whose_content_cannot_be_decoded_is_refused(server, read, history):
    commit = read.commit("team/app", history.sha("three"))
    server.fault("contents", Fault(200, body={"type": "file", "encoding": "base64", "content": "a"}))
    assert read.look("team/app", commit, LOOKS[1:2])[0].refused == "could not be read"


def test_an_unknown_repository_s_looks_raise_and_hold_no_secret(read, history):
    commit = read.commit("team/app", history.sha("three"))
    assert error_of(lambda: read.look("team/none", commit, LOOKS)).key == "repository_unknown"


# --- redirects -------------------------------------------------------------------------------


def test_a_redirect_to_another_host_is_not_followed(server, read, history):
    with GitHubServer({"team/app": history.path}) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost") + "/repos/team/app"
        server.fault("repository", Fault(301, "Moved Permanently", {"Location": elsewhere}))
        error = error_of(lambda: read.repository("team/app"))
        assert (type(error), error.key, error.fields) == (ConfigError, "github_url_wrong", {"url": server.url})
        assert not other.counts


def test_a_redirect_to_another_port_stays_on_this_one(server, read, history):
    with GitHubServer({"team/app": history.path}) as other:
        server.fault("repository", Fault(301, "Moved", {"Location": other.url + "/repositories/1000"}))
        assert read.repository("team/app").name == "team/app"
        assert not other.counts
        assert server.counts["repository"] == 2


# --- an App ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys() -> tuple[str, bytes]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    form = serialization.Encoding.PEM
    private = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.decode(), key.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(("app_id", "installation"), [("4712", 99), ("4711", 98)])
def test_an_app_that_github_refuses_is_a_wrong_setting(history, keys, watch, app_id, installation):
    with GitHubServer({"team/app": history.path}, app=App("4711", keys[1], 99)) as server:
        auth = Auth.AppAuth(app_id, keys[0]).get_installation_auth(installation)
        source = GitHubSource(Client(auth, server.url, watch.sleep, lambda: watch.now))
        error = error_of(lambda: day(source))
        assert (type(error), error.key) == (ConfigError, "github_app_refused")
    assert server.counts == {"token": 1}


@pytest.mark.parametrize("fault", [Fault(502, "Bad Gateway"), Fault(how="drop"), Fault(how="cut"), Fault(how="drip")])
def test_an_app_s_token_that_does_not_come_is_asked_for_again(history, keys, watch, fault):
    with GitHubServer({"team/app": history.path}, token="", app=App("4711", keys[1], 99)) as server:
        auth = Auth.AppAuth("4711", keys[0]).get_installation_auth(99)
        source = GitHubSource(Client(auth, server.url, watch.sleep, lambda: watch.now, Waits(whole=1)))
        server.fault("token", fault)
        assert day(source) == ALL
        assert watch.slept == [0.5]
        assert server.counts["token"] == 2


# --- what is kept ----------------------------------------------------------------------------


def test_what_was_used_longest_ago_makes_room():
    kept: Recent[str, int] = Recent(100)
    kept.keep("a", 1, 40)
    kept.keep("b", 2, 40)
    assert kept.get("a") == 1
    kept.keep("c", 3, 40)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)


def test_what_is_larger_than_all_room_is_not_kept_and_what_is_replaced_counts_once():
    kept: Recent[str, int] = Recent(100)
    kept.keep("a", 1, 90)
    kept.keep("a", 2, 90)
    assert kept.get("a") == 2
    kept.keep("big", 3, 101)
    assert (kept.get("big"), kept.get("a")) == (None, 2)
    kept.keep("a", 4, 101)
    assert kept.get("a") is None
