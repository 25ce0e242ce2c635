"""What the server answers: right predictions for every form of body, and 4xx with a reason for every wrong one."""

from __future__ import annotations
