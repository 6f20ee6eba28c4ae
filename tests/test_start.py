"""Where and as whom the program is started: each works, or is told by the name of what has to be mended."""

import builtins
import pwd

import pytest
from click.testing import CliRunner
from world import busy_day

from adapters import network
from bot import parts
from bot.cli import cli
from bot.errors import ConfigError
from bot.parts import AllSettings
from bot.settings import data_folder, language, load, unquoted, unread
from bot.texts import Texts


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    return busy_day(tmp_path_factory.mktemp("start") / "app")


def wrong(name):
    with pytest.raises(ConfigError) as raised:
        load(AllSettings)
    assert raised.value.key == "setting_invalid"
    assert raised.value.fields["name"] == name
    return Texts("en").error(raised.value)


# --- Home, folder, and file ------------------------------------------------------------------


@pytest.fixture
def homeless(monkeypatch):
    """A user whom nothing gives a home: no variable, and no line in the list of users."""

    def unknown(_):
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_without_a_home_it_is_said_what_to_set(homeless, monkeypatch, tmp_path):
    assert "DIGEST_DATABASE" in wrong("HOME")
    monkeypatch.setenv("DIGEST_DATABASE", str(tmp_path / "digest.db"))
    assert "DIGEST_CLONES" in wrong("HOME")
    monkeypatch.setenv("DIGEST_CLONES", str(tmp_path / "clones"))
    assert load(AllSettings).digest_database == tmp_path / "digest.db"


def test_without_a_home_the_usual_folders_may_be_given(homeless, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load(AllSettings).digest_database == tmp_path / "commit-digest" / "digest.db"


def test_an_empty_home_is_none(monkeypatch):
    monkeypatch.setenv("HOME", "")
    with pytest.raises(ConfigError):
        data_folder()


def test_a_current_folder_that_is_gone_is_none(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load(AllSettings).digest_repo == ""
    assert unread(AllSettings) is None
    with parts.program() as program:
        assert program.in_terminal() is not None


@pytest.mark.parametrize("named", [True, False])
def test_a_settings_file_that_cannot_be_read_is_named(monkeypatch, tmp_path, named):
    own = tmp_path / "own.env"
    if not named:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        own = tmp_path / "commit-digest" / ".env"
        own.parent.mkdir()
    else:
        monkeypatch.setenv("DIGEST_ENV_FILE", str(own))
    own.write_text("DIGEST_LANGUAGE=zh\n")

    def refused(file, *positional, **named_):
        if str(file) == str(own):
            raise PermissionError(13, "Permission denied", str(own))
        return opened(file, *positional, **named_)

    opened = builtins.open
    monkeypatch.setattr(builtins, "open", refused)
    assert "Permission denied" in wrong(str(own))


# --- Clock and zone --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Europe/Berlin", "Europe/Berlin"),
        ('"europe/berlin" ', "Europe/Berlin"),
        ("/usr/share/zoneinfo/Asia/Shanghai", "Asia/Shanghai"),
        ("EST5EDT", "EST5EDT"),
    ],
)
def test_a_zone_of_the_machine_is_taken_as_it_is_written(monkeypatch, said, zone):
    monkeypatch.setenv("TZ", said)
    assert load(AllSettings).digest_zone == zone


@pytest.mark.parametrize("said", ["Mars/Base", "CST-8", "CET-1CEST,M3.5.0,M10.5.0/3", "/usr/share/zoneinfo/Mars"])
def test_a_zone_that_has_no_name_is_named_unless_a_setting_says_another(monkeypatch, said):
    monkeypatch.setenv("TZ", said)
    assert "DIGEST_ZONE" in wrong("TZ")
    monkeypatch.setenv("DIGEST_ZONE", "Asia/Shanghai")
    assert load(AllSettings).digest_zone == "Asia/Shanghai"
    monkeypatch.setenv("DIGEST_ZONE", "Mars/Base")
    wrong("DIGEST_ZONE")


