"""Some seconds of fuzzing; tests/fuzz/schemathesis_run.py has the command for a night of it."""

from collections.abc import Iterator

import pytest

from tests.fuzz.schemathesis_run import SETTINGS, fuzz
from tests.server import RunningService


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    service = RunningService(tmp_path_factory.mktemp("fuzzed"), **SETTINGS).start()
    yield service
    assert service.stop() == 0


@pytest.mark.parametrize(
    ("phases", "seed"),
    [("coverage", 1), ("fuzzing,stateful", 2), pytest.param("fuzzing,stateful", 3, marks=pytest.mark.long)],
)
def test_nothing_that_the_document_allows_or_forbids_breaks_the_service(
    service: RunningService, phases: str, seed: int
) -> None:
    outcome = fuzz(service, seed=seed, seconds=12, phases=phases)
    assert outcome.failures == 0, outcome.said
    assert outcome.requests > 0  # how many is up to the machine
    said = service.output()
    assert "unexpected failure" not in said
    assert said.count('"worker stopped"') == said.count("WORKER TIMEOUT") == 0
