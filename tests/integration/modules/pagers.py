"""A notifier of somebody else's, which has no signal the first time."""

from __future__ import annotations

import json
from pathlib import Path

from airflow.sdk.bases.notifier import BaseNotifier


class FilePager(BaseNotifier):
    """Append the message to a file; the first call fails."""

    template_fields = ("text",)

    def __init__(self, path, text, **kwargs):
        super().__init__(**kwargs)
        self.path = path
        self.text = text

    def notify(self, context):
        tried = Path(self.path).with_suffix(".tried")
        if not tried.exists():
            tried.touch()
            raise RuntimeError("the pager has no signal")
        with Path(self.path).open("a") as file:
            file.write(json.dumps({"text": self.text, "event": context["message"]["event"]}) + "\n")
