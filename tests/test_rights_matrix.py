"""Who sees what, all of it run: two workspaces, three channels, a guest, a public and a private repository.

The real Bolt application over HTTP, several workspaces through OAuth, GitHub over HTTP; every command, button, form,
file, search, the Home and the morning's digest. What somebody sees is everything that the servers were told meanwhile.
With each right one who has it and one who nearly has are tried, under STRESS everybody.
"""

import json
import os
import time as real_time
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from github_server import GitHubServer
from repositories import Builder, lines
from slack_server import BOT, SlackServer, Time, signed
from test_github_source import source
from test_slack_people import NEW, filled
from test_slack_ways import SECRET as SIGNING
from test_slack_ways import Listening, call, install, installed

from adapters.chats.slack import inbound
from adapters.chats.slack.chat import SlackChat
from adapters.chats.slack.transports import Http
from bot.addresses import is_hosted
from bot.rights import Rights, granted
from bot.values import Place, Subscription

DAY = datetime(2026, 2, 18, tzinfo=UTC)
OPEN, SECRET = "open/app", "acme/secret"
OPEN_WORD, SECRET_WORD = "plainview", "classified"
"""What stands in the commits of one repository and nowhere else."""
GUEST, MEMBER, OTHER = "U8", "U1", "U2"


def _history(path, word):
    build = Builder(path)
    build.commit("root", DAY - timedelta(days=3), {"README.md": "# App\n"})
    files = {f"src/{word}.py": lines(1, 60, word)}
    build.commit("one", DAY + timedelta(hours=1), files, message=f"feat(api)!: {word} engine (#7)")
    build.commit("two", DAY + timedelta(hours=2), {"docs/a.md": word}, message=f"docs: {word} page (#8)")
    return build.finish()


class Scene(Listening):
    """A bot in two workspaces, and somebody who tries every way to see something."""

    def __init__(self, folder, clock, server, workspaces, github):
        super().__init__(folder, clock, server, workspaces)
        time = server._clock
        self.http = Http(SIGNING, "127.0.0.1", 0)
        self.chat = SlackChat(workspaces, self.http, clock=time, sleep=time.sleep, now=time)
        self.thread._args = (self.world.host(self.chat),)
        self.thread._target = self.chat.listen
        hosted = source(github)
        self.world.repositories.source_of = lambda repo: hosted if is_hosted(repo) else self.world.source

    def post(self, payload):
        """What Slack sends: an event as JSON, anything else in a form."""
        if payload.get("type") == "event_callback":
            raw, kind = json.dumps(payload).encode(), "application/json"
        else:
            fields = payload if "command" in payload else {"payload": json.dumps(payload)}
            raw, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind} | signed(raw, SIGNING, real_time.time())
        status, _, said = call(f"{self.url}/slack/events", raw, headers)
        assert status == 200
        self.idle()
        return said

    def told(self, act):
        """All that was said, shown or shared while somebody did something."""
        self.server._clock.now += 60
        before = Counter(self._everything())
        said, until = act(), real_time.monotonic() + 30
        while (
            not (new := Counter(self._everything()) - before) and not said
        ):  # an event is acknowledged before it is taken
            assert real_time.monotonic() < until
            real_time.sleep(0.01)
        self.idle()
        return json.dumps([said, [*(Counter(self._everything()) - before)]], ensure_ascii=False) if new or said else ""

    def _everything(self):
        server = self.server
        written = [m for channel in server.channels.values() for m in channel.messages if m.get("user") == BOT]
        shown = [*server.responses, *(m for each in server.ephemeral.values() for m in each), *server.files]
        return [repr(each) for each in (*written, *shown, *server.views.values(), *server.homes.values())]


