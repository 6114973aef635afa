"""Requests to ask in tests."""

from __future__ import annotations

from backend.contract import ChatRequest, Message
from backend.services import VQA


def question(prompt: str = "What is this?") -> ChatRequest:
    """Returns a question without an image."""
    return ChatRequest(model=VQA.model, messages=[Message(role="user", content=prompt)])
