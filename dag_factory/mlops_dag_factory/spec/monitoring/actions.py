"""What is done about a breach."""

from __future__ import annotations

from typing import Literal

Action = Literal["notify", "retrain"]
