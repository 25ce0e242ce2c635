"""Phase type `package`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_provider.operators.phase import PhaseOperator

if TYPE_CHECKING:
    from mlops_dag_factory.spec.package import PackageSpec


class PackageModelOperator(PhaseOperator):
    """Make an image or a bundle of a model and all that it needs."""

    phase_type = "package"
    ui_color = "#e4dff5"

    def connections(self, config: PackageSpec | Any) -> dict[str, str]:
        """Give the address of the registry with its password, and the key that signs a bundle."""
        from mlops_provider.hooks.registry import RegistryHook

        found = {config.conn_id: RegistryHook(config.conn_id).address()} if config.conn_id else {}
        if config.signing_key and not config.signs_with_file():
            found[config.signing_key] = RegistryHook(config.signing_key).secret()
        return found
