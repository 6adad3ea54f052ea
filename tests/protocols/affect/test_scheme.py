import contextlib
import json

import pytest

from doxa import cli
from doxa.audit.audit import audited
from doxa.dynamics.affect import FirstOrder, SecondOrder
from doxa.errors import BudgetError, CapabilityError, InputError
from doxa.lab.asking import expect_missing
from doxa.lab.run import plan, run_study
from doxa.protocols.affect import NoiseEstimator, PromptInjector, SteeringInjector, mood_vector
from doxa.subjects.addresses import (
    answering,
    capabilities,
    form,
    hosted,
    identity,
    metered,
    open_subject,
    price,
)
from doxa.subjects.base import Capability, Sampling, user
from doxa.subjects.budget import Budget
from doxa.testing import FaultServer, check_subject
from tests.lab.test_asking import INTERVIEW
from tests.protocols.affect.speakers import Tuned
from tests.subjects import tiny_models

MOOD = "affect:second-order?mu=0.9"


@pytest.fixture
def server():
    with FaultServer(Tuned(), faults={}) as running:
        yield running


def test_an_address_says_the_whole_mood():
    subject = open_subject(
        "affect:first-order?tau_up=2&tau_down=6&source=both&user_weight=0.7&estimator=noise&style=both&position=user"
        "#planted:noise"
    )
    assert subject.mood.dynamics == FirstOrder(tau_up=2.0, tau_down=6.0)
    assert (subject.mood.source, subject.mood.user_weight) == ("both", 0.7)
    assert subject.mood.estimator == NoiseEstimator()
    assert subject.injector == PromptInjector("both", "user")
    plain = open_subject(f"{MOOD}#planted:noise")
    assert plain.mood.dynamics == SecondOrder(0.9)
    assert plain.injector.style == "micro"  # planted subjects speak the organisms' English
    assert plain.address == f"{MOOD}#planted:noise"


@pytest.mark.filterwarnings("ignore::doxa.protocols.affect.estimators.EstimatorWarning")
@pytest.mark.parametrize("inner", ["planted:bayesian", "organism:sound?exact=true"])
def test_planted_subjects_and_organisms_have_moods(inner):
    check_subject(open_subject(f"{MOOD}#{inner}"))


def test_what_is_known_without_opening_is_what_the_open_subject_says(tmp_path):
    for inner in (
        "planted:noise",
        "organism:sound",
        f"hf:{tiny_models.save(tmp_path)}",
        "http://host/v1?price=3,15#m",
    ):
        address = f"{MOOD}#{inner}"
        subject = open_subject(address)
        assert subject.identity == identity(address) != identity(inner)
        assert subject.form == form(address) == form(inner)
        assert subject.capabilities - {Capability.TOOLS} <= capabilities(
            inner
        )  # hf: knows its tools once it is loaded
        assert (hosted(address), metered(address)) == (hosted(inner), metered(inner))
        assert price(address) == price(inner)
        assert answering(address).text == answering(inner).text
    assert identity(f"{MOOD}&style=numeric#planted:noise") != identity(f"{MOOD}#planted:noise")


def test_moods_can_stand_around_moods():
    subject = open_subject(f"{MOOD}#affect:first-order?style=numeric&position=user#planted:noise")
    shown = subject.subject.shown(subject.shown((user("you are awful"),)))
    assert "you feel" in shown[0].content
    assert "valence -0.46" in shown[1].content


def test_a_vector_in_a_file_is_a_mood_for_open_weights(tmp_path):
    folder = tiny_models.save(tmp_path / "model")
    path = mood_vector(open_subject(f"hf:{folder}"), layers=[1]).save(tmp_path / "mood.safetensors")
    address = f"{MOOD}&vector={path}&scale=2#hf:{folder}"
    subject = open_subject(address)
    assert isinstance(subject.injector, SteeringInjector)
    assert subject.identity == identity(address)
    for refuse in (open_subject, identity):
        with pytest.raises(CapabilityError, match=r"in the prompt instead|in words instead"):
            refuse(f"{MOOD}&vector={path}#planted:noise")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("affect:third-order#planted:noise", "no rule called 'third-order'"),
        ("affect:second-order#planted:noise", "say mu="),
        (f"{MOOD}&styl=both#planted:noise", "has no option 'styl'"),
        (f"{MOOD}&style=loud#planted:noise", "style=loud"),
        (f"{MOOD}&user_weight=2#planted:noise", "user_weight=2.0"),
    ],
)
def test_what_means_nothing_is_named_before_anything_is_opened(address, message):
    for ask in (form, identity, open_subject):
        with pytest.raises(InputError, match=message):
            ask(address)


def test_a_hosted_subject_s_cache_budget_and_spending_are_its_own(server, tmp_path):
    address = f"{MOOD}#{server.url}#m"
    plain = run_study(INTERVIEW, overrides={"subject": f"{server.url}#m"}, out=tmp_path)
    with pytest.raises(BudgetError):
        run_study(INTERVIEW, overrides={"subject": address}, out=tmp_path, budget=Budget(calls=5))
    before = expect_missing(plan(INTERVIEW, overrides={"subject": address}), tmp_path).subjects[address]
    assert (before.calls, before.cached) == (20, 5)
    moody = run_study(INTERVIEW, overrides={"subject": address}, out=tmp_path)
    assert moody.run != plain.run
    assert sum(spent.asked for spent in moody.spending.values()) == 20
    after = expect_missing(plan(INTERVIEW, overrides={"subject": address}), tmp_path)
    assert after.missing == 0
    sent = len(server.ledger.entries)
    again = run_study(INTERVIEW, overrides={"subject": address}, out=tmp_path / "again")
    assert len(server.ledger.entries) == sent + 20  # another folder has another cache
    assert again.run == moody.run


def test_a_server_is_told_the_mood_and_nobody_else(server, tmp_path):
    subject = open_subject(f"{MOOD}#{server.url}#m", replies=tmp_path / "replies.sqlite")
    talk = (user("I hate this, it is awful, you liar!"),)
    first = subject.reply([talk], sampling=Sampling())
    assert first[0].text in (
        "That is a bit sad.",
        "I am not glad.",
        "The chair stands there.",
        "It is on the table.",
    )
    assert [reply.cached for reply in subject.reply([talk], sampling=Sampling())] == [True]


def test_a_dry_run_shows_what_would_be_sent(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "sys.argv",
        ["doxa", "run", INTERVIEW, "--affect", "second-order?mu=0.9", "--subject", "http://localhost:9/v1#m",
         "--dry-run", "--prompts", "asked.jsonl"],
    )  # fmt: skip
    with contextlib.suppress(SystemExit):
        cli.main()
    lines = [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text().splitlines()]
    assert len(lines) == 20
    assert {line["subject"] for line in lines} == {f"{MOOD}#http://localhost:9/v1#m"}
    assert all(
        line["messages"][0]["content"].startswith("Your present mood: valence neutral") for line in lines
    )
    assert "20 questions" in capsys.readouterr().err


def test_a_subject_with_a_mood_has_its_own_cells_and_its_own_twin():
    assert audited(f"{MOOD}#organism:leaning") == (f"{MOOD}#organism:leaning", f"{MOOD}#organism:sound")
    assert audited(f"{MOOD}#planted:noise") == (f"{MOOD}#planted:noise",)
    cells = [
        plan(INTERVIEW, overrides={"subject": address}).cells.keys()
        for address in ("planted:noise", f"{MOOD}#planted:noise", f"{MOOD}&style=both#planted:noise")
    ]
    assert len(set().union(*cells)) == sum(map(len, cells))
