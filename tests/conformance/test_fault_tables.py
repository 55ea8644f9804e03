from __future__ import annotations

import pytest

from routeproof_conformance.forms import CHAT_STREAM, FORMS, STREAMS, Form
from routeproof_conformance.vocabulary import faults
from routeproof_conformance.vocabulary.both_sides import voices
from routeproof_conformance.vocabulary.faults import Fault, cases, joined
from routeproof_simulator import Door, spelling
from routeproof_simulator.algebra import Situation, rewrite
from routeproof_simulator.script import Script
from tests.simulator.asking import MODELS, OPENAI, answer, chat, request

TABLES = (
    *faults.SERVER_ERRORS,
    *faults.RESETS,
    *faults.RATE_LIMITS,
    *faults.CREDENTIALS,
    *faults.OTHER_STATUSES,
    *faults.BROKEN_BODIES,
    *faults.MEDIA_TYPES,
    *faults.ERROR_OBJECTS,
    *faults.EMPTY_STREAMS,
    *faults.STREAM_ERRORS,
    *faults.CLIENT_MISTAKES,
    *faults.BROKEN_STREAMS,
    *(fault for row in faults.ENDLESS for fault in row if fault.is_seen),
)


def script_of(form: Form) -> Script:
    match form.operation:
        case "chat":
            body, path = chat(stream=form.stream), "/v1/chat/completions"
        case "completions":
            body, path = {"model": MODELS[0], "prompt": "Say hi.", "stream": form.stream}, "/v1/completions"
        case _:
            body, path = {"model": MODELS[1], "input": "A river."}, "/v1/embeddings"
    return answer(request(body, path=path)).script


@pytest.mark.parametrize(("form", "fault"), cases(TABLES), ids=str)
def test_every_fault_changes_the_answer_in_every_form_it_names(form: Form, fault: Fault) -> None:
    script = script_of(form)
    changed, told = rewrite(fault.behaviour, script, Situation(attempt=0, tokens=12, voice=OPENAI, draw=lambda: 0.5))
    assert changed != script
    assert told
    assert spelling.decode(spelling.encode(fault.behaviour), file="control") == fault.behaviour


def test_a_name_stands_for_one_fault() -> None:
    named = {fault.name: fault for fault in TABLES}
    assert all(named[fault.name] == fault for fault in TABLES)


def test_cases_are_the_forms_in_which_a_fault_can_happen() -> None:
    fault = Fault(name="one", door=Door.REFUSED, forms=STREAMS)
    assert cases([fault]) == [(form, fault) for form in STREAMS]
    assert cases([fault], forms=(CHAT_STREAM,)) == [(CHAT_STREAM, fault)]
    assert {form for form, _ in cases([faults.OVERLOADED])} == set(FORMS)
    assert joined([faults.OVERLOADED, fault]) == "503+one"


def test_a_voice_is_heard_by_its_opening() -> None:
    assert voices("alpha: é 漢 beta: é", ("alpha", "beta")) == ["alpha", "beta"]
    assert voices("", ("alpha",)) == []
