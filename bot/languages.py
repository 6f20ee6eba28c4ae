"""The languages that people can choose, each a record; its labels are in `prompts/labels.CODE.toml`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A language that people can choose: its labels are in `prompts/labels.CODE.toml`.

    `name` is its own name, `prompt` its name for a language model, `tag` for a browser (BCP 47), `aliases` what else
    people type, in lower case; `chinese` says that it is written in Chinese characters.
    """

    code: str
    name: str
    prompt: str
    tag: str
    chinese: bool = False
    aliases: tuple[str, ...] = ()


_CHINESE = ("chinese", "cn", "mandarin", "simplified chinese", "简体中文", "简体", "汉语", "zh-sg")

LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", "English", "en", aliases=("英文", "英语")),
        # The script is explicit, since browsers choose the shapes of characters by it.
        Language("zh", "中文", "Simplified Chinese (简体中文)", "zh-Hans", chinese=True, aliases=_CHINESE),
    )
}
"""Every language, by code."""

BASE = "en"
"""The default language, whose labels are complete."""


def language_named(text: str) -> Language | None:
    """The language for a code, a tag such as `zh-CN`, or a name, ignoring case; None if it is not supported.

    Another script is another language to its readers: `zh-TW` is not `zh`.
    """
    wanted = text.strip().lower().replace("_", "-")
    code, _, rest = wanted.partition("-")
    for language in LANGUAGES.values():
        if wanted in {language.code, language.name.lower(), language.tag.lower(), *language.aliases}:
            return language
        if code == language.code and len(rest) == _COUNTRY and rest not in _OTHER_SCRIPT:
            return language
    return None


_COUNTRY, _OTHER_SCRIPT = 2, {"tw", "hk", "mo"}
