"""A language model whose answers are kept in a file, so that the same questions can be looked at again for nothing."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict
from pathlib import Path

from bot.errors import ModelError
from bot.ports import LanguageModel
from bot.values import Finish, Question, Reply, Usage


class Recorded:
    """Answers from the file; asks `model`, where there is one, for what is not there, and adds it."""

    def __init__(self, path: Path, name: str, model: LanguageModel | None = None) -> None:
        self.name = name
        self._path = path
        self._model = model
        self._lock = threading.Lock()
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._answers = {record["key"]: record for record in map(json.loads, lines)}

    def ask(self, question: Question) -> Reply:
        """The kept answer, or a new one. Raises ModelError where there is neither, and what the model raises."""
        key = hashlib.sha256(repr((self.name, question)).encode("utf-8", "replace")).hexdigest()
        with self._lock:
            kept = self._answers.get(key)
        if kept:
            return Reply(kept["text"], Finish(kept["finish"]), Usage(**kept["usage"]))
        if self._model is None:
            raise ModelError("model_answer_unreadable", model=f"{self.name}, recorded in {self._path}")
        reply = self._model.ask(question)
        self._keep({"key": key, "text": reply.text, "finish": reply.finish, "usage": asdict(reply.usage)})
        return reply

    def _keep(self, record: dict[str, object]) -> None:
        with self._lock:
            self._answers[str(record["key"])] = record
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
