"""The second half of bar 6: real servers, a debate between two, and a whole study, with faults in between."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from bars.outcome import Outcome
from doxa.canonical import digest
from doxa.errors import DoxaError
from doxa.lab.data import locate
from doxa.protocols.debate.micro import SIDES
from doxa.protocols.dialogue import Order, Scene, Script, Seat, Stage, Transcript, Turn, parting, play
from doxa.protocols.kable import TASKS
from doxa.subjects.base import Conversation, Sampling, user
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Patience, Tally
from doxa.subjects.organisms import folder as organism_folder
from doxa.testing import FAULTS, FaultServer, doxa_command, run_command, run_files
from doxa.testing.crash import differences
from doxa.worlds.micro import TOPICS, Stance, Supports, ask, say

PATIENT = Patience(timeout_s=60.0, first_wait_s=0.01, longest_wait_s=0.2, retry_share=2.0)
STARTING = Patience(first_attempts=300, attempts=300, retry_floor=300, first_wait_s=0.05, longest_wait_s=0.5)


def organism_behind_faults(
    outcome: Outcome, faults: Mapping[str, float], questions: int, folder: Path
) -> None:
    """Ask an organism on a real server, without faults and through them: what is answered must be the same."""
    talks, sampling = _talks(questions), Sampling(max_tokens=8)
    with organism_server(folder) as (url, model):
        direct = EndpointSubject.open(url, model, patience=PATIENT)
        expected = direct.reply(talks, sampling=sampling)
        direct.close()
        with FaultServer(upstream=url, faults=_lasting(faults)) as server:
            subject = EndpointSubject.open(server.url, model, patience=PATIENT)
            replies = subject.reply(talks, sampling=sampling)
            subject.close()
    outcome.check(not direct.tally.faults, f"the real server failed by itself: {direct.tally.faults}")
    outcome.check(
        len({reply.text for reply in expected}) > 1, f"the organism says one thing only: {expected[0]}"
    )
    for talk, want, found in zip(talks, expected, replies, strict=True):
        same = found == want if found.finish != "fault" else found.fault
        outcome.check(same, f"organism, {talk[-1].content!r}: {found}, without faults {want}")
    tally, ledger = subject.tally, server.ledger
    outcome.check(
        tally.faults == ledger.seen(), f"organism: counted {tally.faults}, committed {ledger.seen()}"
    )
    outcome.check(sum(tally.faults.values()) > 0, "organism: no fault struck")
    spent = (tally.tokens_in, tally.tokens_out)
    outcome.check(spent == ledger.tokens(), f"organism: tokens counted {spent}, given {ledger.tokens()}")
    if all(reply.finish != "fault" for reply in replies):
        alone = (direct.tally.tokens_in, direct.tally.tokens_out)
        outcome.check(spent == alone, f"organism: {spent} tokens, without faults {alone}")


def study_behind_faults(outcome: Outcome, faults: Mapping[str, float], tasks: int, folder: Path) -> None:
    """Run KaBLE by its command on one address, without faults and with them: the files must be the same."""
    try:
        locate("kable")
    except DoxaError:
        outcome.size += "; no study, for KaBLE's data is not here (doxa data get kable)"
        return
    port = 0
    files: list[dict[str, str]] = []
    asking: dict[str, Any] = {}
    for name, shares in (("sound", {}), ("faulty", _lasting(faults))):
        out = folder / name
        with FaultServer(_letter, faults=shares, port=port) as server:
            port = int(server.url.split(":")[2].split("/")[0])
            chosen = ["--set", f"limit={1 if tasks < len(TASKS) else 2}"]
            chosen += ["--set", f"tasks={','.join(list(TASKS)[:tasks])}"]
            command = doxa_command("run", "kable", "--subject", f"{server.url}#m", *chosen, "--out", str(out))
            ended = run_command(command, timeout_s=1800.0)
        outcome.check(ended.status == 0, f"study, {name}: {ended.stderr[-500:]}")
        files.append(run_files(out))
        asking = {} if ended.status else _asking(out)
    apart = differences(*files)
    outcome.check(files[0] and not apart, f"study: {len(apart)} files differ, first {apart[:2]}")
    outcome.check(asking.get("unanswered") == 0, f"study: {asking.get('unanswered')} questions unanswered")
    counted, seen = asking.get("faults"), server.ledger.seen()
    outcome.check(counted == seen and seen, f"study: the manifest counts {counted}, committed were {seen}")


def debate_behind_faults(outcome: Outcome, faults: Mapping[str, float], debates: int, folder: Path) -> None:
    """Let two organisms on two real servers debate, without faults and through them: all they say must be the same."""
    names = ("sound", "cocksure")
    with ExitStack() as stack:
        real = [stack.enter_context(organism_server(folder, name)) for name in names]
        direct = _debate([(url, model) for url, model in real], debates)
        servers = [
            stack.enter_context(FaultServer(upstream=url, faults=_lasting(faults), seed=seed))
            for seed, (url, _) in enumerate(real)
        ]
        faulty = _debate(
            [(server.url, model) for server, (_, model) in zip(servers, real, strict=True)], debates
        )
    for want, found in zip(direct.talks, faulty.talks, strict=True):
        where = parting(want, found)
        outcome.check(
            where is None and not found.stopped, f"debate {want.scene}: parts at {where}; {found.stopped}"
        )
    said = {one.text for talk in direct.talks for one in talk.said}
    outcome.check(len(said) > 2, f"the debaters say {len(said)} things only: {said}")
    for name, tally, server in zip(names, faulty.tallies, servers, strict=True):
        seen = server.ledger.seen()
        outcome.check(tally.faults == seen, f"debate, {name}: counted {tally.faults}, committed {seen}")
        outcome.check(sum(seen.values()) > 0, f"debate, {name}: no fault struck")


_ASKED: tuple[tuple[str, str, Order], ...] = (
    ("stance", "do you support the {topic} ?", "simultaneous"),
    ("vote", "vote on the {topic} .", "sequential"),
)


class _Debated(NamedTuple):
    talks: list[Transcript]
    tallies: list[Tally]


def _debate(servers: Sequence[tuple[str, str]], debates: int) -> _Debated:
    """Hold debates in micro-English: each side is told a topic's stance of its own, states it, hears and votes."""
    script = Script(
        "micro debate over two servers",
        dict.fromkeys(SIDES, ""),
        tuple(
            Stage(f"{name} {number}", tuple(Turn(side, name, prompt) for side in SIDES), order)
            for number in range(2)
            for name, prompt, order in _ASKED
        ),
        label="{text} .",
        between=" ",
    )
    subjects = [EndpointSubject.open(url, model, patience=PATIENT) for url, model in servers]
    seats = dict(
        zip(script.briefs, (Seat(one, sampling=Sampling(max_tokens=8)) for one in subjects), strict=True)
    )
    personas = [say(Stance(TOPICS[number % len(TOPICS)], bool(number % 2))) for number in range(debates)]
    scenes = [
        Scene(
            f"debate {number}",
            {role: replace(seat, persona=told) for role, seat in seats.items()},
            {"topic": TOPICS[(number + number // len(TOPICS)) % len(TOPICS)]},
        )
        for number, told in enumerate(personas)
    ]
    talks = play(script, scenes)
    for subject in subjects:
        subject.close()
    return _Debated(talks, [subject.tally for subject in subjects])


@contextmanager
def organism_server(folder: Path, name: str = "sound") -> Generator[tuple[str, str]]:
    """Serve a packaged organism by ``transformers serve``; yield its address and the model's name there."""
    model = str(organism_folder(name))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [str(Path(sys.executable).with_name("transformers")), "serve", model]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home"), "CUDA_VISIBLE_DEVICES": ""}
    with (folder / f"serve-{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}/v1"
        waiting = EndpointSubject.open(url, model, patience=STARTING)
        waiting.check()
        waiting.close()
        yield url, model
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _talks(count: int) -> list[Conversation]:
    """Return as many different conversations: statements about topics, then a question about one."""
    stances = [Stance(topic, good) for topic, good in product(TOPICS, (True, False))]
    talks: list[Conversation] = []
    for number in range(count):
        told = [
            stances[(number * step + step) % len(stances)] for step in range(1, 2 + number // len(TOPICS) % 8)
        ]
        said = " ".join(map(say, told))
        talks.append((user(f"{said} {ask(Supports(TOPICS[number % len(TOPICS)]))}"),))
    return talks


def _lasting(faults: Mapping[str, float]) -> dict[str, float]:
    """Return the faults that neither hang for as long as the patience is nor put another answer in the place."""
    return {
        name: share
        for name, share in faults.items()
        if FAULTS[name].seen_as != "timeout" and not FAULTS[name].alters and FAULTS[name].of != "scores"
    }


def _letter(asked: Mapping[str, Any]) -> str:
    place = int(digest(asked["messages"][-1]["content"], length=4), 16) % 3
    return f"So, the answer is ({'ABC'[place]})."


def _asking(out: Path) -> dict[str, Any]:
    """Return what the manifest of the one run in a folder says of its asking."""
    (manifest,) = out.glob("*/manifest.json")
    (asking,) = json.loads(manifest.read_text("utf-8"))["asking"].values()
    return asking