class Person:
    """Somebody in a channel, with every way to ask."""

    def __init__(self, scene, team, channel, user):
        self.scene, self.server = scene, scene.server
        self.team, self.channel, self.user = team, channel, user

    def slash(self, text):
        return self.scene.post(self.server.slash(text, channel=self.channel, user=self.user, team=self.team))

    def mention(self, text):
        return self.scene.post(self.server.mention(text, channel=self.channel, user=self.user))

    def press(self, command):
        """A button that an earlier answer had, or that somebody forged."""
        button = {"type": "button", "action_id": "digest:list:0", "value": command, "text": {"type": "plain_text"}}
        return self.scene.post(self.server.click(self.channel, {}, button, user=self.user, ephemeral=True))

    def shortcut(self, repo):
        message = {"ts": "5.000001", "text": f"<https://github.com/{repo}/pull/7>"}
        return self.scene.post(self.server.shortcut(self.channel, message, inbound.EXPLAIN, user=self.user))

    def home(self, repo):
        event = self.server.event("app_home_opened", self.team, user=self.user, tab="home")
        return self.scene.post(event)

    def subscribe_form(self, repo):
        """The form, opened and filled in."""
        self.server.views.clear()
        self.slash("subscribe")
        (name,) = self.server.views
        sent = self.server.submit(name, filled(**(NEW | {"repo": repo})), user=self.user)
        sent["team"]["id"] = self.team
        return self.scene.post(sent)

    def kept(self):
        place = Place("slack", f"{self.team}/{self.channel}")
        return [s for s in self.scene.world.store.subscriptions() if s.place == place]


def _line(text):
    return lambda person, repo: person.slash(text.format(repo))


NAMED = {
    "digest": _line("2026-02-18 {}"),
    "latest": _line("latest {}"),
    "days": _line("2026-02-17 2026-02-18 {}"),
    "report": _line("report 2026-02-18 {}"),
    "commit": _line("{}#7"),
    "by address": _line("https://github.com/{}/pull/7"),
    "explain": _line("explain https://github.com/{}/pull/7"),
    "shortcut": lambda person, repo: person.shortcut(repo),
    "button: report": lambda person, repo: person.press(f"report 2026-02-18 {repo}"),
    "button: which": lambda person, repo: person.press(f"{repo}#7"),
}
"""Ways that name a repository, and tell of its commits."""
IN_PUBLIC = {
    "for everybody": _line("2026-02-18 {} post"),
    "mention": lambda person, repo: person.mention(f"2026-02-18 {repo}"),
    "mention of what is followed": lambda person, _: person.mention("2026-02-18"),
}
"""Ways whose answer everybody in the channel reads, guests too."""
SETTINGS = {
    "list it": _line("list {}"),
    "settings form": _line("settings {}"),
    "button: settings": lambda person, repo: person.press(f"settings {repo}"),
}
"""Ways that name a repository, and tell how it is followed."""
UNNAMED = {
    "last": _line(""),
    "day": _line("2026-02-18"),
    "search": _line("search engine"),
    "number": _line("#7"),
    "reports": _line("report 2026-02-18"),
    "list": _line("list"),
    "status": _line("status"),
    "home": lambda person, repo: person.home(repo),
    "not followed": _line("unsubscribe some/thing"),
}
"""Ways that name none: what is followed here."""


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    return {name: _history(folder / word, word) for name, word in ((OPEN, OPEN_WORD), (SECRET, SECRET_WORD))}


@pytest.fixture
def scene(tmp_path, clock, histories):
    repos = {name: history.path for name, history in histories.items()}
    with GitHubServer(repos, private=(SECRET,)) as github, SlackServer(Time(), channels=("C1", "C2")) as server:
        server.users[GUEST] = {"tz": "UTC", "is_restricted": True}
        server.channels["C1"].members.add(GUEST)
        server.users[OTHER] = {"tz": "UTC"}
        server.channels["C2"].shared, server.channels["C2"].members = True, {BOT, OTHER}
        server.add_workspace("T2", "xoxb-second", ("C7",))
        with Scene(tmp_path, clock, server, installed(tmp_path, server), github) as made:
            for team in ("T1", "T2"):
                install(made, server, team)
            for place in ("T1/C1", "T1/C2", "T2/C7"):
                for repo in (OPEN, SECRET):  # as an earlier version let them
                    made.world.store.subscribe(
                        Subscription(Place("slack", place), repo, "0 9 * * *", "UTC", "en", created=DAY)
                    )
            yield made
        assert (server.unknown, server.violations, server.impatient) == ([], [], [])


