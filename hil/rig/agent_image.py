"""Asks the agent of a node what it runs from."""

from __future__ import annotations

from hil.rig.node import Node
from hil.rig.requests import Requests
from hil.wire import decoding
from hil.wire.messages import AgentImage, Msg

__all__ = ["agent_image"]


def agent_image(requests: Requests, node: Node) -> AgentImage | None:
    """Return what the agent of a node says that it runs from; None if it does not know that, is
    older than this request, or does not answer. Raises: VersionMismatch."""
    call = requests.send(node, Msg.IMAGE)
    return decoding.image(call.result) if isinstance(call.result, bytes) else None
