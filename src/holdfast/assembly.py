"""Settings in, a wired lab out: the one file that knows every room."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

import holdfast
from holdfast.core.chain import Head
from holdfast.core.errors import HoldfastError, LedgerError, ProblemError, RefusedError, WorkspaceError
from holdfast.core.ports import Agent, Executor, Job
from holdfast.core.records import ClaimBegun, Entry, Landed, ProblemChecked, RunStarted, SessionStarted
from holdfast.core.settings import Rules
from holdfast.core.state import RunState, fold
from holdfast.execution.machine import cores, describe, steady_clock
from holdfast.ledger.claims import verify_claims
from holdfast.ledger.export import export, verify_export
from holdfast.ledger.landings import verify_landings
from holdfast.ledger.lease import Lease, held
from holdfast.ledger.store import SqlLedger
from holdfast.ledger.verify import verify_rows, walk_rows
from holdfast.loop import Lab, conduct
from holdfast.problems import places
from holdfast.problems.catalog import Catalog
from holdfast.problems.load import FILE, Problem, load
from holdfast.problems.prepare import Splits, prepare
from holdfast.problems.scaffold import Sketch
from holdfast.problems.scaffold import new as new_problem
from holdfast.problems.workspace import GitWorkspace

DEFAULT_BUDGET = 600.0
__all__ = ["Archive", "RunOptions", "Sketch", "Verification", "check", "new_problem", "run", "verify"]
LEDGER = "ledger.db"
BUNDLED = Path(__file__).parent / "bundled"

Watch = Callable[[RunState, Mapping[str, Job]], None]


class RunOptions(msgspec.Struct, frozen=True):
    """What a person asks of `holdfast run`: seconds of `budget` None means the default, or what a resume has left."""

    home: Path
    problem: str = ""
    budget: float | None = None
    workers: int | None = None
    seed: int = 0
    agent: str = "search"
    resume: bool = False
    isolation: Literal["auto", "none"] = "auto"
    rules: Rules = Rules()


def run(options: RunOptions, watch: Watch, stop_asked: Callable[[], bool], began: float | None = None) -> RunState:
    """Start or resume a run and carry it to its end; returns the final state. Raises `HoldfastError`.

    The budget counts from `began` (Unix time), so that starting up is paid from it too.
    """
    began = time.time() if began is None else began
    home = options.home.absolute()
    fresh = None if options.resume else _sound(home, options)
    clock = steady_clock()
    with contextlib.closing(open_ledger(home) if options.resume else SqlLedger(_writable(home) / LEDGER)) as ledger:
        ledger.clock = clock
        past = _resumable(ledger, options) if options.resume else None
        problem, splits = fresh or _unchanged(home, past or RunState())
        with Lease(home, problem.spec.problem.name):
            if past:
                verify_rows(ledger.rows(), ledger.witness.read() if ledger.witness else None)
                _require_tier(options, past)
                past = fold(ledger.entries(past.name))
                name, start = past.name, past.started()
                workspace = places.resume(problem, home, name, start.commit, past.commit)
            else:
                name, workspace, start = _begin(ledger, problem, splits, home, options)
            budget = max(1.0, _budget(options, past) - (time.time() - began))
            agent = _agent(start.agent, start.seed, problem)
            with contextlib.closing(_executor(problem, splits, workspace, options, name)) as executor:
                uses = _sealed_uses(ledger, start.data.get("sealed", ""), name)
                session = SessionStarted(budget, executor.slots, executor.tier, holdfast.__version__, uses)
                ledger.append(name, [session] if past else [start, session])
                return conduct(Lab(ledger, workspace, executor, agent, options.rules, clock, stop_asked, watch), name)


def check(home: Path, name: str, workers: int | None, say: Callable[[str], None]) -> ProblemChecked:
    """Run a problem's control candidates and record how they came out."""
    from holdfast.problems.check import check as check_problem

    home = home.absolute()
    problem = _catalog(home).find(name)
    places.require_clean(problem, home)
    run_name = f"check-{problem.spec.problem.name}"
    with contextlib.closing(SqlLedger(_writable(home) / LEDGER)) as ledger, Lease(home, problem.spec.problem.name):
        workspace = places.rehearse(problem, home, run_name)
        options = RunOptions(home, workers=workers)
        executor = _executor(problem, prepare(problem, home), workspace, options, run_name)
        with contextlib.closing(executor):
            record = check_problem(problem, workspace.tree, workspace, executor, say)
        ledger.append(run_name, [record])
    return record


