import fnmatch
import re
import textwrap
from pathlib import Path
from random import Random

import pytest

from routeproof_conformance.ask import Link
from routeproof_conformance.dialect import DIALECTS, load_dialect
from routeproof_conformance.forms import FORMS
from routeproof_conformance.judge.outcome import NotDeclared
from routeproof_conformance.pools import Pools
from routeproof_conformance.run import SUITE
from routeproof_conformance.settings import Settings, resolve
from routeproof_conformance.target import Target, load_target, url_target
from routeproof_conformance.target_file import CAPABILITIES, Expectation, PoolTable, refuse_unknown
from routeproof_spec.errors import ConfigError
from routeproof_spec.requirement import load_requirements

MINIMAL = '[target]\nname = "mine"\nbase_url = "http://127.0.0.1:1/v1"\n'
ENVIRON = {"TOKENHUB_API_KEY": "th-mine"}
TARGETS = Path(__file__).parents[2] / "conformance" / "targets"


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Target:
    path = folder / "target.toml"
    path.write_text(textwrap.dedent(text))
    return load_target(path, environ=ENVIRON if environ is None else environ, rng=Random(0))


@pytest.mark.parametrize(
    ("text", "key", "wanted"),
    [
        (MINIMAL + "[modles]\n", "modles", "'models'"),
        (MINIMAL + '[models]\nchta = "x"\n', "models.chta", "'chat'"),
        (MINIMAL + "[timing]\nslack = 'long'\n", "timing.slack", "float"),
        ('[target]\nname = "x"\n', "target.base_url", "the gateway's URL, or a [launch] table, or --gateway-url"),
        ('[target]\nbase_url = "http://h/v1"\n', "target.name", "this key, which is required"),
        (MINIMAL + '[providers]\nfleet = "three"\ncontrol_url = "http://h"\n', "providers", "one of the two"),
        (
            MINIMAL + '[providers]\nfleet = "three"\n[models]\npinned = {delta = "d"}\n',
            "models",
            "one of alpha, beta, gamma",
        ),
        (
            MINIMAL + '[[models.pools]]\nnames = ["p"]\nproviders = ["a"]\ncheapest_first = ["b"]\n',
            "models.pools[0].cheapest_first",
            "only providers of the pool",
        ),
        (MINIMAL + '[dialect]\nname = "tokenhubb"\n', "dialect.name", "one of openai, rolter, tokenhub, or"),
        (MINIMAL + "[capabilities]\nembedings = false\n", "capabilities.embedings", "'embeddings'"),
        (MINIMAL + "[timing]\nheaders = -1.0\n", "timing.headers", ">= 0"),
        (MINIMAL + "[stats]\nalpha = 1.5\n", "stats.alpha", "< 1"),
        (MINIMAL + "[routing]\nworkers = 0\n", "routing.workers", ">= 1"),
        (MINIMAL + "[routing]\nexploration = 1.0\n", "routing.exploration", "< 1"),
    ],
)
def test_wrong_file_names_the_key_and_the_mend(tmp_path: Path, text: str, key: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert (caught.value.key, wanted in caught.value.wanted) == (key, True)


def test_missing_key_names_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the environment variable TOKENHUB_API_KEY unset"):
        load(tmp_path, MINIMAL, environ={})


def test_launched_target_gets_keys_that_are_unset(tmp_path: Path) -> None:
    text = MINIMAL + '[launch]\ncommand = ["x"]\n[keys]\nexpired = "OLD_KEY"\n'
    target = load(tmp_path, text, environ={"TOKENHUB_API_KEY": "th-mine"})
    assert target.key("main") == "th-mine"
    assert target.key("expired").startswith("th-")
    assert len({target.key(role) for role in ("main", "expired", "unknown")}) == 3


def test_same_seed_draws_the_same_keys(tmp_path: Path) -> None:
    text = MINIMAL + '[launch]\ncommand = ["x"]\n'
    assert load(tmp_path, text, environ={}).keys == load(tmp_path, text, environ={}).keys


def test_keys_are_not_shown(tmp_path: Path) -> None:
    assert "th-mine" not in repr(load(tmp_path, MINIMAL))


def test_capability_is_lacking_where_it_or_what_holds_it_is_declared_away(tmp_path: Path) -> None:
    target = load(tmp_path, MINIMAL + "[capabilities]\nstrategy = false\n")
    assert target.lacks("strategy.latency") == "the target declares that it has no strategy"
    assert target.lacks("fallback") is None


def test_pinned_names_may_differ_by_operation(tmp_path: Path) -> None:
    names = 'chat = "m"\ncompletions = "m"\nembeddings = "e"\npinned = {a = "a/m"}\npinned_embeddings = {a = "a/e"}\n'
    target = load(tmp_path, f"{MINIMAL}[models]\n{names}")
    assert target.pinned("completions") == (Link(provider="a", model="a/m"),)
    assert target.pinned("embeddings") == (Link(provider="a", model="a/e"),)


def test_pinned_names_of_chat_are_not_asked_for_what_another_model_does(tmp_path: Path) -> None:
    target = load(tmp_path, f'{MINIMAL}[models]\nchat = "m"\nembeddings = "e"\npinned = {{a = "a/m"}}\n')
    with pytest.raises(NotDeclared, match=r"does not declare models\.pinned_embeddings"):
        target.pinned("embeddings")


def test_what_is_not_declared_is_named(tmp_path: Path) -> None:
    target = load(tmp_path, MINIMAL)
    with pytest.raises(NotDeclared, match=r"models\.chat: name one, or say \[capabilities\] chat = false"):
        target.default_model("chat")
    with pytest.raises(NotDeclared, match=r"does not declare keys\.expired"):
        target.key("expired")


def test_url_alone_makes_a_one_sided_target() -> None:
    target = url_target("http://127.0.0.1:1/v1/", environ=ENVIRON, rng=Random(0))
    assert (target.base_url, target.is_url_only, target.is_two_sided) == ("http://127.0.0.1:1/v1", True, False)


def test_pool_is_handed_out_once_and_the_smallest_that_fits_first() -> None:
    pools = Pools(
        [
            PoolTable(names=("three",), providers=("a", "b", "c")),
            PoolTable(names=("two-1", "two-2"), providers=("a", "b"), strategy="cost", cheapest_first=("b", "a")),
        ]
    )
    assert pools.take(strategy="cost", priced=True).model == "two-1"
    assert pools.take(strategy="latency").model == "three"
    assert pools.shared(strategy="cost") is pools.shared(strategy="cost")
    with pytest.raises(NotDeclared, match="no fresh pool of 2 providers for cost and chat left"):
        pools.take(strategy="cost")


@pytest.mark.parametrize("path", sorted(TARGETS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_target_loads(path: Path) -> None:
    target = load_target(path, environ={}, rng=Random(0))
    assert target.is_two_sided
    assert len(target.pinned()) == 3


def test_unknown_profile_is_refused_with_its_mend() -> None:
    with pytest.raises(ConfigError, match="'fallback'"):
        resolve(Settings(url="http://h/v1", profiles=("falback",)), environ=ENVIRON)


def test_option_that_speaks_of_a_url_alone_is_refused_beside_a_target_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--dialect: found a target file beside it; wanted \[dialect\] name"):
        resolve(Settings(target=tmp_path / "target.toml", dialect="openai"), environ=ENVIRON)


def test_unset_key_of_a_url_names_the_variable_and_the_option() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(Settings(url="http://h/v1"), environ={})
    found = "found an unset environment variable; wanted the client's key in it, or --key-env NAME"
    assert str(caught.value) == f"TOKENHUB_API_KEY: {found}"


def test_unknown_key_is_well_formed_in_the_dialect_that_is_spoken() -> None:
    target = url_target("http://h/v1", environ=ENVIRON, rng=Random(0))
    spoken = target.speaking(load_dialect("openai"), why="it is so")
    assert (target.key("unknown")[:3], spoken.key("unknown")[:3]) == ("th-", "sk-")
    assert spoken.judged_as == "judged as: openai (it is so)"


def test_capabilities_are_those_that_the_suite_asks_for() -> None:
    suite = "".join(path.read_text() for path in sorted(SUITE.glob("test_*.py")))
    asked = {*re.findall(r'mark\.needs\("([^"]*)"', suite), *(form.operation for form in FORMS)}
    assert set(CAPABILITIES) == asked | {name.partition(".")[0] for name in asked}


@pytest.mark.parametrize("path", sorted(DIALECTS.glob("*.toml")), ids=lambda path: path.stem)
def test_dialect_excuses_only_what_the_catalogue_holds(path: Path) -> None:
    known = load_requirements()
    patterns = load_dialect(path.stem).not_promised
    assert [each for each in patterns if not fnmatch.filter(known, each)] == []


def test_plain_api_is_held_to_public_standards_and_universal_rules_alone() -> None:
    dialect = load_dialect("openai")
    assert dialect.unpromised("headers.provider.present")
    bound = {each for each in load_requirements() if dialect.unpromised(each) is None}
    assert {"auth.error.challenge", "auth.scheme.case", "usage.total.sum", "stream.done.present"} <= bound
    assert {each for each in load_requirements() if each.startswith("universal.")} <= bound


@pytest.mark.parametrize(
    ("check", "wanted"),
    [("fallback/server_eror_leads", "'fallback/server_error_leads'"), ("falback/stops[a]", "'fallback/stops[a]'")],
)
def test_expectation_that_names_no_check_is_refused_with_the_near_name(check: str, wanted: str) -> None:
    names = ["fallback/server_error_leads", "fallback/stops[a]"]
    with pytest.raises(ConfigError) as caught:
        refuse_unknown([Expectation(check=check, reason="known")], names, file="target.toml")
    assert (caught.value.key, caught.value.wanted) == ("expected[0].check", wanted)


def test_expectation_of_a_check_of_another_run_is_left_alone() -> None:
    mine = [Expectation(check=each, reason="known") for each in ("mine/own", "fallback/stops")]
    refuse_unknown(mine, ["fallback/stops[a]"], file="target.toml")


def test_url_without_a_scheme_is_refused() -> None:
    with pytest.raises(ConfigError, match="begins with http"):
        resolve(Settings(url="localhost:1"), environ=ENVIRON)