PEOPLE = {
    "a member": ("T1", "C1", MEMBER),
    "a guest": ("T1", "C1", GUEST),
    "in a shared channel": ("T1", "C2", OTHER),
    "in another workspace": ("T2", "C7", MEMBER),
}
RIGHTS = {
    "": set(),
    "T1=acme/*": {"a member"},
    "T1/C1=acme/*": {"a member", "a guest"},
    "T1/C2=acme/secret": {"in a shared channel"},
    "T2=acme/*": {"in another workspace"},
    "T1=other/*": set(),
}
"""Who sees the private repository by each right; everybody sees the public one."""
TRIED = {
    "": {"a member"},
    "T1=acme/*": {"a member", "a guest"},
    "T1/C1=acme/*": {"a guest"},
    "T1/C2=acme/secret": {"in a shared channel", "a member"},
    "T2=acme/*": {"in another workspace"},
    "T1=other/*": {"a member"},
}
"""Who is tried with each right in a test run; `make stress` tries everybody with each."""
CASES = [(r, name) for r in RIGHTS for name in PEOPLE if os.environ.get("STRESS") or name in TRIED[r]]


@pytest.mark.parametrize(("right", "name"), CASES)
def test_who_sees_what_by_every_way(scene, right, name):
    scene.world.repositories.rights = Rights((), granted(right), inherits=False)
    for repo in (OPEN, SECRET):  # all of it is kept already
        scene.world.ask(f"2026-02-18 {repo}")
    person, sees = Person(scene, *PEOPLE[name]), name in RIGHTS[right]
    for way, act in NAMED.items():
        assert OPEN_WORD in scene.told(lambda act=act: act(person, OPEN)), way
        told = scene.told(lambda act=act: act(person, SECRET))
        assert (SECRET_WORD in told) is sees, way
    public = sees and not (name == "a member" and right == "T1=acme/*")  # a guest is in the same channel
    for way, act in IN_PUBLIC.items():
        assert OPEN_WORD in scene.told(lambda act=act: act(person, OPEN)), way
        assert (SECRET_WORD in scene.told(lambda act=act: act(person, SECRET))) is public, way
    stranger = name in ("a guest", "in a shared channel")
    for way, act in UNNAMED.items():
        told = scene.told(lambda act=act: act(person, ""))
        assert OPEN_WORD in told or OPEN in told, way
        assert sees or SECRET_WORD not in told, way
        assert sees or not stranger or "acme" not in told, way
        assert not sees or SECRET_WORD in told or SECRET in told, way
    for way, act in SETTINGS.items():
        assert "09:00" in scene.told(lambda act=act: act(person, OPEN)) or "0 9" in scene.told(
            lambda act=act: act(person, OPEN)
        ), way
        told = scene.told(lambda act=act: act(person, SECRET))
        assert sees or not stranger or "09:00" not in told, way


@pytest.mark.parametrize(("right", "name"), CASES)
def test_who_can_follow_what_by_the_form(scene, right, name):
    scene.world.repositories.rights = Rights((), granted(right), inherits=False)
    person, sees = Person(scene, *PEOPLE[name]), name in RIGHTS[right]
    for subscription in person.kept():
        scene.world.store.unsubscribe(subscription.id)
    scene.told(lambda: person.subscribe_form(OPEN))
    assert [s.repo for s in person.kept()] == [OPEN]
    told = scene.told(lambda: person.subscribe_form(SECRET))
    follows = sees and not (name == "a member" and right == "T1=acme/*")  # the guest in the channel would read it
    assert (SECRET in [s.repo for s in person.kept()]) is follows
    if not follows:
        assert told.replace(SECRET, "acme/missing") == scene.told(lambda: person.subscribe_form("acme/missing")) or (
            "can't be followed here" in told
        )


@pytest.mark.parametrize("right", RIGHTS)
def test_who_is_sent_what_in_the_morning(scene, right, clock):
    scene.world.repositories.rights = Rights((), granted(right), inherits=False)
    clock.now = DAY + timedelta(days=1, hours=9, minutes=1)
    worker = scene.world.worker({"slack": scene.chat})
    for _ in range(8):  # two digests of one channel stand after each other
        while worker.tick():
            assert worker.drain(60)
        clock.pass_time(seconds=2)
    worker.stop(5)
    # A guest in a channel reads what the channel does: there only a right by its name counts.
    seen = {"C1": "a guest", "C2": "in a shared channel", "C7": "in another workspace"}
    for channel, name in seen.items():
        written = json.dumps(scene.server.messages[channel])
        assert OPEN_WORD in written
        assert (SECRET_WORD in written) is (name in RIGHTS[right]), channel
        assert ("this channel no longer has access to the repository" in written) is (name not in RIGHTS[right])
        assert name in RIGHTS[right] or SECRET not in written
