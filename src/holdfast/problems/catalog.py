"""Problems by name or by path: the bundled ones, and any directory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import msgspec

from holdfast.core.errors import ProblemError
from holdfast.problems.load import FILE, Problem, load
from holdfast.problems.structure import nearest, parse


class Listing(msgspec.Struct, frozen=True):
    """One line of `holdfast problem list`."""

    name: str
    goal: str
    metric: str
    path: str


class Catalog(msgspec.Struct, frozen=True):
    """The problems that come with the lab, in the directory `bundled`, copied into `home` before they are used."""

    bundled: Path
    home: Path

    def names(self) -> list[str]:
        """The bundled problems' names."""
        return sorted(path.parent.name for path in self.bundled.glob(f"*/{FILE}"))

    def listings(self) -> list[Listing]:
        """What the bundled problems are about; they need not be usable here (a package may be missing)."""
        listings = []
        for name in self.names():
            spec = parse((self.bundled / name / FILE).read_text(encoding="utf-8")).spec
            metric = f"{spec.metric.goal} {spec.metric.name}"
            listings.append(Listing(name, spec.problem.goal, metric, str(self.bundled / name)))
        return listings

    def find(self, name: str) -> Problem:
        """The problem called `name`, or the one in the directory `name` (a path with a slash, or no bundled name).

        A bundled problem is copied to the home by digest, so that a run does not depend on the package staying as
        it is. Raises `ProblemError` for an unknown name or a problem with mistakes.
        """
        if name in self.names():
            return self._copy(load(self.bundled / name))
        path = Path(name)
        if path.is_dir() or path.name == FILE:
            return load(path.parent if path.name == FILE else path)
        raise ProblemError(
            f"there is no problem called {name!r}{nearest(name, self.names())}",
            "`holdfast problem list` names the bundled ones; a directory with a problem.toml works too",
        )

    def kept(self, name: str, digest: str) -> Problem:
        """The copy that a run was begun with. Raises `ProblemError` when it is gone or was changed."""
        path = self.home.resolve() / "problems" / f"{name}-{digest[:12]}"
        if not path.is_dir():
            raise ProblemError(f"the copy of {name} that the run began with is gone from {path}", "start a new run")
        problem = load(path)
        if problem.digest != digest:
            raise ProblemError(f"{path} was changed since it was copied", "delete it; it will be copied again")
        return problem

    def _copy(self, problem: Problem) -> Problem:
        name = problem.spec.problem.name
        path = self.home.resolve() / "problems" / f"{name}-{problem.digest[:12]}"
        if not path.is_dir():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(prefix=".copying-", dir=path.parent) as scratch:
                    fresh = Path(scratch) / name
                    shutil.copytree(problem.root, fresh, ignore=shutil.ignore_patterns("__pycache__"))
                    fresh.rename(path)
            except OSError as error:
                if not path.is_dir():  # else another process was quicker
                    raise ProblemError(f"{name} cannot be copied to {path}: {error}") from error
        return self.kept(name, problem.digest)
