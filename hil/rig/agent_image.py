"""Asks the agent of a node what it runs from."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.rig.node import Node
from hil.rig.requests import Requests
from hil.wire import decoding
from hil.wire.messages import AgentImage, Msg

__all__ = ["agent_image"]

_DIGEST_US: Final = 1_000_000
"""In this time a slow board has read its own executable and computed the digest: a request that was
repeated before would count as a fault of its line."""


def agent_image(requests: Requests, node: Node) -> AgentImage | None:
    """Return what the agent of a node says that it runs from; None if it does not know that, is
    older than this request, or does not answer. Raises: VersionMismatch."""
    usual = requests.timing
    timing = replace(usual, retry_us=max(usual.retry_us, _DIGEST_US))
    call = requests.send(node, Msg.IMAGE, timing=timing)
    return decoding.image(call.result) if isinstance(call.result, bytes) else None
