"""The one tree of errors: what was found, what was expected, and what to do."""

from __future__ import annotations


class HoldfastError(Exception):
    """A fault that a person can act on; printed without a traceback.

    `hint` says what to do next. `exit_code` is what the command line leaves with:
    1 a person's mistake, 2 refused by policy, 3 a bug.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class ProblemError(HoldfastError):
    """A problem directory that cannot be used as it is; lists every mistake found."""


class WorkspaceError(HoldfastError):
    """A git repository that is missing, bare, dirty or otherwise not in the state needed."""


class ConflictError(HoldfastError):
    """Two trees changed the same lines, so they cannot be merged."""


class LedgerError(HoldfastError):
    """A ledger that is broken, locked, full, missing or written by a newer version."""


class ExecutionError(HoldfastError):
    """Trials cannot be run here, or the grader itself is at fault."""


class RefusedError(HoldfastError):
    """Something policy does not allow, such as isolation below the required tier."""

    exit_code = 2
