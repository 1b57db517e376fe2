"""`holdfast verify`: is the record whole, and does every landed commit rest on evidence?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.ui.cli.options import HOME, Home, Json, print_json


def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An exported ledger, instead of the home's.")] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Check the record and what the trunk rests on.

    The hash chain from end to end, and for every landed commit the evidence behind it.
    """
    from holdfast import assembly
    from holdfast.core.errors import LedgerError

    found = assembly.verify_file(Path(file)) if file else assembly.verify(home)
    head, landed, faults = found.head, found.landed, found.faults
    if as_json:
        print_json({"records": head.index, "head": head.hash, "landed": landed, "faults": faults, "ok": not faults})
    elif not faults:
        commits = "" if file else f", {landed} landed commits rest on evidence"
        print(f"verified: {head.index} records in an unbroken chain{commits}\nhead {head.hash}")
    if faults:
        raise LedgerError("the trunk does not rest on the record:\n" + "\n".join(f"  {fault}" for fault in faults))
