"""What `routeproof serve` tells a newcomer: where the gateway is, the key, and a first request that works."""

from __future__ import annotations

from routeproof_reference_server import GatewayConfig

DEFAULT_KEY = "th-local"  # its hash stands in the default gateway.toml, whose keys are for loopback alone

_DEFAULT = """\
The reference gateway serves {base_url}

  URL  {base_url}
  key  {key}

Try it:

  curl {base_url}/chat/completions \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Say hello."}}]}}'

Then: add -i to see who served it; -H 'X-Inferoute-Strategy: round-robin' to spread the requests;
-H 'X-Inferoute-Fallback: {other}' to survive an outage; `"stream": true` to stream.
Prove it: routeproof check {base_url} --key-env TOKENHUB_API_KEY   (with TOKENHUB_API_KEY={key})
Stop it with Ctrl-C."""

_CONFIGURED = """\
The reference gateway serves {base_url}

  URL    {base_url}
  keys   {keys}
  models {models}

Try it, with one of your keys in TOKENHUB_API_KEY:

  curl {base_url}/models -H "Authorization: Bearer $TOKENHUB_API_KEY"

Prove it: routeproof check {base_url}
Stop it with Ctrl-C."""


def greeting(base_url: str, settings: GatewayConfig, *, is_default: bool) -> str:
    """Return what to print once the gateway at *base_url* listens."""
    names = [each.name for each in settings.models]
    if is_default:
        return _DEFAULT.format(base_url=base_url, key=DEFAULT_KEY, model=names[0], other=names[1])
    keys = ", ".join(each.name for each in settings.keys) or "none: every request will be refused"
    return _CONFIGURED.format(base_url=base_url, keys=keys, models=", ".join(names))
