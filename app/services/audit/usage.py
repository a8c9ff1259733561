"""The counters of users, with the rows that they count."""

from collections.abc import Iterator

from app.models import Usage
from app.services.audit.findings import Defect, DefectKind, Finding, Remedy, Repairer
from app.services.metadata import RowChanged
from app.services.tables import Counted
from app.services.usage import Recount, UsageCounters


class UsageCheck:
    """Counts everything anew, and looks at those users for whom that gives something else."""

    def __init__(self, usage: UsageCounters, repairer: Repairer) -> None:
        self._usage = usage
        self._repairer = repairer

    def steps(self) -> Iterator[tuple[int, list[Finding]]]:
        """How many rows were looked at in each step, and what is wrong; that comes last, when all are counted.

        A counter that has not changed since before the rows were counted must agree with them. One
        that has is left to the next audit.
        """
        due_until = self._repairer.due_until()
        found = Recount()
        for checked in self._usage.recount(found, user_id=self._repairer.options.user_id):
            yield checked, []
        for user_id in found.suspects():
            counted, usage = self._usage.counted(user_id), found.usage(user_id)
            if counted.usage != usage and (counted.at is None or counted.at <= due_until):
                finding = self._repairer.resolve(self._drift(user_id, counted, usage))
                yield 0, [finding] if finding else []

    def _drift(self, user_id: str, counted: Counted, usage: Usage) -> Defect:
        def correct() -> None:
            if not self._usage.correct(user_id, counted, usage):
                raise RowChanged

        detail = f"counted are {_said(counted.usage)}, there are {_said(usage)}"
        return Defect(DefectKind.USAGE_DRIFT, user_id, None, detail, Remedy.REPAIR, "set the counter right", correct)


def _said(usage: Usage) -> str:
    return f"{usage.images} images of {usage.bytes} bytes"
