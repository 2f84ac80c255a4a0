"""One writer a folder: a second is refused at once, a dead one is in nobody's way."""

import signal
import subprocess
import sys

import pytest
from command import LIMIT, run

from hebbax.errors import HebbaxError
from hebbax.runs.lock import LOCK, WRITER, results_folder, writing

# It ends with the test that started it, whose death closes its input.
HOLD = (
    "import sys; from pathlib import Path; from hebbax.runs.lock import writing\n"
    "with writing(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=LIMIT)


def test_a_second_writer_is_told_who_the_first_is(tmp_path, holder):
    with pytest.raises(HebbaxError) as error, writing(tmp_path):
        pass
    host = (tmp_path / WRITER).read_text().split(" on ")[1]
    assert str(error.value) == (
        f"{tmp_path}: another hebbax writes there (process {holder.pid} on {host}); wait for its "
        "end, or give another --out."
    )


def test_every_command_that_writes_is_refused(tmp_path, holder):
    done = run("models", "--model", "no-learning", "--out", tmp_path, "--animals", "2")
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"hebbax: {tmp_path}: another hebbax writes there (process {holder.pid} on "
    )
    assert {path.name for path in tmp_path.iterdir()} == {LOCK, WRITER}


def test_a_killed_writer_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(LIMIT)
    assert (tmp_path / LOCK).exists()
    with writing(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
    with writing(tmp_path), pytest.raises(HebbaxError), writing(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_made_for_nothing_goes_and_one_with_results_stays(tmp_path):
    new = tmp_path / "new"
    with pytest.raises(HebbaxError, match="refused"), results_folder(new):
        raise HebbaxError("refused")
    assert not new.exists()
    with results_folder(new):
        (new / "answer.json").write_text("{}")
    assert [path.name for path in new.iterdir()] == ["answer.json"]
    (new / "answer.json").unlink()
    with results_folder(new):
        pass
    assert new.is_dir()  # it was there before