class Archive:
    """What a home holds, for reading: its runs, their states and diffs. A context manager."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ledger = open_ledger(home)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def runs(self) -> list[str]:
        """Names of all runs, oldest first."""
        return [run for run in self.ledger.runs() if not run.startswith("check-")]

    def find(self, name: str = "") -> str:
        """The run called `name`, the latest run of the problem `name`, or the latest of all."""
        runs = self.runs()
        if not runs:
            raise LedgerError(f"there is no run in {self.home} yet", "`holdfast run tinylm` starts one")
        if name in runs:
            return name
        wanted = Path(name).name if "/" in name else name
        matching = [run for run in runs if not wanted or run.rpartition("-")[0] == wanted]
        if not matching:
            raise LedgerError(f"there is no run called {name!r} in {self.home}", f"runs here: {', '.join(runs)}")
        return matching[-1]

    def entries(self, run: str) -> list[Entry]:
        """All entries of a run."""
        return list(self.ledger.entries(run))

    def workspace(self, state: RunState) -> GitWorkspace:
        """The trees of a run, for reading; its problem may have changed since."""
        return self.trees(state.name, state.started())

    def trees(self, run: str, start: RunStarted) -> GitWorkspace:
        """The trees of `run`, found by what its first record says."""
        home = self.home.absolute()
        problem = Problem(start.spec, _root(home, start), start.problem_digest)
        return places.reopen(problem, home, run, start.commit)


def alive(home: Path, problem: str) -> bool:
    """Whether a coordinator is running `problem` in `home` just now."""
    return held(home, problem)


def open_ledger(home: Path) -> SqlLedger:
    """The ledger of an existing home; raises `LedgerError` when there is none."""
    if not (home / LEDGER).is_file():
        raise LedgerError(
            f"there is no ledger in {home}", "`holdfast run tinylm` starts one; --home names another place"
        )
    return SqlLedger(home / LEDGER, create=False)


class Verification(msgspec.Struct, frozen=True):
    """What `holdfast verify` found: the head of an unbroken chain, and what does not rest on the records in it."""

    head: Head
    landed: int
    faults: tuple[str, ...]


def verify(home: Path) -> Verification:
    """Walk the whole chain, every landed commit's evidence and every claim's.

    All of it is judged by that one walk, never by a query that might miss records. Raises `LedgerError` at the first
    broken record.
    """
    with Archive(home) as archive:
        archive.ledger.check()
        witness = archive.ledger.witness
        steps = list(walk_rows(archive.ledger.rows(), witness.read() if witness else None))
        head, entries = steps[-1][1] if steps else Head(), [entry for entry, _ in steps]
        commits = _Commits(archive, entries)
        faults = [*commits.faults, *verify_landings(entries, commits.look_up), *verify_claims(entries)]
        landed = sum(isinstance(entry.record, Landed) for entry in entries)
        return Verification(head, landed, tuple(faults))


class _Commits:
    """The commits of the repositories of all runs that landed something, as one collection."""

    def __init__(self, archive: Archive, entries: list[Entry]) -> None:
        self.faults: list[str] = []
        self._workspaces: list[GitWorkspace] = []
        landed = {entry.run for entry in entries if isinstance(entry.record, Landed)}
        for entry in entries:
            if isinstance(entry.record, RunStarted) and entry.run in landed:
                try:
                    self._workspaces.append(archive.trees(entry.run, entry.record))
                except WorkspaceError as error:
                    self.faults.append(f"the commits of {entry.run}: {error.message}")

    def look_up(self, commit: str) -> tuple[str, tuple[str, ...], str] | None:
        found = (workspace.look_up(commit) for workspace in self._workspaces)
        return next((item for item in found if item is not None), None)


def export_ledger(home: Path) -> Iterator[bytes]:
    """The whole ledger as JSON lines that verify without the database."""
    with Archive(home) as archive:
        yield from export(row.body for row in archive.ledger.rows())


def verify_file(path: Path) -> Verification:
    """Verify an exported ledger, without its commits; raises `LedgerError` at the first broken line."""
    try:
        with path.open("rb") as lines:
            return Verification(verify_export(lines), 0, ())
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror}") from error


def listings(home: Path) -> list[dict[str, str]]:
    """The bundled problems."""
    return [msgspec.to_builtins(listing) for listing in _catalog(home).listings()]


def _catalog(home: Path) -> Catalog:
    return Catalog(BUNDLED, home)


def _writable(home: Path) -> Path:
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise LedgerError(f"the home {home} cannot be written: {error.strerror}", "name another with --home") from error
    return home


def _require_tier(options: RunOptions, past: RunState) -> None:
    """A run that was measured in a sandbox goes on in one."""
    if options.isolation == "none" and any(session.start.tier != "T0" for session in past.sessions):
        raise RefusedError(
            f"{past.name} was measured in a sandbox, and --isolation none would lower that",
            "leave out --isolation, or start a new run",
        )


def _sound(home: Path, options: RunOptions) -> tuple[Problem, Splits]:
    """The problem of a new run and its data, looked at before anything is written: a refusal leaves nothing behind."""
    problem = _catalog(home).find(options.problem)
    _agent(options.agent, options.seed, problem)
    places.require_clean(problem, home)
    return problem, prepare(problem, home)


def _begin(
    ledger: SqlLedger, problem: Problem, splits: Splits, home: Path, options: RunOptions
) -> tuple[str, GitWorkspace, RunStarted]:
    """Name a new run on `problem`, make its trunk, and say what its first record is."""
    spec = problem.spec
    count = sum(run.rpartition("-")[0] == spec.problem.name for run in ledger.runs())
    name = f"{spec.problem.name}-{count + 1}"
    workspace = places.start(problem, home, name)
    data = _digests(splits)
    record = RunStarted(
        problem=spec.problem.name,
        problem_digest=problem.digest,
        spec=spec,
        tree=workspace.tree,
        commit=workspace.commit,
        branch=workspace.branch,
        agent=options.agent,
        seed=options.seed,
        root=str(problem.root),
        data=data,
        files={split: splits.files[split] for split in data},
        environment=describe(spec.work.packages),
    )
    return name, workspace, record


def _resumable(ledger: SqlLedger, options: RunOptions) -> RunState:
    """The run that `--resume` means: the named one, the latest of the named problem, or the latest of all."""
    runs = [run for run in ledger.runs() if not run.startswith("check-")]
    wanted = options.problem
    if wanted and (Path(wanted) / FILE).is_file():
        wanted = load(Path(wanted)).spec.problem.name
    for run in reversed(runs):
        if wanted in ("", run, run.rpartition("-")[0]):
            return fold(ledger.entries(run))
    raise LedgerError(
        f"there is no run{f' of {wanted!r}' if wanted else ''} to resume in {options.home}",
        "leave out --resume to start one",
    )


def _budget(options: RunOptions, past: RunState | None) -> float:
    """A new run gets what was asked for; a resume gets a new budget, or what the broken session had left."""
    if options.budget is not None:
        return options.budget
    if past is None or not past.sessions:
        return DEFAULT_BUDGET
    if past.sessions[-1].ended == "finished":
        raise HoldfastError(f"{past.name} is finished", "give it more time with --resume --budget 10m")
    return past.budget_left


def _digests(splits: Splits) -> dict[str, str]:
    """The digests of the splits that hold anything, as the ledger keeps them."""
    return {split: splits.digests[split] for split, files in splits.files.items() if files}


def _root(home: Path, record: RunStarted) -> Path:
    """A problem's directory: its copy in the home, which may have been moved, or where it was."""
    root = Path(record.root)
    kept = home / "problems" / root.name
    return kept if kept.is_dir() else root