# --- Values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}", '"{}"', "'{}'", "  {} ", "{}\r", ' "{} "\r\n'])
def test_what_tools_leave_around_a_value_is_taken_off(monkeypatch, tmp_path, around):
    given = {"OPENAI_MODEL": "m", "GITHUB_TOKEN": "ghp_x", "DIGEST_LEASE": "90", "DIGEST_ZONE": "UTC"}
    given |= {"DIGEST_ALLOW": "a/b,c/*", "DIGEST_DATABASE": str(tmp_path / "x.db")}
    for name, value in given.items():
        monkeypatch.setenv(name, around.format(value))
    settings = load(AllSettings)
    assert (settings.openai_model, settings.github_token.get_secret_value()) == ("m", "ghp_x")
    assert (settings.digest_lease, settings.digest_zone, settings.digest_allow) == (90, "UTC", ("a/b", "c/*"))
    assert settings.digest_database == tmp_path / "x.db"


@pytest.mark.parametrize("empty", ["", " ", '""', "''", '" "'])
def test_nothing_between_quotes_is_not_set(monkeypatch, empty):
    monkeypatch.setenv("OPENAI_BASE_URL", empty)
    settings = load(AllSettings)
    assert settings.openai_base_url == "https://api.openai.com/v1"
    assert "openai_base_url" not in settings.model_fields_set


def test_quotes_inside_a_value_stay():
    for text in ('a"b', '"a', "'a\"", "say 'a'"):
        assert unquoted(text) == text


# --- The program -----------------------------------------------------------------------------


def run(monkeypatch, *words, **settings):
    """What the program says, in this process: a start takes a second, and imports are not what is looked at."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(cli, words)
    network.trust(None)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:9"}, "ALL_PROXY"),
        ({"HTTPS_PROXY": "http://127.0.0.1:port"}, "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, "HTTPS_PROXY"),
        ({"SSL_CERT_FILE": "/nowhere.pem"}, "SSL_CERT_FILE"),
    ],
)
def test_a_digest_goes_out_whatever_the_network_is_set_to_and_says_why_no_model_wrote_it(
    history, monkeypatch, settings, named
):
    told = {"DIGEST_ZONE": "UTC", "OPENAI_MODEL": "m", "OPENAI_API_KEY": "k", **settings}
    done = run(monkeypatch, "2026-02-18", str(history.path), **told)
    assert done.exit_code == 0
    assert "29 commits" in done.stdout
    assert named in done.stdout


def test_a_setting_for_certificates_that_cannot_be_used_is_told_before_anything_else(history, monkeypatch):
    done = run(monkeypatch, "2026-02-18", str(history.path), DIGEST_CA_FILE="/nowhere.pem")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "DIGEST_CA_FILE" in done.stderr


# --- In the operator's language --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DIGEST_ZONE", "Foo", "没有这个时区，应为 Europe/Berlin、Asia/Shanghai 或 UTC 这样的名称"),
        ("DIGEST_MONITOR_PORT", "x", "应为整数"),
        ("DIGEST_MONITOR_PORT", "-1", "不能小于 0"),
        ("DIGEST_LEASE", "1e9", "不能大于 3600"),
        ("DIGEST_LOG", "xml", "应为 text、json 之一"),
        ("OPENAI_DEPTH", "abyss", "应为 brief、normal、deep 之一"),
        ("DIGEST_SCHEDULE", "sometimes", "“sometimes”无效，应为 crontab 表达式，例如 0 9 * * mon-fri"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_in_the_operators_language(name, value, said, monkeypatch):
    monkeypatch.setenv("DIGEST_LANGUAGE", "zh")
    monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, ["list"])
    assert result.stderr.strip() == f"digest: 设置 {name} 有误：{said}。请在 .env 或环境变量中修正。"


def test_an_unknown_language_is_said_in_the_default_one(monkeypatch):
    monkeypatch.setenv("DIGEST_LANGUAGE", "tlh")
    assert language() == "en"
