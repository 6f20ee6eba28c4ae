"""Other programs ask: a real process, spoken to by the official SDK's client over its standard input and output."""

import asyncio
import os
import sys
from datetime import timedelta

import pytest
from mcp import Client, StdioServerParameters
from repositories import Builder, lines
from service import ROOT
from world import DAY

from adapters import mcp
from bot.errors import NotFound


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    build = Builder(tmp_path_factory.mktemp("agents") / "app")
    build.commit("root", DAY - timedelta(days=3), {"src/a.py": lines(1, 30)})
    build.commit("100", DAY + timedelta(hours=1), {"src/a.py": lines(1, 60, "one")}, message="feat: a server (#100)")
    build.tag("v1.0.0", "100", DAY + timedelta(hours=2))
    return build.finish()


def asked(calls, **settings):
    """What a process answers to calls of tools, each as its text and whether it is an error; and its tools."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONPATH": str(ROOT), "DIGEST_ZONE": "UTC"}
    process = StdioServerParameters(command=sys.executable, args=["-m", "bot", "mcp"], env=env | settings)

    async def speak():
        async with asyncio.timeout(60):
            async with Client(process) as client:
                tools = (await client.list_tools()).tools
                made = [await client.call_tool(name, arguments) for name, arguments in calls]
        return tools, [("".join(part.text for part in each.content), bool(each.is_error)) for each in made]

    return asyncio.run(speak())


def test_a_program_asks_what_a_person_can_ask_and_changes_nothing(history):
    repository = {"repository": str(history.path)}
    tools, answers = asked(
        [
            ("digest", {"time": "2026-02-18", **repository}),
            ("commit", {"name": "#100", **repository}),
            ("search", {"words": "server", **repository}),
            ("question", {"question": "is #100 released?", **repository}),
            ("question", {"question": "was it reverted?", **repository}),
            ("releases", repository),
            ("commit", {"name": f"subscribe {history.path}"}),
            ("question", {"question": "which change broke the cache?", **repository}),
            ("digest", {"time": "unsubscribe", **repository}),
            ("releases", {"repository": str(history.path.parent / "none")}),
            ("commit", {"name": "#999", **repository}),
        ]
    )
    assert {tool.name for tool in tools} == {"digest", "commit", "search", "question", "releases"}
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
    assert "repository" in tools[0].input_schema["properties"]
    (digest, commit, search, released, reverted, releases), refused = answers[:6], answers[6:]
    assert "feat: a server" in digest[0]
    assert digest[0].startswith("# ")
    assert "feat: a server" in commit[0]
    assert "v1.0.0" in commit[0]
    assert "feat: a server" in search[0]
    assert "has been released: the first release with it is v1.0.0" in released[0].replace("\\", "")
    assert "neither reverted nor fixed" in reverted[0]
    assert "v1.0.0" in releases[0]
    assert "2026-02-18" in releases[0]
    assert not any(error for _, error in answers[:6])
    assert all(error and text for text, error in refused)
    assert all(text.partition(": ")[2] for text, _ in refused), "a fault of our own says nothing"


def test_an_expected_failure_is_told_and_a_fault_of_our_own_is_not():
    class Agents:
        def releases(self, repository: str = "") -> str:
            if repository:
                raise NotFound("release_none", repo=repository)
            raise ZeroDivisionError("secret")

        digest = commit = search = question = releases

    async def speak():
        async with Client(mcp.server(Agents(), "1", lambda error: f"told {error.fields['repo']}")) as client:
            return [await client.call_tool("releases", each) for each in ({"repository": "a/b"}, {})]

    told, broken = asyncio.run(speak())
    assert told.is_error
    assert told.content[0].text.endswith("told a/b")
    assert broken.is_error
    assert "secret" not in broken.content[0].text
