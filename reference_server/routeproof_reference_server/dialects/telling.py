"""One question, told in each API that it comes to be asked in: once, however many of its providers are tried."""

from __future__ import annotations

from typing import final

from routeproof_reference_server.dialects import DIALECTS
from routeproof_reference_server.dialects.dialect import Question, Sent, Tree, Untranslatable
from routeproof_reference_server.routing.catalogue import Api, Deployment


@final
class Telling:
    """Tells *question* to deployments."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self._told: dict[Api, Tree | Untranslatable] = {}

    def refusal(self, deployment: Deployment) -> Untranslatable | None:
        """Return why *deployment* cannot be asked this, or None where it can."""
        told = self._in(deployment.api)
        return told if isinstance(told, Untranslatable) else None

    def fits(self, deployment: Deployment) -> bool:
        """Whether *deployment* can be asked this."""
        return deployment.api is Api.OPENAI or self.refusal(deployment) is None

    def sent(self, deployment: Deployment) -> Sent:
        """Return what *deployment*, which fits, is asked."""
        told = self._in(deployment.api)
        assert not isinstance(told, Untranslatable), "who cannot be asked is not tried"
        return DIALECTS[deployment.api].sent(told, self.question, deployment)

    def _in(self, api: Api) -> Tree | Untranslatable:
        if api not in self._told:
            try:
                self._told[api] = DIALECTS[api].told(self.question)
            except Untranslatable as error:
                self._told[api] = error
        return self._told[api]
