"""Command line: `ragservices SERVICE`, configured by RAGOPS_* variables."""

from __future__ import annotations

import argparse
import importlib
import sys

from ragservices.common.logs import configure_logging
from ragservices.common.server import serve
from ragservices.common.settings import ServiceSettings, SettingsError, load_settings
from ragservices.embeddings.manifest import ModelError

# Imported on demand: one service does not pay for the libraries of another.
SERVICES = {
    "embeddings": "EmbeddingsSettings",
    "documents": "DocumentsSettings",
    "retrieval": "RetrievalSettings",
    "generation": "GenerationSettings",
    "api": "ApiSettings",
}


def main() -> int:
    """Runs one service until it is stopped; returns the exit status."""
    parser = argparse.ArgumentParser(prog="ragservices", description="Runs one service of a RAG deployment.")
    parser.add_argument("service", choices=SERVICES)
    name = parser.parse_args().service
    module = importlib.import_module(f"ragservices.{name}.service")
    try:
        settings: ServiceSettings = load_settings(getattr(module, SERVICES[name]))
        configure_logging(settings.service or name, settings.log_level)
        app = module.create(settings)
    except (SettingsError, ModelError) as error:
        print(f"ragservices {name}: {error}", file=sys.stderr)
        return 2
    serve(app, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
