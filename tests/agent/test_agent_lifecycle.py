"""An attempt from its start to its end, as the files show it."""

from __future__ import annotations

import hashlib
import json
import signal
from typing import Any

import pytest


def test_leaving_normally_says_done_and_an_exception_says_failed(room: Any) -> None:
    code, _out, err = room.run("with Agent() as agent:\n    agent.stage('one')\n")
    assert (code, err) == (0, "")
    assert room.read("progress.json")["status"] == "done"
    code, _out, err = room.run("with Agent() as agent:\n    raise ValueError('no such page')\n")
    assert code == 1 and "Traceback" in err
    progress = room.read("progress.json")
    assert progress["status"] == "failed"
    assert progress["errors"][-1]["kind"] == "ValueError"
    assert progress["errors"][-1]["message"] == "no such page"


def test_sigterm_unwinds_the_with_bodies_and_exits_143(room: Any) -> None:
    process = room.start(
        "with Agent() as agent:\n"
        "    try:\n"
        "        agent.stage('long')\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        agent.log('unwound')\n"
    )
    room.wait_for(lambda: room.read("progress.json").get("stage"))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (143, "unwound\n", "")
    assert room.read("progress.json")["status"] == "stopped"


def test_a_checkpoint_is_the_envelope_of_the_protocol_and_comes_back(room: Any) -> None:
    room.run("with Agent() as agent:\n    agent.checkpoint({'b': (1, 2), 'ä': {10: 1, 9: 2}})\n")
    envelope = room.read("checkpoint.json")
    assert envelope["longwatch_checkpoint"] == 1
    assert (envelope["run_id"], envelope["epoch"], envelope["sequence"]) == (room.run_id, 1, 1)
    text = json.dumps(envelope["state"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert envelope["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    code, out, err = room.run(
        "with Agent() as agent:\n"
        "    print(agent.resumed, agent.epoch, agent.attempt, agent.run_id)\n"
        "    agent.checkpoint(1)\n"
    )
    assert (code, err) == (0, "")
    assert out == f"{{'b': [1, 2], 'ä': {{'10': 1, '9': 2}}}} 2 2 {room.run_id}\n"
    assert room.read("checkpoint.json")["sequence"] == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sha256": "0" * 64}, "checksum"),
        ({"run_id": "ANOTHER"}, "ANOTHER"),
        ({"sequence": "7"}, "sequence"),
        ({"longwatch_checkpoint": 2}, "envelope"),
    ],
)
def test_a_checkpoint_that_proves_nothing_is_refused(
    room: Any, change: dict[str, Any], says: str
) -> None:
    room.run("with Agent() as agent:\n    agent.checkpoint({'n': 1})\n")
    room.write("checkpoint.json", room.read("checkpoint.json") | change)
    code, _out, err = room.run("with Agent() as agent:\n    pass\n")
    assert code == 1
    assert "CheckpointDamagedError" in err and says in err


def test_an_attempt_older_than_the_checkpoint_refuses_to_start(room: Any) -> None:
    room.run("with Agent() as agent:\n    agent.checkpoint({'n': 1})\n", epoch=5)
    before = room.read("progress.json")
    for name in ("epoch", None):  # by the epoch file, and by the checkpoint alone
        code, out, err = room.run("with Agent() as agent:\n    print('ran')\n", epoch=3)
        assert (code, out) == (70, "")
        assert "epoch 3" in err and "epoch 5" in err
        if name:
            (room.run_dir / name).unlink()
    assert room.read("progress.json") == before


def test_a_living_attempt_writes_nothing_once_a_newer_one_has_begun(room: Any) -> None:
    old = room.start(
        "with Agent() as agent:\n"
        "    agent.checkpoint('old')\n"
        "    while not os.path.exists('go'):\n"
        "        time.sleep(0.005)\n"
        "    try:\n"
        "        agent.checkpoint('from the past')\n"
        "    except Exception:\n"
        "        print('swallowed')\n",
        epoch=1,
    )
    room.wait_for(lambda: room.read("checkpoint.json"))
    room.run("with Agent() as agent:\n    agent.checkpoint('new')\n", epoch=2)
    progress = room.read("progress.json")
    (room.folder / "go").touch()
    out, err = old.communicate(timeout=20)
    assert (old.returncode, out) == (70, "")
    assert "outdated" in err
    assert room.read("checkpoint.json")["state"]["user"] == "new"
    assert room.read("progress.json") == progress


