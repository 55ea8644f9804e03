"""`routeproof requirements`: what the contract asks, sentence by sentence."""

from __future__ import annotations

import click

from routeproof_spec.requirement import PROFILES, Requirement, get_requirement, load_requirements


@click.command("requirements")
@click.argument("requirement_id", metavar="[ID]", required=False)
@click.option("--profile", type=click.Choice(sorted(PROFILES)), help="Only the requirements of one profile.")
def command(requirement_id: str | None, profile: str | None) -> None:
    """List the requirements, or explain the one with ID.

    \b
    Examples:
      routeproof requirements --profile fallback
      routeproof requirements fallback.order.listed
    """
    if requirement_id is not None:
        click.echo(_explained(get_requirement(requirement_id)))
        return
    shown = [each for each in load_requirements().values() if profile in (None, each.profile)]
    width = max((len(each.id) for each in shown), default=0)
    for each in shown:
        mark = " " if each.excluded is None else "-"
        click.echo(f"{mark} {each.id:<{width}}  {each.level:<6}  {each.text}")
    tested = sum(each.excluded is None for each in shown)
    click.echo(
        f"\n{len(shown)} requirements, {tested} tested; '-' marks those excluded for now (ask for one by its ID)."
    )


def _explained(requirement: Requirement) -> str:
    lines = [
        requirement.id,
        f"  {requirement.text}",
        "",
        f"  level       {requirement.level}",
        f"  source      {', '.join(requirement.source)}",
        f"  profile     {requirement.profile}: {PROFILES[requirement.profile]}",
        f"  needs       {requirement.needs}",
        f"  operations  {', '.join(requirement.operations) or 'all'}",
    ]
    if requirement.excluded is not None:
        lines.append(f"  not tested  {requirement.excluded}")
    return "\n".join(lines)
