"""The log: one event a line whatever is in it, and never a secret."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.logs import Formatter, configure, secrets_of
from bot.parts import AllSettings
from bot.settings import Settings

MOMENT = 1771405203.25  # 2026-02-18T09:00:03.25Z
TEXT, JSON = False, True
ANY = st.text(st.characters() | st.sampled_from("\n\r\t\x00\x0b\x0c\x1b\x85\u2028\u2029\"'\\= {}%\ud800"))
LINES = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def record(event, *args, fields=None, error=None, name="digest.worker", level=logging.INFO):
    caught = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord(name, level, "file.py", 1, event, args, caught)
    made.created = MOMENT
    if fields is not None:
        made.fields = fields
    return made


def line(*args, as_json=TEXT, secrets=(), **kwargs):
    return Formatter(frozenset(secrets), as_json).format(record(*args, **kwargs))


def raised(message):
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_an_event_as_text():
    fields = {"subscription": 17, "repo": "owner/repo", "messages": 5}
    said = "2026-02-18T09:00:03Z INFO digest.worker delivered subscription=17 repo=owner/repo messages=5"
    assert line("delivered", fields=fields) == said
    assert line("%d of %s", 2, "three") == "2026-02-18T09:00:03Z INFO digest.worker 2 of three"


def test_an_event_as_json():
    fields = {"subscription": 17, "share": 0.5, "late": True, "repo": "owner/repo", "nothing": None}
    assert json.loads(line("delivered", fields=fields, as_json=JSON)) == {
        "time": "2026-02-18T09:00:03.250Z",
        "level": "INFO",
        "logger": "digest.worker",
        "event": "delivered",
        **fields,
        "nothing": "None",
    }


def test_a_field_takes_the_place_of_nothing_else():
    told = json.loads(line("e", as_json=JSON, fields={"level": "DEBUG", "event": "other", "time": 0, "logger": ""}))
    assert told == {"time": "2026-02-18T09:00:03.250Z", "level": "INFO", "logger": "digest.worker", "event": "e"}


def test_a_number_that_json_does_not_know_is_text():
    assert json.loads(line("e", as_json=JSON, fields={"n": float("nan")}))["n"] == "nan"


@pytest.mark.parametrize(
    ("value", "told"),
    [("", '""'), ("a b", '"a b"'), ("a=b", '"a=b"'), ('"', r'"\""'), ("a\nb", r'"a\nb"'), ("\u202e", r'"\u202e"')],
)
def test_a_value_that_is_not_plain_is_quoted(value, told):
    assert line("e", fields={"v": value}).endswith(f"e v={told}")


def test_a_message_forges_no_second_line():
    forged = "a\r\n2026-02-18T09:00:04Z INFO digest b\x1b[2K\u2028c"
    assert line(forged).endswith(r" a\r\n2026-02-18T09:00:04Z INFO digest b\x1b[2K\u2028c")


@pytest.mark.parametrize("as_json", [TEXT, JSON])
def test_a_traceback_stands_in_the_same_line(as_json):
    told = line("failed", error=raised("several\nlines"), as_json=as_json)
    assert len(told.splitlines()) == 1
    traceback = json.loads(told)["traceback"] if as_json else json.loads(told.partition(" traceback=")[2])
    assert traceback.splitlines()[0] == "Traceback (most recent call last):"
    assert traceback.endswith("ValueError: several\nlines")


def test_an_event_whose_arguments_do_not_fit_is_told_without_them():
    assert line("%d pieces of %s", "key-of-mine").endswith(" %d pieces of %s")


# --- Secrets ---------------------------------------------------------------------------------

CAUGHT = [
    "xoxb-1234-abcd",
    "xoxp-1",
    "xoxe.xoxp-1-Mi0yLQ",
    "xapp-1-A111-222-abc",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "ghs_123456_eyJhbGciOi.eyJpc3MiOi.c2ln",
    "github_pat_11ABCDE_xyz",
    "sk-proj-abcdefghij0123456789",
]


@pytest.mark.parametrize("token", CAUGHT)
@pytest.mark.parametrize("around", ["{}", "({})", "token={}&x", "a%3D{}%26", "_{}", "'\\n{}'", '{{"a":"{}"}}'])
@pytest.mark.parametrize("as_json", [TEXT, JSON])
def test_a_token_is_known_by_its_shape(token, around, as_json):
    text = around.format(token)
    told = line(text, fields={"v": text}, error=raised(text), as_json=as_json)
    assert token not in told
    assert told.count("***") == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Authorization: Bearer abc.def/ghi+j=", "Authorization: Bearer ***"),
        ("{'authorization': 'bearer abc'}", "{'authorization': 'bearer ***'}"),
        ("https://name:pass@example.com/a", "https://***@example.com/a"),
        ("https://name:p@ss@example.com/a", "https://***@example.com/a"),
        ("https://token@example.com/a", "https://***@example.com/a"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("task-of-which-there-are-many-words", "task-of-which-there-are-many-words"),
        ("sk-short", "sk-short"),
    ],
)
def test_what_is_hidden_and_what_is_not(text, told):
    assert json.loads(line(text, as_json=JSON))["event"] == told


FORMS = [
    str,
    lambda secret: quote(secret, safe=""),
    quote,
    quote_plus,
    lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: repr(secret)[1:-1],
    lambda secret: repr(f"\"'{secret}")[4:-1],
]
# A secret that is a word of the log itself, as `traceback` is, can only be hidden where it is told.
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="*", exclude_categories=["Z", "C"]), min_size=7).map(
    "§{}".format
)


@pytest.mark.parametrize("form", FORMS)
@given(SECRETS, ANY, ANY)
@example("päss/wörd+'\"\\~", "", "")
@example("two words-of-mine", "", "")
def test_a_secret_of_the_settings_is_hidden_in_every_form(form, secret, before, after):
    told = form(secret)
    text = before + told + after
    for error in (None, raised(text)):
        assert told not in line(text, fields={"v": text}, error=error, secrets=[secret])
        seen = json.loads(line(text, fields={"v": text}, error=error, as_json=JSON, secrets=[secret]))
        assert not any(told in str(value) for value in seen.values())


@given(st.lists(ANY, min_size=1), ANY, st.dictionaries(st.sampled_from("abc"), ANY | st.integers() | st.floats()))
@example(["\u2028"], "\ud800", {"a": "\x85"})
def test_whatever_goes_in_one_line_comes_out(causes, event, fields):
    for as_json in (TEXT, JSON):
        told = line(event, fields=fields, error=raised("\n".join(causes)), as_json=as_json)
        assert not LINES.search(told)
        assert told.isprintable()
        if as_json:
            assert json.loads(told).keys() == {"time", "level", "logger", "event", "traceback"} | fields.keys()


def test_taking_out_puts_no_secret_together():
    assert "topsecret" not in line("top\x00secret", secrets=["topsecret"]).replace(r"\x00", "|")


def test_a_number_that_is_a_secret_is_hidden():
    assert json.loads(line("e", as_json=JSON, fields={"n": 12345678}, secrets=["12345678"]))["n"] == "***"


def test_a_long_secret_is_hidden_before_a_shorter_one_within_it():
    assert line("abcdefgh", secrets=["abcd", "abcdefgh"]).endswith(" ***")


def test_every_secret_setting_is_known_and_each_of_several_keys():
    names = [name for name, field in AllSettings.model_fields.items() if field.annotation is SecretStr]
    several = {"slack_token_key": "new-key, old-key", "feishu_webhooks": "a=https://x/1 sign, b=https://x/2"}
    settings = AllSettings(**{name: f" {name}-value " for name in names} | several)
    told = {f"{name}-value" for name in names if name not in several}
    told |= {"new-key", "old-key", *several.values()}
    told |= {"a=https://x/1 sign", "b=https://x/2", "https://x/1", "sign", "https://x/2"}
    assert secrets_of(settings) == told


def test_a_secret_that_is_empty_or_too_short_hides_nothing():
    assert secrets_of(AllSettings(github_token="abc")) == frozenset()
    assert line("abc", secrets=[]).endswith(" abc")


# --- The process -----------------------------------------------------------------------------


@pytest.fixture
def stderr(capsys):
    """Reads the lines on standard error; the loggers are put back afterwards."""
    root, own = logging.getLogger(), logging.getLogger("digest")
    levels = root.level, own.level

    def lines():
        return capsys.readouterr().err.splitlines()

    yield lines
    for handler in [handler for handler in root.handlers if isinstance(handler.formatter, Formatter)]:
        root.removeHandler(handler)
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def test_own_events_are_told_from_info_and_those_of_libraries_from_warning_on(stderr):
    configure(Settings())
    logging.getLogger("digest.worker").info("delivered", extra={"fields": {"subscription": 17}})
    logging.getLogger("digest.worker").debug("details")
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("trouble")
    told = [said.split(" ", 1)[1] for said in stderr()]
    assert told == ["INFO digest.worker delivered subscription=17", "WARNING library trouble"]


def test_a_librarys_event_holds_no_secret_either(stderr):
    configure(AllSettings(digest_log="json", github_token="my/own/token"))
    logging.getLogger("library").error("GET /?t=%s with %s", "my%2Fown%2ftoken", {"t": "my/own/token"})
    assert [json.loads(told)["event"] for told in stderr()] == ["GET /?t=*** with {'t': '***'}"]


def test_configured_twice_an_event_is_told_once(stderr):
    configure(Settings())
    configure(Settings(digest_log="json"))
    logging.getLogger("digest").info("once")
    assert [json.loads(told)["event"] for told in stderr()] == ["once"]


def test_a_secret_that_was_changed_meanwhile_stays_one(stderr):
    configure(AllSettings(_env_file=None, openai_api_key=SecretStr("first-key-in-use")))
    configure(AllSettings(_env_file=None, openai_api_key=SecretStr("second-key")))
    logging.getLogger("digest").info("first-key-in-use and second-key")
    (told,) = stderr()
    assert "first-key" not in told
    assert "second-key" not in told


UNCAUGHT = """
import sys, threading, warnings
from pydantic import SecretStr
from adapters import logs
from bot.parts import AllSettings
logs.configure(AllSettings(_env_file=None, digest_log="json", github_token=SecretStr("very-secret-value")))
logs.catch()
def fail():
    raise RuntimeError("very-secret-value is wrong")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn("mind very-secret-value")
fail()
"""


def test_what_nobody_catches_is_an_event_too():
    ended = subprocess.run(
        [sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False
    )
    assert ended.returncode == 1
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [event["logger"] for event in events] == ["digest", "py.warnings", "digest"]
    assert "very-secret-value" not in ended.stderr
