"""What the gateway offers, and what each name that a client may use stands for.

Rule 1. `provider/model` pins one deployment; a model's own name stands for all its deployments.
Rule 2. A tier stands for its first listed model that can serve; `auto` stands for every model that can.
Rule 3. "Can serve" means: the model has the capability asked for, and the key may use both it and the provider. What a
        key may not use does not exist for it, so that it learns nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

AUTO: Final = "auto"


class Capability(StrEnum):
    """What a model can be asked for."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"


class Api(StrEnum):
    """In which API a provider is asked."""

    OPENAI = "openai"  # OpenAI's own, and all that are compatible with it
    ANTHROPIC = "anthropic"  # Messages
    GEMINI = "gemini"  # generateContent and streamGenerateContent


MAX_TOKENS: Final = 4096  # of an answer whose request bounds it not, at an API that wants a bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One model at one provider; no two share both names."""

    model: str
    provider: str
    upstream_model: str
    price: float = 0.0  # prompt and completion together, USD for a million tokens each
    breaker: bool = True  # whether a circuit breaker watches over it, and its Retry-After is obeyed
    prompt_price: int = 0  #: pico-USD for one token
    completion_price: int = 0  #: pico-USD for one token
    api: Api = Api.OPENAI
    max_tokens: int = MAX_TOKENS  # of an answer, where the API wants a bound and the request names none

    def __hash__(self) -> int:
        # Its names tell it from all others, and it is looked up a dozen times a request.
        return hash((self.model, self.provider))

    @property
    def pinned_name(self) -> str:
        """The name by which a client asks for this deployment and no other."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model with all that offer it, in the order of the configuration."""

    name: str
    owned_by: str
    context_window: int
    capabilities: frozenset[Capability]
    deployments: tuple[Deployment, ...]
    tier: str | None = None
    created: int = 0  #: Unix seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """What a key may use; None: everything."""

    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None

    def allows(self, deployment: Deployment) -> bool:
        """Whether the key may use *deployment*."""
        return (self.models is None or deployment.model in self.models) and (
            self.providers is None or deployment.provider in self.providers
        )


UNRESTRICTED: Final = Restriction()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A name under which a model is listed for clients."""

    id: str
    model: Model


class Catalogue:
    """Turns names into deployments; names are case-sensitive."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self._models = models
        self._groups: dict[str, tuple[Model, ...]] = {AUTO: models}
        for model in models:
            self._groups[model.name] = (model,)
            if model.tier is not None:
                self._groups[model.tier] = (*self._groups.get(model.tier, ()), model)
        self._pinned = {each.pinned_name: (model, each) for model in models for each in model.deployments}

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """Every deployment, in configured order."""
        return tuple(deployment for _, deployment in self._pinned.values())

    def resolve(
        self, name: str, capability: Capability, restriction: Restriction = UNRESTRICTED
    ) -> tuple[Deployment, ...]:
        """Return the deployments that *name* stands for, in configured order; none where it is unknown."""
        if name in self._pinned:
            model, deployment = self._pinned[name]
            return (deployment,) if capability in model.capabilities and restriction.allows(deployment) else ()
        able = [
            deployments
            for model in self._groups.get(name, ())
            if capability in model.capabilities
            and (deployments := tuple(each for each in model.deployments if restriction.allows(each)))
        ]
        chosen = able if name == AUTO else able[:1]
        return tuple(each for deployments in chosen for each in deployments)

    def listed(self, restriction: Restriction = UNRESTRICTED) -> Iterator[Listed]:
        """Yield every model under its own name, then under each of its pinned names, as far as the key may use it."""
        for model in self._models:
            allowed = [each for each in model.deployments if restriction.allows(each)]
            if allowed:
                yield Listed(id=model.name, model=model)
            for deployment in allowed:
                yield Listed(id=deployment.pinned_name, model=model)
