"""Medusa: rounds of your program on other people's machines, from Python.

    with medusa.connect() as cl, cl.session("step.wasm", [a, b], max_credits=1) as s:
        total = s.round(x, reduce="sum")

`medusa.aio` has the same for asyncio. docs/python.md is the manual.
"""

from ._core import Answer, Stats
from .client import Client, connect, login
from .errors import (AgentLost, ApiError, BudgetExceeded, ConnectionLost, GuestError, MedusaError,
                     ProtocolError, RoundRefused, SessionEnded)
from .executor import Executor, TaskFuture
from .session import RoundFuture, Session, Shard

__all__ = ["AgentLost", "Answer", "ApiError", "BudgetExceeded", "Client", "ConnectionLost",
           "Executor", "GuestError", "MedusaError", "ProtocolError", "RoundFuture", "RoundRefused",
           "Session", "SessionEnded", "Shard", "Stats", "TaskFuture", "connect", "login"]
__version__ = "0.1.0"
