"""`python -m local_cluster prepare|up|down|image|chart-lint|api-lint`: what `make up` and its kin call."""

import argparse
import os
from pathlib import Path

from local_cluster import api_lint, bring_up, chart_lint, elsewhere
from local_cluster.cluster import KUBECONFIG
from local_cluster.cluster_settings import BUILD, Settings
from local_cluster.stages import StageError, Stages, fail


def main() -> None:
    arguments = _parser().parse_args()
    stages = Stages(BUILD / "logs")
    try:
        _obey(arguments, stages)
    except StageError as failed:
        fail(str(failed))
    except KeyboardInterrupt:
        fail("Interrupted; the next make up goes on from here.")


def _obey(arguments: argparse.Namespace, stages: Stages) -> None:
    settings = Settings(nodes=getattr(arguments, "nodes", Settings.nodes))
    kubeconfig = os.environ.get("KUBECONFIG")
    if arguments.command == "chart-lint":
        chart_lint.lint(settings, stages)
    elif arguments.command == "api-lint":
        api_lint.lint(settings, stages)
    elif arguments.command == "prepare":
        bring_up.prepare(settings, stages)
    elif arguments.command == "down":
        bring_up.down(settings, stages)
    elif arguments.command == "image":
        bring_up.image(settings, stages)
    elif kubeconfig and not _is_ours(kubeconfig):
        elsewhere.up(settings, stages, Path(kubeconfig), with_demo=arguments.demo)
    else:
        bring_up.up(settings, stages, with_demo=arguments.demo)


def _is_ours(kubeconfig: str) -> bool:
    """Tell our own cluster's kubeconfig, which `make up` tells people to export, from one of theirs."""
    return Path(kubeconfig).resolve() == KUBECONFIG.resolve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="the packages and programs that up needs, without a cluster")
    up = commands.add_parser("up", help="a real cluster, OpsJobs on it, and a first job through it")
    up.add_argument("--nodes", type=int, default=Settings.nodes, help="beside the control plane (default %(default)s)")
    up.add_argument("--no-demo", dest="demo", action="store_false", help="without the first job")
    commands.add_parser("down", help="remove all that up made; the cache stays")
    commands.add_parser("image", help="rebuild the product image and roll it out")
    commands.add_parser("chart-lint", help="lint and render the chart, and check it against the schemas")
    commands.add_parser("api-lint", help="look for changes of the API that break clients of the last release")
    return parser


if __name__ == "__main__":
    main()
