"""The group `mlops`. A command's module is imported only when that command is called or the help is shown."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

import click

_PACKAGE = "mlops_dag_factory.cli"
COMMANDS = {
    "validate": f"{_PACKAGE}.validate:validate",
    "schema": f"{_PACKAGE}.schema:schema",
    "plan": f"{_PACKAGE}.plan:plan",
    "diff": f"{_PACKAGE}.diff:diff",
    "graph": f"{_PACKAGE}.graph:graph",
    "render": f"{_PACKAGE}.render:render",
    "new": f"{_PACKAGE}.new:new",
    "run": f"{_PACKAGE}.run:run",
    "runs": f"{_PACKAGE}.runs:runs",
    "versions": f"{_PACKAGE}.versions:versions",
    "data": f"{_PACKAGE}.data:data",
    "profile": f"{_PACKAGE}.data:profile_source",
    "cache": f"{_PACKAGE}.cache:cache",
    "serve": f"{_PACKAGE}.serve:serve",
    "serve-key": f"{_PACKAGE}.serve:serve_key",
    "bundle": f"{_PACKAGE}.bundle:bundle",
    "services": f"{_PACKAGE}.services:services",
    "audit": f"{_PACKAGE}.audit:audit",
    "explain": f"{_PACKAGE}.explain:explain",
    "monitor": f"{_PACKAGE}.monitor:monitor",
    "todo": f"{_PACKAGE}.todo:todo",
    "approve": f"{_PACKAGE}.approve:approve",
    "rollback": f"{_PACKAGE}.rollback:rollback",
}
"""Name of a command -> 'module:command'."""


class LazyGroup(click.Group):
    """A group whose commands are found in a table and imported when they are needed."""

    def __init__(self, *args: Any, table: dict[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Give the names of the commands in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        """Import a command; None where there is none of that name."""
        if cmd_name not in self.table:
            return None
        module, _, name = self.table[cmd_name].partition(":")
        return cast("click.Command", getattr(import_module(module), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong name is answered with the nearest one."""
        name = args[0]
        if name not in self.table and not name.startswith("-"):
            from mlops_dag_factory.errors import suggestion

            hint = suggestion(name, self.table)
            raise click.UsageError(f"there is no command '{name}'; {hint}commands: {', '.join(self.table)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="airflow-provider-mlops", prog_name="mlops")
def mlops() -> None:
    """Take machine-learning workflows from data to production and keep them there."""


def main() -> None:
    """Run the command line; exit 0, 1 (problems found) or 2 (usage)."""
    mlops(prog_name="mlops")


if __name__ == "__main__":
    main()