def _unchanged(home: Path, state: RunState) -> tuple[Problem, Splits]:
    """The problem and the data of a run that goes on: those it began with, or its numbers would not be of one kind."""
    record = state.started()
    problem = load(_root(home, record))
    if problem.digest != record.problem_digest:
        raise ProblemError(f"{problem.root} has changed since {state.name} began", "start a new run, without --resume")
    splits = prepare(problem, home)
    now = _digests(splits)
    changed = sorted(split for split in now | record.data if now.get(split) != record.data.get(split))
    if changed:
        raise ProblemError(
            f"the data of {state.name} is not what it began with: {', '.join(changed)} changed in {splits.root}",
            f"put it back, or delete {splits.root} to have it prepared again; or start a new run, without --resume",
        )
    return problem, splits


def _executor(
    problem: Problem, splits: Splits, workspace: GitWorkspace, options: RunOptions, run_name: str
) -> Executor:
    from holdfast.execution.local import LocalExecutor, Places

    site = Places(
        data=splits.root,
        grader=problem.judge,
        scratch=options.home.absolute() / "scratch" / run_name,
        interpreter=sys.executable,
    )
    slots = _slots(options.workers, problem.spec.limits.threads)
    isolation = "T0" if options.isolation == "none" else "auto"
    return LocalExecutor(problem.spec, site, workspace.read, slots, isolation)


def _slots(asked: int | None, threads: int) -> int:
    """How many trials run at once: as asked, or as many as have cores of their own."""
    most = max(1, cores() // threads)
    if asked is not None and asked > most:
        raise HoldfastError(
            f"--workers {asked} is more than this machine's {cores()} cores carry",
            f"each trial is timed on a core of its own: at most {most} here",
        )
    return asked or most


def _agent(name: str, seed: int, problem: Problem) -> Agent:
    """The agent called `name`: built in, or a plugin's entry point in the group `holdfast.agents`."""
    if name == "search":
        from holdfast.agents.search.agent import SearchAgent

        return SearchAgent(seed, problem.spec.work.editable)
    for point in importlib.metadata.entry_points(group="holdfast.agents"):
        if point.name == name:
            make = point.load()
            agent: Agent = make(seed, problem.spec.work.editable)
            return agent
    raise HoldfastError(f"there is no agent called {name!r}", "the built-in one is `search`")


def _sealed_uses(ledger: SqlLedger, digest: str, name: str) -> int:
    """How many claims other runs than `name` have begun on this sealed data in this ledger."""
    if not digest:
        return 0
    runs: dict[str, str] = {}
    uses = 0
    for entry in ledger.entries():
        if isinstance(entry.record, RunStarted):
            runs[entry.run] = entry.record.data.get("sealed", "")
        elif isinstance(entry.record, ClaimBegun) and entry.run != name:
            uses += runs.get(entry.run) == digest
    return uses
