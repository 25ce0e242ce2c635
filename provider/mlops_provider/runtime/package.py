"""Phase `package`: a model and all that it needs, as an image or as a bundle."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from mlops_provider.exceptions import ConfigError, StoreError
from mlops_provider.refs import ImageRef, ModelRef
from mlops_provider.runtime.contract import Inputs, Outcome, RunContext, one
from mlops_provider.runtime.images import environment
from mlops_provider.runtime.images.assemble import assemble
from mlops_provider.runtime.images.base import LAYOUT, Base, find_base
from mlops_provider.runtime.images.bundle import make_bundle
from mlops_provider.runtime.images.layer import Layer, write_layer
from mlops_provider.runtime.images.parts import Parts, check_base, gather
from mlops_provider.runtime.images.recipe import PARTS, ROOT, Recipe, lineage_labels, recipe
from mlops_provider.runtime.images.reference import ImageName
from mlops_provider.runtime.images.registry import Registry
from mlops_provider.runtime.images.report import publish_report
from mlops_provider.runtime.images.smoke import smoke
from mlops_provider.store.models import load_model

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_dag_factory.spec.package import PackageSpec
    from mlops_provider.runtime.images.assemble import Image
    from mlops_provider.store.models import LoadedModel

DEFAULT_BASE = "python:3.11-slim"


def run(config: PackageSpec, inputs: Inputs, context: RunContext) -> Outcome:
    """Build, try with the golden rows, then publish: what does not serve its golden rows is never there."""
    model = load_model(context.store(), one(inputs, "model", ModelRef))
    try:
        if config.builder == "bundle":
            return make_bundle(config, model, context)
        return _image(config, model, context)
    except OSError as err:
        if err.errno == errno.ENOSPC:
            raise StoreError(f"what is packaged does not fit on this disk: {err}") from err
        raise


def _image(config: PackageSpec, model: LoadedModel, context: RunContext) -> Outcome:
    store = context.store()
    repository = _repository(config, context)
    with store.scratch() as scratch:
        folders = {name: scratch / name for name in ("parts", "layout", "smoke")}
        blobs = folders["layout"] / "blobs" / "sha256"
        for folder in (*folders.values(), blobs):
            folder.mkdir(parents=True, exist_ok=True)
        client, base = _base(config, context, blobs)
        check_base(base, model)
        wanted = environment.wanted(config.purpose, model.content.meta["requirements"], config.requirements)
        parts = gather(folders["parts"], model, base, wanted, config.purpose, context.workflow)
        made = _recipe(config, base, model, context)
        tag = model.ref.version or model.ref.digest[:12]
        image, added = _build(config, base, parts, made, folders["layout"], tag)
        tried: dict[str, object] = {}
        if client is not None:
            from mlops_provider.runtime.images import docker

            image_id = docker.load(client, image, f"{repository}:{tag}", scratch)
            if config.smoke:
                tried = docker.smoke(client, image_id, serves=bool(made.port))
        elif config.smoke:
            tried = smoke(image, added, folders["smoke"]) if parts.compiled else {"how": "not run: another Python"}
        if config.push:
            push(image, ImageName.parse(f"{repository}:{tag}"), base, _address(config, context))
        about: dict[str, Any] = {
            "repository": repository,
            "tag": tag,
            "manifest": image.digest,
            "config": image.config_digest,
            "base": {"name": base.name, "digest": base.digest},
            "builder": config.builder,
            "purpose": config.purpose,
            "bytes": image.size,
            "python": base.python,
            "compiled": parts.compiled,
            "smoke": tried,
            "requirements": parts.pins,
        }
        report = publish_report(context, about, made, model.ref)
        served = model.ref if config.purpose == "serving" else None
        if config.push:
            name = ImageName.parse(f"{repository}:{tag}")
            ref = ImageRef.serving(name.at(image.digest), image.digest.removeprefix("sha256:"), served)
        elif client is not None:
            ref = ImageRef.serving(f"{repository}:{tag}", image.config_digest.removeprefix("sha256:"), served)
        else:
            meta = {**about, "lineage": {"model": model.ref.digest, "identity": context.identity}}
            published = store.publish(context.workflow, "images", image.layout, meta)
            ref = ImageRef.serving(published.uri, published.digest, served)
    summary = (
        f"`{repository}:{tag}` for {config.purpose}, {about['bytes'] / 1e6:,.0f} MB, manifest `{image.digest[:19]}`, "
        f"{len(parts.pins)} libraries. Golden rows: {_said(tried)}."
    )
    metrics = {"bytes": float(image.size), "libraries": float(len(parts.pins))}
    return Outcome(outputs={"image": ref, "report": report}, metrics=metrics, summary=summary, details=about)


def _said(tried: dict[str, object]) -> str:
    if "rows" in tried:
        return f"{tried['rows']} of {tried['rows']} as in training, in a {tried['how']}"
    return str(tried.get("how", "not asked"))


def _repository(config: PackageSpec, context: RunContext) -> str:
    default = f"{context.image_repository.rstrip('/')}/{context.workflow}" if context.image_repository else ""
    if config.push and not (config.repository or default):
        raise ConfigError(
            "there is nowhere to push to", hint="give 'repository', or set [mlops] image_repository for all workflows"
        )
    repository = config.repository or default or context.workflow
    ImageName.parse(repository)
    return repository


def _address(config: PackageSpec, context: RunContext) -> str:
    return context.connections.get(config.conn_id or "", "")


def _base(config: PackageSpec, context: RunContext, blobs: Path) -> tuple[Any, Base]:
    """Bring the base; give the Docker engine too, where it is the builder."""
    name = config.base_image or context.base_image or DEFAULT_BASE
    if name.startswith(LAYOUT):
        name = f"{LAYOUT}{context.locate(name.removeprefix(LAYOUT))}"
    client = None
    if config.builder == "docker":
        from mlops_provider.runtime.images import docker

        client = docker.engine()
        if found := docker.base_from_engine(client, name, blobs):
            return client, found
    return client, find_base(name, blobs, _address(config, context))


def _recipe(config: PackageSpec, base: Base, model: LoadedModel, context: RunContext) -> Recipe:
    from importlib.metadata import version

    labels = lineage_labels(
        context,
        model=model.ref.digest,
        data=str(model.lineage.get("data", "")),
        name=model.ref.name or context.workflow,
        version=model.ref.version or model.ref.digest[:12],
        code=version(environment.OURS),
    )
    labels |= {"org.opencontainers.image.base.digest": base.digest}
    return recipe(config.purpose, base.name, labels, context)


def _build(config: PackageSpec, base: Base, parts: Parts, made: Recipe, layout: Path, tag: str) -> tuple[Image, int]:
    """Give the image and how many layers were added to the base."""
    if config.builder == "buildah":
        from mlops_provider.runtime.images import buildah

        out = layout.with_name("built")
        image = buildah.build(parts, base, layout, made, out, tag)
        return image, len(image.manifest["layers"]) - len(base.layers)
    blobs = layout / "blobs" / "sha256"
    layers: list[Layer] = [write_layer(path, f"{ROOT}/{name}", blobs, PARTS[name]) for name, path in parts.paths()]
    return assemble(layout, base, layers, made, tag), len(layers)


def push(image: Image, name: ImageName, base: Base, address: str) -> None:
    """Push blobs, then the manifest under its digest, then under its tag: before the last step nobody sees it."""
    from mlops_provider.runtime.images.assemble import MANIFEST_TYPE

    content = image.blob(image.digest).read_bytes()
    bases = {layer["digest"] for layer in base.layers}
    with Registry(name, address) as registry:
        for digest in image.blobs():
            registry.push_blob(digest, image.blob(digest), mount=base.repository if digest in bases else "")
        registry.push_manifest(content, MANIFEST_TYPE, image.digest)
        registry.push_manifest(content, MANIFEST_TYPE, name.tag)
