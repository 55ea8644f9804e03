"""The page of the control API in a real browser: a provider is broken, the gateway falls back, all is healed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

from routeproof_simulator.behaviours import answer, latency, ok, pace
from routeproof_simulator.catalogue import describe
from routeproof_simulator.thread import FleetThread
from routeproof_spec.marker import in_text
from tests.end_to_end.stack import KEY, Stack

pytestmark = pytest.mark.end_to_end

FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 360, "height": 780}
TOUCH: Final = 44  # pixels that a finger needs (WCAG 2.2, 2.5.5)


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks at the page, and asks the gateway meanwhile."""

    page: Page
    stack: Stack

    def ask(self, marker: str, *, status: int = 200) -> None:
        """Ask the gateway for alpha first, and for beta where alpha fails."""
        headers = {"authorization": f"Bearer {KEY}", "x-inferoute-fallback": "beta/gpt-4o"}
        body = {"model": "alpha/gpt-4o", "messages": [{"role": "user", "content": f"Hi. {in_text(marker)}"}]}
        with httpx2.Client(trust_env=False, timeout=30.0) as client:
            answered = client.post(f"{self.stack.base_url}/chat/completions", json=body, headers=headers)
        assert answered.status_code == status

    def card(self, provider: str) -> Locator:
        return self.page.get_by_role("article", name=provider, exact=True)

    def click(self, provider: str, name: str) -> None:
        self.card(provider).get_by_role("button", name=re.compile(f"^{name} {provider}")).click()

    def tries(self, marker: str) -> Locator:
        """Return every try of one request, as the list of requests has them."""
        return self.page.locator(f'#requests li[data-request="{marker}"] .try')

    def bars(self, provider: str, kind: str) -> Locator:
        return self.page.locator(f'.bar[data-provider="{provider}"][data-kind="{kind}"]')


@pytest.fixture(params=["desktop", "phone"])
def visit(request: pytest.FixtureRequest, browser: Browser, stack: Stack, fleet: FleetThread) -> Iterator[Visit]:
    is_phone = request.param == "phone"
    context = browser.new_context(viewport=PHONE if is_phone else DESKTOP, has_touch=is_phone, is_mobile=is_phone)
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda told: complaints.append(told.text) if "Security Policy" in told.text else None)
    page.on(
        "request", lambda asked: complaints.append(asked.url) if not _is_own(asked.url, fleet.control_url) else None
    )
    httpx2.delete(f"{fleet.control_url}/journal", trust_env=False)
    page.goto(fleet.control_url)
    expect(page.locator("#link")).to_have_text("live")
    yield Visit(page, stack)
    assert complaints == []
    context.close()


def _is_own(url: str, control_url: str) -> bool:
    return url.startswith((control_url, "data:"))


def test_the_primary_is_killed_the_gateway_falls_back_and_after_the_heal_traffic_returns(visit: Visit) -> None:
    visit.ask("page-one")
    expect(visit.tries("page-one")).to_have_text(["alpha 200"])
    visit.click("alpha", "Kill")
    expect(visit.card("alpha")).to_contain_text("door refused")
    before = visit.bars("beta", "good").count()
    visit.ask("page-two")
    expect(visit.tries("page-two")).to_have_text(["beta 200"])
    expect(visit.bars("beta", "good")).to_have_count(before + 1)
    visit.click("alpha", "Heal")
    expect(visit.card("alpha")).to_contain_text("healthy, as configured")
    visit.ask("page-three")
    expect(visit.tries("page-three")).to_have_text(["alpha 200"])


def test_another_fault_opens_the_door_that_was_shut(visit: Visit) -> None:
    visit.click("alpha", "Kill")
    expect(visit.card("alpha")).to_contain_text("door refused")
    visit.click("alpha", "429")
    expect(visit.card("alpha")).not_to_contain_text("door refused")
    visit.ask("page-opened")
    expect(visit.tries("page-opened")).to_have_text(["alpha 429", "beta 200"])


def test_the_tries_of_one_request_are_joined_across_the_lanes(visit: Visit) -> None:
    visit.click("alpha", "429")
    expect(visit.card("alpha")).to_contain_text("fail(status=429, retry_after=2")
    hops = visit.page.locator(".hop")
    before = hops.count()
    visit.ask("page-joined")
    expect(visit.tries("page-joined")).to_have_text(["alpha 429", "beta 200"])
    expect(hops).to_have_count(before + 1)
    visit.click("alpha", "429")
    expect(visit.card("alpha")).to_contain_text("healthy")


