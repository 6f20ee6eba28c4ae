"""A model that does its job: it answers every question of the bot validly, from what the question itself says."""

import json
import re

LISTED = re.compile(r"^([0-9a-f]{7}) \| prior (\w+)", re.MULTILINE)
DESCRIBED = re.compile(r"^commit ([0-9a-f]{7}) by ", re.MULTILINE)
SHOWN = re.compile(r"^=== (\S+) \(", re.MULTILINE)
ADDED = re.compile(r"^\+(.*\w{3}.*)$", re.MULTILINE)


NOTHING_WRONG = {"types": [], "theme": "", "sentence": ""}
RANKS = {"high": 8, "medium": 5, "low": 1}
CLAIM = re.compile(r"^(\d+)\. ", re.MULTILINE)


def answer(body: dict) -> str:
    """The answer to a chat completion request."""
    system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
    chinese = "Chinese" in system or "Write in Simplified Chinese" in user
    if "grade the commits" in system:
        return json.dumps({"commits": [graded(sha, prior, chinese) for sha, prior in LISTED.findall(user)]})
    if "Draft what you would say" in user:
        return json.dumps(drafted(user))
    if "go through the claims" in user:
        claims = CLAIM.findall(user.split("DATA ")[3])
        judged = [{"number": int(n), "outcome": "kept", "becomes": "It stays."} for n in claims]
        return json.dumps({"claims": judged, **analysed(user, chinese)})
    if "what somebody else wrote" in system:
        return json.dumps({"texts": []})
    if "Analyse this commit" in user or "analysed by itself" in system:
        return json.dumps(analysed(user, chinese))
    if "describe several commits" in system:
        return json.dumps({"commits": [described(sha, chinese) for sha in DESCRIBED.findall(user)]})
    words = (
        "今天主要改进了启动过程，先读失败重试的那个提交。"
        if chinese
        else "The day was about starting; read the retries first."
    )
    return json.dumps({"overview": words})


def drafted(user: str) -> dict:
    """A draft of one claim, and a look at where the first name of the patch is used."""
    path, quote = shown(user)
    word = (re.findall(r"[A-Za-z_]\w{3,}", quote) or ["none"])[0]
    return {
        "claims": [{"number": 1, "text": "A start fails.", "path": path, "quote": quote, "refuted_by": "A guard."}],
        "looks": [{"kind": "word", "word": word, "path": "", "line": 0, "why": "1"}],
    }


def shown(user: str) -> tuple[str, str]:
    """A path of the patch that was shown, and a quote of it."""
    path = (SHOWN.findall(user) or ["none"])[0]
    return path, (ADDED.findall(user.split(path, 1)[-1]) or [path])[0]


def graded(sha: str, prior: str, chinese: bool = False) -> dict:
    words = f"提交 {sha} 改变了启动方式。" if chinese else f"Commit {sha} changes how the server starts."
    reason = "改变启动方式" if chinese else "changes the start"
    said = {"importance": prior, "rank": RANKS[prior], "types": ["fix"], "theme": ""}
    return {"sha": sha, **said, "reason": reason, "sentence": words}


def described(sha: str, chinese: bool = False) -> dict:
    words = f"提交 {sha} 让启动失败时重试。" if chinese else f"Commit {sha} makes the server try again."
    return {"sha": sha, "correction": NOTHING_WRONG, "summary": words, "impact": [], "risks": [], "suggestions": []}


def analysed(user: str, chinese: bool = False) -> dict:
    """An analysis whose evidence stands in the patch that was shown, where one was."""
    path, quote = shown(user)
    words = (
        "服务器在启动失败时会重试，最多三次。"
        if chinese
        else "The server tries again when a start fails, three times at most."
    )
    return {
        "correction": NOTHING_WRONG,
        "narrowed": [],
        "verdict": words,
        "summary": words,
        "impact": [{"component": "server", "paths": [path], "before": words, "effect": words}],
        "insights": [{"aspect": "performance", "text": words, "path": path, "quote": quote}],
        "risks": [{"text": words, "path": path, "quote": quote, "mitigation": words}],
        "suggestions": [{"who": "operators", "action": words}],
    }
