"""What can go wrong, one class for each situation that a caller can act on.

A wait that takes too long raises the standard library's `TimeoutError`.
"""

from __future__ import annotations

from typing import Any, Optional


class MedusaError(Exception):
    """The base of all of them."""


class ApiError(MedusaError):
    """The server refused a request. `code` is stable and has a page in docs/errors."""

    def __init__(self, status: int, code: str, detail: str,
                 problem: Optional[dict[str, Any]] = None):
        super().__init__(f"{detail} ({code})")
        self.status, self.code, self.detail = status, code, detail
        self.problem = problem or {}


class ConnectionLost(MedusaError, ConnectionError):
    """The line to the server broke. The session goes on: the next round connects again."""


class ProtocolError(MedusaError):
    """The other side sent what is not understood."""


class SessionEnded(MedusaError):
    """The session is over and takes no rounds any more. `code` is none when it was finished."""

    def __init__(self, code: Optional[str], detail: str):
        super().__init__(f"the session is over: {detail}" + (f" ({code})" if code else ""))
        self.code, self.detail = code, detail


class AgentLost(SessionEnded):
    """Agents were lost, and no others were found in time."""


class GuestError(SessionEnded):
    """The program of a shard ended, on several agents. `outcome` says how, as exit status, trap
    or limit; `detail` has the end of its standard error."""

    def __init__(self, detail: str, outcome: str = "", shard: Optional[int] = None):
        super().__init__("sessions.guest", detail)
        self.outcome, self.shard = outcome, shard


class RoundRefused(MedusaError):
    """A round was refused, and its number is used up; the session goes on."""

    def __init__(self, round: int, shard: Optional[int], code: str, detail: str):
        super().__init__(f"{detail} ({code})")
        self.round, self.shard, self.code, self.detail = round, shard, code, detail


class BudgetExceeded(RoundRefused):
    """What is held for the session is spent, or the wallet does not cover what was to be held."""


def ended(code: Optional[str], detail: str, lost: Optional[dict[str, Any]] = None) -> SessionEnded:
    """The error of a session's last words; `lost` is the last program that ended before them."""
    if code == "sessions.guest":
        outcome = str(lost["detail"]).split(": ", 1)[0] if lost else ""
        return GuestError(detail, outcome, lost["shard"] if lost else None)
    if code == "sessions.no_agents":
        return AgentLost(code, detail)
    return SessionEnded(code, detail)


def refused(word: dict[str, Any]) -> RoundRefused:
    """The error of a round's refusal."""
    kind = BudgetExceeded if word["code"] == "sessions.hold_spent" else RoundRefused
    return kind(word["round"], word.get("shard"), word["code"], word["detail"])