def test_progress_is_coalesced_and_the_last_value_is_never_lost(room: Any) -> None:
    _code, out, _err = room.run(
        "writes = 0\n"
        "def seen(event, args):\n"
        "    global writes\n"
        "    writes += event == 'os.rename'\n"
        "with Agent() as agent:\n"
        "    sys.addaudithook(seen)\n"
        "    agent.stages(['a', 'b'])\n"
        "    agent.stage('b')\n"
        "    for n in range(20_000):\n"
        "        agent.progress(n, 20_000, 'rows', step=f'row {n}')\n"
        "    agent.usage(input_tokens=5, cost_usd=0.5, model='m')\n"
        "    agent.usage(input_tokens=6)\n"
        "print(writes)\n"
    )
    assert int(out) < 60  # a burst, then ten a second
    progress = room.read("progress.json")
    assert progress["stage"] == {"name": "b", "index": 2, "total": 2}
    assert progress["step"]["completed"] == 19_999
    assert progress["usage"] == {
        "input_tokens": 11,
        "cost_usd": 0.5,
        "model": "m",
        "models": {"m": {"input_tokens": 5, "cost_usd": 0.5}},
    }


def test_a_reader_always_finds_a_whole_progress_file(room: Any) -> None:
    process = room.start(
        "with Agent() as agent:\n    for n in range(800):\n        agent.stage(f'stage {n}' * 50)\n"
    )
    room.wait_for((room.run_dir / "progress.json").exists)
    reads = 0
    while process.poll() is None:
        assert room.read("progress.json")["status"] in ("running", "done")
        reads += 1
    assert process.communicate()[1] == ""
    print(f"{reads} reads")


def test_a_first_value_before_a_long_silence_shows_at_once(room: Any) -> None:
    process = room.start(
        "with Agent() as agent:\n"
        "    agent.stages(['a'])\n"
        "    agent.stage('a')\n"
        "    agent.progress(0, 7)\n"
        "    time.sleep(60)\n"
    )
    assert room.wait_for(lambda: room.read("progress.json").get("step", {}).get("total") == 7)
    process.kill()
    process.communicate()


def test_anomalies_errors_and_usage_belong_to_the_run_not_to_the_attempt(room: Any) -> None:
    body = (
        "with Agent() as agent:\n"
        "    agent.anomaly('odd', 'the same thing')\n"
        "    agent.error('slow', service='api', status_code=529, retryable=True)\n"
        "    agent.usage(output_tokens=1)\n"
    )
    room.run(body)
    room.run(body)
    progress = room.read("progress.json")
    assert [a["message"] for a in progress["anomalies"]] == ["the same thing"]
    assert len(progress["errors"]) == 2 and progress["errors"][0]["status_code"] == 529
    assert progress["usage"] == {"output_tokens": 2}


def test_half_a_set_of_variables_is_a_clear_error(room: Any) -> None:
    code, _out, err = room.run("with Agent():\n    pass\n", LONGWATCH_EPOCH="soon")
    assert code == 1 and "LONGWATCH_EPOCH is 'soon'" in err
    code, _out, err = room.run("with Agent():\n    pass\n", LONGWATCH_PROTOCOL="9")
    assert code == 1 and "LONGWATCH_PROTOCOL is 9" in err


def test_without_a_supervisor_a_run_lives_in_a_local_directory(room: Any) -> None:
    body = (
        "with Agent() as agent:\n    print(agent.resumed, agent.epoch)\n    agent.checkpoint(7)\n"
    )
    alone = {"LONGWATCH_RUN_DIR": ""}
    assert room.run(body + "    raise OSError('gone')\n", **alone)[1] == "None 1\n"
    assert room.run(body, **alone)[1] == "7 2\n"
    assert room.run(body, **alone)[1] == "None 1\n"  # the finished run was set aside
    assert (room.folder / ".longwatch-local" / "program.done" / "checkpoint.json").exists()


def test_two_local_runs_of_one_script_exclude_each_other(room: Any) -> None:
    alone = {"LONGWATCH_RUN_DIR": ""}
    first = room.start("with Agent() as agent:\n    time.sleep(60)\n", **alone)
    room.wait_for((room.folder / ".longwatch-local" / "program" / "progress.json").exists)
    code, _out, err = room.run("with Agent() as agent:\n    pass\n", **alone)
    first.kill()
    first.communicate()
    assert code == 1 and "already runs" in err


def test_a_run_that_cannot_be_gone_on_from_says_that_trying_again_is_no_use(room: Any) -> None:
    body = "with Agent() as agent:\n    agent.step(str, 1)\n    agent.step(str, 2)\n"
    room.run(body)
    path = room.run_dir / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"result":"1"', b'"result":"7"'))
    code, _out, err = room.run(body)
    assert code == 1 and "JournalDamagedError" in err
    last = room.read("progress.json")["errors"][-1]
    assert last["retryable"] is False and "line 1" in last["message"]
