"""The languages that people can choose, each a record; its labels are in `prompts/labels.CODE.toml`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """A language that people can choose: its labels are in `prompts/labels.CODE.toml`.

    `name` is what its speakers call it, `prompt` what a language model is told, `tag` what a browser is told (BCP 47);
    `chinese` says that it is written in Chinese characters.
    """

    code: str
    name: str
    prompt: str
    tag: str
    chinese: bool = False


LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", "English", "en"),
        # The script is said, since browsers choose the shapes of characters by it.
        Language("zh", "中文", "Simplified Chinese (简体中文)", "zh-Hans", chinese=True),
    )
}
"""Every language, by code."""

BASE = "en"
"""The language that is spoken where nobody has chosen one; its labels are complete."""
