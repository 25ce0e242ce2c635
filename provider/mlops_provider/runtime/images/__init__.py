"""Images and bundles: layers, their base, the registry, the smoke run. Only `docker` needs a daemon."""