def test_what_is_asked_twice_at_once_of_one_provider_is_two_requests(visit: Visit, fleet: FleetThread) -> None:
    alpha = fleet["alpha"]
    alpha.behave(latency(0.5))
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "The same."}]}

    def ask(_: int) -> int:
        headers = {"authorization": f"Bearer {alpha.key}"}
        return httpx2.post(
            f"{alpha.base_url}/chat/completions", json=body, headers=headers, trust_env=False
        ).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, range(2))) == [200, 200]
    alpha.behave(ok)
    unmarked = visit.page.locator('#requests li[data-request="chat/completions"]')
    expect(unmarked).to_have_count(2)
    expect(unmarked.locator(".try")).to_have_text(["alpha 200", "alpha 200"])


def test_a_wrong_value_in_a_form_shows_the_mend_and_a_right_one_is_applied(visit: Visit) -> None:
    visit.click("alpha", "More faults…")
    form = visit.page.get_by_role("dialog", name="Break alpha")
    form.get_by_label("Fault").select_option("fail")
    status = form.locator("input[name=status]")
    status.fill("9000")
    form.get_by_role("button", name="Apply").click()
    expect(form.get_by_role("alert")).to_contain_text("found 9000; wanted at least 300, at most 599")
    expect(status).to_have_attribute("aria-invalid", "true")
    expect(status).to_be_focused()
    expect(visit.card("alpha")).to_contain_text("healthy")
    status.fill("503")
    form.locator("#fault-when-name").select_option("first")
    form.locator("input[name=n]").fill("2")
    form.get_by_role("button", name="Apply").click()
    expect(form).to_be_hidden()
    expect(visit.card("alpha")).to_contain_text("first(n=2, behaviour=fail(status=503))")


def test_a_change_is_undone_by_whoever_sees_it_and_not_what_came_after(visit: Visit) -> None:
    visit.click("alpha", "Kill")
    visit.click("beta", "Slow")
    expect(visit.card("beta")).to_contain_text("ttft(seconds=5.0)")
    undo = visit.page.locator("#undo")
    expect(undo).to_have_attribute("aria-label", re.compile("^Undo: beta: "))
    undo.click()
    expect(visit.card("beta")).to_contain_text("healthy")
    expect(visit.card("alpha")).to_contain_text("door refused")
    expect(undo).to_have_attribute("aria-label", "Undo: alpha: door refused")
    undo.click()
    expect(visit.card("alpha")).to_contain_text("healthy")


def test_a_change_lasts_as_long_as_was_chosen_and_heal_all_ends_it(visit: Visit) -> None:
    visit.page.get_by_label("Changes last").select_option("60")
    visit.click("gamma", "Cut streams")
    expect(visit.card("gamma")).to_contain_text(re.compile(r"heals by itself in (1 min|[345]\d s)"))
    visit.page.get_by_role("button", name="Heal all").click()
    expect(visit.card("gamma")).to_contain_text("healthy")
    expect(visit.page.get_by_role("button", name="Heal all")).to_be_disabled()


def test_what_another_program_changes_is_seen(visit: Visit, fleet: FleetThread) -> None:
    fleet.set_behaviour("beta", pace(60.0))
    expect(visit.card("beta")).to_contain_text("pace(tokens_per_second=60.0)")
    fleet.set_behaviour("beta", ok)
    expect(visit.card("beta")).to_contain_text("healthy")


def test_what_is_received_is_text_and_nothing_else(visit: Visit, fleet: FleetThread) -> None:
    fleet.set_behaviour("alpha", answer(body="<img id=planted src=x onerror=alert(1)>"))
    expect(visit.card("alpha")).to_contain_text("<img id=planted")
    assert visit.page.locator("#planted").count() == 0


def test_there_is_a_form_for_every_fault(visit: Visit) -> None:
    visit.click("alpha", "More faults…")
    form = visit.page.get_by_role("dialog", name="Break alpha")
    names = [each.name for each in describe() if all(one.type != "behaviour" for one in each.attributes)]
    options = form.locator("#fault-name option")
    assert sorted(options.evaluate_all("all => all.map(each => each.value)")) == sorted(names)
    for description in describe():
        if description.name in names:
            form.get_by_label("Fault").select_option(description.name)
            fields = form.locator("#fault-fields").locator("input, select")
            shown = fields.evaluate_all("all => all.map(each => each.name)")
            assert shown == [each.name for each in description.attributes]
    wrapping = [each.name for each in describe() if each.name not in names]
    when = form.locator("#fault-when-name option").evaluate_all("all => all.map(each => each.value)")
    assert when == ["always", *wrapping]


def test_everything_has_a_name_fits_the_screen_and_is_large_enough_for_a_finger(visit: Visit) -> None:
    visit.ask("page-fits")
    expect(visit.tries("page-fits")).to_have_count(1)
    widths = visit.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1], "it scrolls sideways"
    controls = visit.page.locator("button:visible, select:visible")
    for control in controls.all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= TOUCH - 0.5, control.inner_text()
        assert control.inner_text() or control.get_attribute("aria-label")
    expect(visit.page.locator("#lanes svg")).to_have_attribute("aria-label", re.compile("alpha good"))
