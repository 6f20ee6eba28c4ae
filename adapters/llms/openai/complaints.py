"""Interprets error bodies: services refuse in many ways, in English and Chinese.

If a status or a code does not say, the words do. Sources, besides those named at each: the error pages of
OpenAI, Azure, DeepSeek, Alibaba Model Studio, Zhipu, Volcengine Ark, OpenRouter and vLLM, and issues that quote them.
"""

import re
from collections.abc import Mapping
from typing import Any

_WORDS = ("message", "msg", "error_msg", "status_msg", "loc", "param", "code", "type")
_KEYS = (*_WORDS, "error", "errors", "detail", "base_resp", "metadata", "raw")
_DEPTH = 8  # levels of an error body that are read; some servers wrap the error of another in theirs

# `context_length_exceeded` is OpenAI's code, `exceed_context_size_error` llama.cpp's type; vLLM has only sentences.
_OVERFLOW = re.compile(
    r"context.?(?:length|size|window)|maximum context|prompt is too long|too many tokens|reduce the length|"
    r"max_tokens must be at least 1, got -|range of input length|input (?:length|is too long)|"
    r"上下文.{0,12}超|超.{0,8}上下文|输入.{0,12}(?:过长|超长|超过|超出)|prompt.{0,12}(?:过长|超长)"
)
# OpenAI and Azure `content_filter`, Alibaba `data_inspection_failed`, DeepSeek "Content Exists Risk", OpenRouter
# "flagged"; Zhipu's 1301 and others say so in Chinese.
_FILTERED = re.compile(
    r"content_filter|content.policy|content management|data_?inspection|content exists risk|moderation|flagged|"
    r"敏感|违规|内容安全|内容审核"
)
_NO_MODEL = re.compile(
    r"model_not_found|not a valid model|(?:invalid|unknown|no such) model|\bmodel\b.*\bnot (?:exist|found)|"
    r"模型.{0,40}(?:不存在|未找到)|(?:不存在|没有|找不到).{0,6}模型"
)
# DeepSeek "Insufficient Balance", Zhipu's 1113, Alibaba's `Arrearage`, Ark's `AccountOverdueError`. "You exceeded your
# current quota" is not here: Gemini says it of a minute's requests too. OpenAI has a code for it.
_NO_MONEY = re.compile(
    r"insufficient.{0,3}(?:balance|funds|credit)|balance is (?:insufficient|too low)|out of credits|arrear|overdue|"
    r"余额.{0,4}(?:不足|为零|为0|用完|耗尽)|欠费|欠款|额度.{0,4}(?:不足|用完|用尽|耗尽)|请.{0,4}充值"
)
_BAD_KEY = re.compile(
    r"invalid_api_key|api.?key.{0,20}(?:not valid|invalid|incorrect|expired)|(?:invalid|incorrect).{0,12}api.?key|"
    r"身份验证|鉴权|(?:令牌|密钥).{0,8}(?:无效|过期|错误|不正确)"
)
_THROTTLED = re.compile(r"rate.?limit|too many requests|throttl|限流|频率|并发|请求过(?:多|于频繁)")
_BUSY = re.compile(r"overloaded|unavailable|internal.?(?:server.?)?error|timed? ?out|繁忙|过载|内部错误|超时")


def complaint(body: object, depth: int = _DEPTH) -> str:
    """What an error body says, from its relevant fields only: FastAPI servers echo the whole request next to them."""
    if isinstance(body, Mapping | list) and not depth:
        return ""
    if isinstance(body, Mapping):
        return " ".join(filter(None, (complaint(body.get(key), depth - 1) for key in _KEYS)))
    if isinstance(body, list):
        return " ".join(complaint(part, depth - 1) for part in body)
    return "" if body is None else str(body)[:2000]


def too_long(said: str) -> bool:
    """Whether the question is longer than the model can read."""
    return _OVERFLOW.search(said.lower()) is not None


def filtered(said: str) -> bool:
    """Whether a filter stopped the question before the model saw it."""
    return _FILTERED.search(said.lower()) is not None


def no_model(said: str) -> bool:
    """Whether there is no model of that name."""
    return _NO_MODEL.search(said.lower()) is not None


def no_money(said: str) -> bool:
    """Whether the account's balance is used up."""
    return _NO_MONEY.search(said.lower()) is not None


def bad_key(said: str) -> bool:
    """Whether the key is rejected; some servers say so with 400."""
    return _BAD_KEY.search(said.lower()) is not None


def about_the_form(said: str) -> bool:
    """Whether another form of the request may help: nothing else is named."""
    return not any(names(said) for names in (too_long, filtered, no_model, no_money, bad_key))


def error_within(answer: object) -> object:
    """The error that an answer with status 200 contains instead of a completion; None if there is none.

    OpenRouter and gateways send `error`, Zhipu's and Baidu's older interfaces a code with a message, MiniMax
    `base_resp`.
    """
    if not isinstance(answer, Mapping) or answer.get("choices"):
        return None
    if error := answer.get("error"):
        return error
    base = answer.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):
        return base
    speaks = any(answer.get(key) for key in ("message", "msg", "error_msg", "detail"))
    return answer if speaks and "choices" not in answer else None


def status_of(error: object) -> int:
    """The HTTP status that an error inside an answer means: its own number, or what its words mean."""
    numbers = (error.get(key) for key in ("code", "status", "status_code")) if isinstance(error, Mapping) else ()
    for number in map(_number, numbers):
        if 400 <= number < 600:
            return number
    said = complaint(error).lower()
    if bad_key(said):
        return 401
    if _THROTTLED.search(said):
        return 429
    return 503 if _BUSY.search(said) else 400


def _number(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) == 3 else 0
