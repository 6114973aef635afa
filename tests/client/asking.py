"""Requests to ask in tests."""

from __future__ import annotations

from backend.contract import ChatRequest, Message


def question(prompt: str = "What is this?") -> ChatRequest:
    """Returns a request without an image."""
    return ChatRequest(model="any", messages=[Message(role="user", content=prompt)])
